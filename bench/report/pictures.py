"""Which figures go into which chart."""

from __future__ import annotations

from typing import Any, NamedTuple

from report.charts import (
    KEPT,
    MISSED,
    PLAIN,
    Bar,
    Bars,
    Panel,
    Point,
    Row,
    Series,
    Value,
    lines,
    ratios,
    side_by_side,
)
from report.figures import Results, Source, median, number
from report.plan import (
    ALL,
    GROUP_MEMBERS,
    GROUP_SIZE_PROCESSES,
    KEY_COUNTS,
    LOADS,
    ONE,
    PROCESS_COUNT_MEMBERS,
    PROCESS_COUNTS,
    REDIS,
    SATURATION,
    Subject,
)
from report.verdicts import Line, Verdict

REDIS_COLOR, ONE_COLOR, ALL_COLOR, NATIVE_COLOR = "#c4483a", "#1f6f9c", "#4fb0d8", "#2a8c7d"
COLORS = {REDIS.name: REDIS_COLOR, ONE.name: ONE_COLOR, ALL.name: ALL_COLOR}
VERDICT_COLORS = {Verdict.KEPT: KEPT, Verdict.NOT_KEPT: MISSED}


class Picture(NamedTuple):
    """A chart under its heading."""

    title: str
    text: str
    svg: str


def pictures(results: Results, found: list[Line], layers: dict[str, Any] | None) -> list[Picture]:
    """Those of which something was measured."""
    every = [
        _shorter(found),
        _longer(found),
        _latency(results),
        _group_size(results),
        _processes(results),
        _keys(results),
        _layers(layers),
    ]
    return [each for each in every if each]


# ---- ratios ----


def _shorter(found: list[Line]) -> Picture | None:
    groups = _groups([line for line in found if line.row.target and not line.row.target.at_least])
    if not groups:
        return None
    svg = ratios("ratios", groups, "ratio to Redis, or to what the heading says")
    return Picture(
        "Ratios with their targets: shorter is better",
        "The black mark is the target, the thin line reaches from the smallest to the largest "
        "ratio of a round. At 1 there is no difference. Green keeps its target, orange does not, "
        "grey is not judged on this machine; hatched (?) is worthless, because the rounds differ "
        "too much.",
        svg,
    )


def _longer(found: list[Line]) -> Picture | None:
    groups = _groups([line for line in found if line.row.target and line.row.target.at_least])
    if not groups:
        return None
    svg = ratios("gains", groups, "ratio of two threads to one")
    return Picture(
        "Two threads beside one: longer is better",
        "Marks and colours as above. Grey is not judged on this machine, because loader and "
        "server share too few cores.",
        svg,
    )


def _groups(found: list[Line]) -> list[Bars]:
    groups: dict[str, list[Bar]] = {}
    for line in found:
        if line.ratio is None:
            continue
        bar = Bar(
            line.row.label,
            line.ratio.median,
            line.ratio.smallest,
            line.ratio.largest,
            line.row.target.limit if line.row.target else None,
            VERDICT_COLORS.get(line.verdict, PLAIN),
            line.worthless,
        )
        groups.setdefault(line.row.section.title, []).append(bar)
    return [Bars(title, bars) for title, bars in groups.items()]


# ---- lines ----


def _series(
    results: Results,
    label: str,
    color: str,
    figure: str,
    subject: Subject,
    points: list[tuple[float, str]],
) -> Series | None:
    """From pairs of x and the measurement that was made there."""
    found = []
    for x, measurement in points:
        rounds = Source(measurement, subject.name, figure).rounds(results)
        if rounds:
            found.append(Point(x, median(rounds), min(rounds), max(rounds)))
    return Series(label, color, found) if found else None


def _present(series: list[Series | None]) -> list[Series]:
    return [each for each in series if each]


