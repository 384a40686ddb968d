"""The report as text."""

from __future__ import annotations

from typing import Any

from report.figures import WORTHLESS_SPREAD, cell, number
from report.rows import Section
from report.verdicts import Line, Verdict

LABEL_WIDTH = 68
CELL_WIDTH = 13
LAYER_LABEL_WIDTH, LAYER_WIDTH = 50, 16


def text(lines: list[Line]) -> str:
    """A table for each section; rows that were not measured are said so."""
    written: list[str] = []
    section: Section | None = None
    for line in lines:
        if line.row.section != section:
            section = line.row.section
            heads = f"{section.beside:>{CELL_WIDTH}}{section.own:>{CELL_WIDTH}}"
            written += ["", f"{section.title:{LABEL_WIDTH}}{heads}{_HEADS}"]
        written.append(_line(line))
        written += [f"      {note}" for note in line.notes]
    return "\n".join(written).lstrip("\n")


_HEADS = f"{'ratio':>8}    {'rounds':18}{'target':14}"


def _line(line: Line) -> str:
    label = f"  {line.row.label}" + (f", {line.row.own.unit}" if line.row.own.unit else "")
    if line.ratio is None:
        return f"{label:{LABEL_WIDTH}}{Verdict.NOT_MEASURED.value:>{CELL_WIDTH}}"
    cells = "".join(f"{cell(each):>{CELL_WIDTH}}" for each in (line.beside, line.own))
    mark = " ?" if line.worthless else "  "
    target = str(line.row.target) if line.row.target else ""
    return (
        f"{label:{LABEL_WIDTH}}{cells}{number(line.ratio.median):>8}{mark}  "
        f"{rounds(line):18}{target:14}{line.ruling}"
    ).rstrip()


def rounds(line: Line) -> str:
    """The smallest and the largest ratio of a round."""
    assert line.ratio
    if len(line.ratio.rounds) == 1:
        return "one round"
    return f"{number(line.ratio.smallest)} to {number(line.ratio.largest)}"


def layers_text(layers: dict[str, Any]) -> str:
    """The channel layers in Python: a column for each."""
    written = []
    for scenario in layers["scenarios"]:
        heads = "".join(f"{name:>{LAYER_WIDTH}}" for name in layers["columns"])
        written += ["", f"{scenario['title']:{LAYER_LABEL_WIDTH}}{heads}"]
        for figure in scenario["figures"]:
            cells = "".join(f"{figure['cells'][name]:>{LAYER_WIDTH}}" for name in layers["columns"])
            written.append(f"  {figure['label']:{LAYER_LABEL_WIDTH - 2}}{cells}")
    return "\n".join(written)


def summary(lines: list[Line]) -> list[str]:
    """What is to be known first: how many targets are kept, and which not; what is worthless."""
    judged = [line for line in lines if line.is_judged]
    missed = [line for line in judged if line.verdict is Verdict.NOT_KEPT]
    said = (
        [f"{len(judged) - len(missed)} of {len(judged)} targets judged are kept."] if judged else []
    )
    for line in missed:
        assert line.ratio
        said.append(
            f"{line.ruling}: {name(line)}: {number(line.ratio.median)}, target {line.row.target}"
        )
    for line in lines:
        if line.worthless:
            said.append(
                f"worthless, rounds differ by more than {WORTHLESS_SPREAD:g} times: {name(line)}"
            )
    return said


def name(line: Line) -> str:
    return f"{line.row.section.title}: {line.row.label}"
