"""The charts, as SVG to be put into a page."""

from __future__ import annotations

import io
import math
import re
from typing import NamedTuple

import matplotlib

matplotlib.use("svg")

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator  # noqa: E402

from report.figures import number  # noqa: E402

INK, FAINT, GRID = "#1d2733", "#66717e", "#dfe4e9"
KEPT, MISSED, PLAIN = "#2a8c7d", "#d0572f", "#9aa5b1"
WIDTH = 10.0

matplotlib.rcParams.update(
    {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
    }
)


class Bar(NamedTuple):
    """A ratio with the smallest and the largest of a round."""

    label: str
    value: float
    smallest: float
    largest: float
    target: float | None
    color: str
    doubtful: bool = False  # hatched


class Bars(NamedTuple):
    """A heading and the bars below it."""

    title: str
    bars: list[Bar]


class Point(NamedTuple):
    x: float
    y: float
    smallest: float
    largest: float


class Series(NamedTuple):
    label: str
    color: str
    points: list[Point]


class Panel(NamedTuple):
    """One pair of axes with lines."""

    title: str
    x: str
    y: str
    series: list[Series]
    log_x: bool = True
    log_y: bool = True


class Value(NamedTuple):
    """Not a number where there is none."""

    label: str
    value: float
    text: str  # as it is written beside the bar
    color: str


class Row(NamedTuple):
    """One pair of axes with bars for things of one kind."""

    title: str
    values: list[Value]


def _svg(figure: Figure, name: str) -> str:
    """Without the XML prologue; ids get the chart's name, so that many fit into one page."""
    with matplotlib.rc_context({"svg.hashsalt": name}):
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    return svg.replace("url(#", f"url(#{name}-").replace(
        "<svg ", f'<svg role="img" aria-label="{name}" ', 1
    )


def ratios(name: str, groups: list[Bars], axis: str) -> str:
    """Horizontal bars with their targets, and a line at the ratio that says "the same"."""
    rows = sum(len(group.bars) + 1.4 for group in groups)
    figure = Figure(figsize=(WIDTH, 0.235 * rows + 0.7), layout="constrained")
    axes = figure.subplots()
    every = [bar for group in groups for bar in group.bars]
    shown = [value for bar in every for value in (bar.value, bar.target or 0, 1)]
    reach = min(max(shown), 2.5) * 1.14
    labels: list[tuple[float, str]] = []
    y = 0.0
    for group in groups:
        y += 0.4
        axes.text(0, y, group.title, weight="bold", va="center")
        for bar in group.bars:
            y += 1
            labels.append((y, bar.label))
            _bar(axes, y, bar, reach)
        y += 1
    axes.axvline(1, color=FAINT, linewidth=0.8, zorder=0.5)
    axes.set_yticks([at for at, _ in labels], [label for _, label in labels])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y - 0.4, -0.3)
    axes.set_xlim(0, reach)
    axes.grid(axis="x", linewidth=0.6)
    axes.set_xlabel(axis)
    axes.spines["left"].set_visible(False)
    return _svg(figure, name)


def _bar(axes: Axes, y: float, bar: Bar, reach: float) -> None:
    width = min(bar.value, reach)
    hatch = "////" if bar.doubtful else None
    axes.barh(y, width, height=0.62, color=bar.color, hatch=hatch, edgecolor="white", linewidth=0)
    if bar.largest > bar.smallest:
        axes.plot([bar.smallest, min(bar.largest, reach)], [y, y], color=INK, linewidth=0.9)
    if bar.target is not None:
        axes.plot([bar.target, bar.target], [y - 0.44, y + 0.44], color=INK, linewidth=2)
    # Beside everything that is drawn in this row.
    ends = [width, min(bar.largest, reach)]
    # Between bar and target if it fits there.
    if bar.target is not None and -0.04 < (bar.target - max(ends)) / reach < 0.09:
        ends.append(bar.target)
    text = number(bar.value) + (" ?" if bar.doubtful else "")
    axes.text(max(ends) + 0.008 * reach, y, text, va="center", fontsize=8)


def lines(name: str, panels: list[Panel]) -> str:
    """Lines with a point for each measurement, and the range of the rounds around it.

    All panels have the same series.
    """
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        for series in panel.series:
            points = sorted(series.points)
            xs, ys = [each.x for each in points], [each.y for each in points]
            axes.plot(
                xs,
                ys,
                marker="o",
                markersize=4,
                linewidth=1.6,
                color=series.color,
                label=series.label,
            )
            axes.vlines(
                xs,
                [each.smallest for each in points],
                [each.largest for each in points],
                color=series.color,
                linewidth=3,
                alpha=0.3,
            )
        _scale(axes, panel)
        axes.set_title(panel.title)
        axes.set_xlabel(panel.x)
        axes.set_ylabel(panel.y)
        axes.grid(linewidth=0.6)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return _svg(figure, name)


def _scale(axes: Axes, panel: Panel) -> None:
    written = FuncFormatter(lambda value, _: number(value))
    if panel.log_x:
        axes.set_xscale("log")
        axes.set_xticks(sorted({each.x for series in panel.series for each in series.points}))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(left=0)
    if panel.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(written)
    axes.yaxis.set_major_formatter(written)


def side_by_side(name: str, rows: list[list[Row]], titles: list[str]) -> str:
    """A grid of small bar charts: a line of the page for each of `titles`."""
    columns = max(map(len, rows))
    heights = [max(len(each.values) for each in row) + 1.6 for row in rows]
    figure = Figure(figsize=(WIDTH, 0.25 * sum(heights) + 0.3 * len(rows)), layout="constrained")
    parts = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, row, title in zip(parts, rows, titles, strict=True):
        part.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=10)
        grid = part.subplots(1, columns, squeeze=False, sharey=True)[0]
        for axes, chart in zip(grid, row, strict=False):
            _small_bars(axes, chart)
        for axes in grid[len(row) :]:
            axes.set_visible(False)
    return _svg(figure, name)


def _small_bars(axes: Axes, chart: Row) -> None:
    places = range(len(chart.values))
    lengths = [0.0 if math.isnan(each.value) else each.value for each in chart.values]
    axes.barh(places, lengths, height=0.66, color=[each.color for each in chart.values])
    reach = max(lengths) or 1.0
    for place, length, each in zip(places, lengths, chart.values, strict=True):
        axes.text(length + 0.02 * reach, place, each.text, va="center", fontsize=8)
    axes.set_yticks(places, [each.label for each in chart.values])
    axes.set_ylim(len(chart.values) - 0.5, -0.5)
    axes.set_xlim(0, reach * 1.28)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.set_title(chart.title, fontsize=8.5)
    axes.spines["bottom"].set_visible(False)