def _latency(results: Results) -> Picture | None:
    points = [(load * 100, f"latency-{round(load * 100)}") for load in LOADS]
    rate = median(Source(SATURATION, REDIS.name, "throughput").rounds(results))
    panels = []
    for figure, title in (("p50", "median"), ("p99.9", "99.9th percentile")):
        series = [
            _series(results, subject.label, COLORS[subject.name], figure, subject, points)
            for subject in (REDIS, ONE, ALL)
        ]
        x = f"offered load, % of the {number(rate)} per second that saturate Redis"
        panels.append(Panel(title, x, "latency, us", _present(series), log_x=False))
    if not panels[0].series:
        return None
    return Picture(
        "Latency against offered load: lower is better",
        "SET unpipelined over 50 connections in an open loop: latency counts from the moment at "
        "which a request was to be sent. All servers get the same load, a share of what saturated "
        "Redis in that round.",
        lines("latency", panels),
    )


GROUP_SEND_LINES = (
    ("core_group_send", REDIS, "channels_redis core on Redis", REDIS_COLOR),
    ("core_group_send", ONE, "channels_redis core on Chorale", ONE_COLOR),
    ("native_group_send", ONE, "native layer on Chorale", NATIVE_COLOR),
)


def _group_send_series(results: Results, kind: str, counts: tuple[int, ...]) -> list[Series]:
    series = []
    for workload, subject, label, color in GROUP_SEND_LINES:
        points = [(float(count), f"{workload}-{kind}-{count}") for count in counts]
        series.append(_series(results, label, color, "cpu", subject, points))
    return _present(series)


def _group_size(results: Results) -> Picture | None:
    series = _group_send_series(results, "members", GROUP_MEMBERS)
    if not series:
        return None
    panel = Panel("", "channels in the group", "us of server CPU per group_send", series)
    return Picture(
        "Cost of group_send against the size of the group: lower is better",
        f"The channels belong to {GROUP_SIZE_PROCESSES} processes; sequences replayed, one thread.",
        lines("group-size", [panel]),
    )


def _processes(results: Results) -> Picture | None:
    series = _group_send_series(results, "processes", PROCESS_COUNTS)
    if not series:
        return None
    panel = Panel("", "processes", "us of server CPU per group_send", series)
    return Picture(
        "Cost of group_send against the number of processes: lower is better",
        f"The group has {PROCESS_COUNT_MEMBERS} channels, spread evenly; sequences replayed, "
        "one thread.",
        lines("processes", [panel]),
    )


def _keys(results: Results) -> Picture | None:
    panels = []
    for workload in ("set", "get"):
        points = [(float(count), f"{workload}-keys-{count}") for count in KEY_COUNTS]
        series = [
            _series(results, subject.label, COLORS[subject.name], "cpu", subject, points)
            for subject in (REDIS, ONE)
        ]
        y = "us of server CPU per operation"
        panels.append(
            Panel(f"{workload.upper()}, pipeline 16", "keys", y, _present(series), log_y=False)
        )
    if not any(panel.series for panel in panels):
        return None
    return Picture(
        "Cost of a command against the number of keys: lower is better",
        "Random keys of so many; one thread.",
        lines("keys", [panel for panel in panels if panel.series]),
    )


# ---- layers in Python ----

LAYER_COLORS = {
    "core": REDIS_COLOR,
    "pubsub": "#e09a6d",
    "core@chorale": ONE_COLOR,
    "pubsub@chorale": ALL_COLOR,
    "chorale": NATIVE_COLOR,
    "memory": PLAIN,
}


def _layers(layers: dict[str, Any] | None) -> Picture | None:
    if not layers:
        return None
    rows, titles = [], []
    for scenario in layers["scenarios"]:
        charts = []
        for figure in scenario["figures"]:
            if not figure["better"]:
                continue
            values = [
                Value(
                    name,
                    median(figure["values"][name]),
                    figure["cells"][name],
                    LAYER_COLORS[name],
                )
                for name in layers["columns"]
            ]
            charts.append(Row(f"{figure['label']}\n({figure['better']} is better)", values))
        rows.append(charts)
        titles.append(scenario["title"])
    count = layers["rounds"]
    return Picture(
        "Channel layers in Python, side by side",
        "core and pubsub are those of channels_redis, on Redis or, with @chorale, on Chorale; "
        "chorale is channels_chorale on Chorale; memory is the in-memory layer of channels, which "
        "one process has for itself: it costs no server and reaches no other process. "
        "Senders, receivers and servers share the cores of this machine. "
        + ("One round: how much noise changes is not known." if count == 1 else f"{count} rounds."),
        side_by_side("layers", rows, titles),
    )
