"""The report as one HTML file that needs no other."""

from __future__ import annotations

from html import escape
from typing import Any

from report.figures import cell, number
from report.pictures import Picture
from report.rows import Section
from report.table import rounds, summary
from report.verdicts import Line, Verdict

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", Verdana, sans-serif;
  color: #1d2733; background: #fff; max-width: 1020px; margin: 2rem auto 4rem; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .4rem; border-bottom: 1px solid #dfe4e9; }
p, li { max-width: 48rem; }
.faint { color: #66717e; font-size: .87rem; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; margin: .6rem 0; }
th, td { text-align: right; padding: .22rem .5rem; border-bottom: 1px solid #edf0f3;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
th { font-weight: 600; } th:first-child, td:first-child { text-align: left; white-space: normal; }
.targets td:first-child { width: 36%; }
tr.section th { padding-top: 1.1rem; border-bottom: 1px solid #66717e; }
td.note { text-align: left; color: #66717e; white-space: normal; padding-left: 1.6rem; }
.kept { color: #1c7568; } .missed { color: #b8431c; font-weight: 600; } .other { color: #66717e; }
svg { width: 100%; height: auto; display: block; margin: .6rem 0; }
"""

CLASSES = {Verdict.KEPT: "kept", Verdict.NOT_KEPT: "missed"}


def page(document: dict[str, Any], lines: list[Line], pictures: list[Picture]) -> str:
    """`document` is what latest.json holds."""
    parts = [
        "<h1>Chorale beside Redis</h1>",
        _machine(document),
        _failures(document),
    ]
    if lines:
        parts += [
            "<h2>In short</h2>",
            _list(summary(lines)),
            "<h2>Every target</h2>",
            f'<p class="faint">{escape(HOW_TO_READ)}</p>',
            _table(lines),
        ]
    for picture in pictures:
        parts += [
            f"<h2>{escape(picture.title)}</h2>",
            f'<p class="faint">{escape(picture.text)}</p>',
            picture.svg,
        ]
    parts.append(_layers(document["layers"]))
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Chorale beside Redis</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


HOW_TO_READ = (
    "Medians over the rounds; the ratio is that of the medians, and behind it are the smallest and "
    "the largest ratio of a round. CPU is the time of the server process, user and system. "
    "A ? marks a figure whose rounds differ so much that it says nothing. Compare within one run: "
    "absolute figures drift from run to run."
)


def _machine(document: dict[str, Any]) -> str:
    lines = [document["command"], *document["machine"], *document["versions"]]
    return '<p class="faint">' + "<br>\n".join(escape(line) for line in lines) + "</p>"


def _list(items: list[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"


def _failures(document: dict[str, Any]) -> str:
    failures = [" on ".join(each[:2]) + f": {each[2]}" for each in document["failures"]]
    return "<h2>What failed</h2>\n" + _list(failures) if failures else ""


def _table(lines: list[Line]) -> str:
    rows: list[str] = []
    section: Section | None = None
    for line in lines:
        if line.row.section != section:
            section = line.row.section
            heads = (section.title, section.beside, section.own)
            heads += ("ratio", "rounds", "target", "")
            rows.append(_cells("th", heads, "section"))
        rows.append(_row(line))
        for note in line.notes:
            rows.append(f'<tr><td class="note" colspan="7">{escape(note)}</td></tr>')
    return '<table class="targets">\n' + "\n".join(rows) + "\n</table>"


def _row(line: Line) -> str:
    unit = line.row.own.unit
    label = line.row.label + (f", {unit}" if unit else "")
    target = str(line.row.target) if line.row.target else ""
    ruling = f'<td class="{CLASSES.get(line.verdict, "other")}">{escape(line.ruling)}</td>'
    if line.ratio is None:
        return _cells("td", (label, "", "", "", "", target), extra=ruling)
    figures = [cell(each) for each in (line.beside, line.own)]
    mark = " ?" if line.worthless else ""
    cells = (label, *figures, number(line.ratio.median) + mark, rounds(line), target)
    return _cells("td", cells, extra=ruling)


def _cells(tag: str, cells: tuple[str, ...], kind: str = "", extra: str = "") -> str:
    inner = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
    return (f'<tr class="{kind}">' if kind else "<tr>") + inner + extra + "</tr>"


def _layers(layers: dict[str, Any] | None) -> str:
    if not layers:
        return ""
    rows = []
    for scenario in layers["scenarios"]:
        rows.append(_cells("th", (scenario["title"], *layers["columns"]), "section"))
        for figure in scenario["figures"]:
            cells = [figure["cells"][name] for name in layers["columns"]]
            rows.append(_cells("td", (figure["label"], *cells)))
    return "<table>\n" + "\n".join(rows) + "\n</table>"
