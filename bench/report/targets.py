"""The rows of the report: which figures are set against each other, and their targets."""

from __future__ import annotations

import math
from enum import Enum
from typing import NamedTuple

from report.figures import (
    BUSY_LOADER,
    Ratio,
    Results,
    Source,
    Target,
    is_worthless,
    median,
    number,
    ratio,
)
from report.plan import ALL, ONE, REDIS, TWO, Subject


class Section(NamedTuple):
    title: str
    beside: str  # heads of the columns of the two figures
    own: str


class Row(NamedTuple):
    """`own` divided by `beside`, times `scale`."""

    section: Section
    label: str
    own: Source
    beside: Source
    target: Target | None = None
    scale: float = 1.0
    # A throughput, which the loader or the cores that it shares with the server may bound.
    bounded: bool = False
    # Judged on machines of so many cores, and with fewer than so many.
    judged_from: int = 1
    judged_below: float = math.inf


class Verdict(Enum):
    KEPT = "kept"
    NOT_KEPT = "not kept"
    NO_TARGET = ""
    NOT_JUDGED = "not judged"
    NOT_MEASURED = "not measured"


class Line(NamedTuple):
    """A row with what was measured."""

    row: Row
    beside: list[float]  # of each round
    own: list[float]
    ratio: Ratio | None
    verdict: Verdict
    worthless: bool  # one of the figures, or their ratio
    notes: list[str]

    @property
    def disagrees(self) -> bool:
        """Some rounds keep the target and others do not."""
        target = self.row.target
        return bool(target and self.ratio and len(set(map(target.keeps, self.ratio.rounds))) > 1)

    @property
    def ruling(self) -> str:
        """The verdict in words."""
        doubt = ", rounds disagree" if self.disagrees and self.is_judged else ""
        return self.verdict.value + doubt

    @property
    def is_judged(self) -> bool:
        return self.verdict in (Verdict.KEPT, Verdict.NOT_KEPT)


PLAIN = Section("Server CPU per command, one thread", "Redis", "Chorale")
SEQUENCES = Section("Server CPU for channels_redis's sequences, replayed", "Redis", "Chorale")
NATIVE = Section(
    "Server CPU of the native layer beside channels_redis core", "core, Redis", "native"
)
THREADS = Section("SET with pipeline 64, two threads beside one", "one thread", "two threads")
PUBLISH = Section("PUBLISH to 1,000 connections", "Redis", "Chorale")
PUBLISH_THREADS = Section(
    "PUBLISH to 1,000 connections, two threads beside one", "one thread", "two threads"
)
MEMORY = Section("Memory", "Redis", "Chorale")
LATENCY = Section("Latency at half of the rate that saturates Redis, SET", "Redis", "Chorale")


def _plain() -> list[Row]:
    limits = {1: 0.93, 16: 0.65, 64: 0.45}
    names = [(name, pipeline, limits[pipeline]) for pipeline in limits for name in _COMMANDS]
    names += [(name, 16, 0.7) for name in ("ZADD", "ZPOPMIN", "LPUSH", "RPOP", "HSET", "SADD")]
    return [
        _pair(PLAIN, _pipelined(name, pipeline), f"{name.lower()}-p{pipeline}", limit)
        for name, pipeline, limit in names
    ]


_COMMANDS = ("PING", "SET", "GET")


def _pipelined(name: str, pipeline: int) -> str:
    return f"{name}, unpipelined" if pipeline == 1 else f"{name}, pipeline {pipeline}"


def _pair(section: Section, label: str, measurement: str, limit: float | None) -> Row:
    """Server CPU, Chorale with one thread beside Redis."""
    return Row(
        section,
        label,
        Source(measurement, ONE.name, "cpu"),
        Source(measurement, REDIS.name, "cpu"),
        None if limit is None else Target(limit),
    )


def _sequences() -> list[Row]:
    rows = []
    for name, label, limit in (
        ("core_send_receive", "core: send + receive", 0.7),
        ("core_group_send", "core: group_send to 100 processes", 0.5),
        ("pubsub_send_receive", "pubsub: send + receive", None),
        ("pubsub_group_send", "pubsub: group_send to 100 processes", None),
    ):
        row = _pair(SEQUENCES, f"{label}, one thread", name, limit)
        rows.append(row)
        if limit is not None:
            own = Source(name, ALL.name, "cpu")
            label = f"{label}, a thread for each core"
            rows.append(row._replace(label=label, own=own))
    for name, label in (
        ("send_receive", "send + receive"),
        ("group_send", "group_send to 100 processes"),
    ):
        for subject, threads in ((ONE, "one thread"), (ALL, "a thread for each core")):
            rows.append(
                Row(
                    NATIVE,
                    f"{label}, {threads}",
                    Source(f"native_{name}", subject.name, "cpu"),
                    Source(f"core_{name}", REDIS.name, "cpu"),
                    Target(0.1),
                )
            )
    return rows


# Two threads of the server and two of the loader. With fewer, what one thread's work costs when two
# run stands in for what the loader leaves no cores to show.
_CORES_FOR_TWO_THREADS = 4


def _beside_one(section: Section, label: str, measurement: str, figure: str) -> Row:
    """Two threads beside one."""
    own, beside = (Source(measurement, subject.name, figure) for subject in (TWO, ONE))
    return Row(section, label, own, beside)


def _threads() -> list[Row]:
    faster = Target(1.6, at_least=True)
    throughput, waits = "throughput", "waits of a thread per 1,000"
    return [
        _beside_one(THREADS, f"{throughput}, uniform keys", "threads-uniform", throughput)._replace(
            target=faster, bounded=True, judged_from=_CORES_FOR_TWO_THREADS
        ),
        _beside_one(
            THREADS,
            "per second of CPU, uniform keys; ratio of two busy threads",
            "threads-uniform",
            "per_cpu_second",
        )._replace(target=faster, scale=2.0, judged_below=_CORES_FOR_TWO_THREADS),
        _beside_one(THREADS, f"{throughput}, one hot key", "threads-hot", throughput)._replace(
            target=Target(1.0, at_least=True), bounded=True
        ),
        _beside_one(THREADS, f"{waits}, uniform keys", "threads-uniform", "voluntary_switches"),
        _beside_one(THREADS, f"{waits}, one hot key", "threads-hot", "voluntary_switches"),
    ]


def _publish() -> list[Row]:
    rows = []
    for name, label in (("publish-row", "in a row"), ("publish-single", "one at a time")):
        cost = _pair(PUBLISH, f"server CPU per delivery, {label}", name, 0.9)
        own, beside = (each._replace(figure="delivery_cpu") for each in (cost.own, cost.beside))
        rows.append(cost._replace(own=own, beside=beside))
    faster = Target(0.7)
    time = _beside_one(
        PUBLISH_THREADS, "time per delivery, in a row", "publish-row", "delivery_time"
    )
    cpu = _beside_one(
        PUBLISH_THREADS,
        "CPU per delivery, in a row; ratio of two busy threads",
        "publish-row",
        "delivery_cpu",
    )
    return [
        *rows,
        time._replace(target=faster, bounded=True, judged_from=_CORES_FOR_TWO_THREADS),
        cpu._replace(target=faster, scale=0.5, judged_below=_CORES_FOR_TWO_THREADS),
    ]


def _memory() -> list[Row]:
    return [
        Row(
            MEMORY,
            label,
            Source(name, ONE.name, figure),
            Source(name, REDIS.name, figure),
            Target(limit),
        )
        for label, name, figure, limit in (
            ("small string key", "memory-string", "bytes_per_key", 0.9),
            ("member of a sorted set of 100", "memory-zset", "bytes_per_member", 0.9),
            ("idle connection", "memory-idle", "bytes_per_connection", 0.35),
        )
    ]


def _latency() -> list[Row]:
    return [
        Row(
            LATENCY,
            label,
            Source("latency-50", subject.name, "p99.9"),
            Source("latency-50", REDIS.name, "p99.9"),
            Target(1.0),
        )
        for label, subject in (("p99.9, one thread", ONE), ("p99.9, a thread for each core", ALL))
    ]


ROWS = [*_plain(), *_sequences(), *_threads(), *_publish(), *_memory(), *_latency()]


def judge(row: Row, results: Results, cores: int) -> Line:
    own, beside = row.own.rounds(results), row.beside.rounds(results)
    of_both = ratio(own, beside, row.scale)
    notes = _notes(row, results, cores)
    if of_both is None:
        return Line(row, beside, own, None, Verdict.NOT_MEASURED, False, notes)
    if row.target is None:
        verdict = Verdict.NO_TARGET
    elif not row.judged_from <= cores < row.judged_below:
        verdict = Verdict.NOT_JUDGED
    else:
        verdict = Verdict.KEPT if row.target.keeps(of_both.median) else Verdict.NOT_KEPT
    worthless = any(map(is_worthless, (own, beside, of_both.rounds)))
    return Line(row, beside, own, of_both, verdict, worthless, notes)


def _notes(row: Row, results: Results, cores: int) -> list[str]:
    notes = []
    for source in (row.own, row.beside):
        answers = results.get(source.measurement, {}).get(source.subject, [])
        errors = sum(answer.get("errors", 0) for answer in answers)
        if errors:
            notes.append(f"{errors:,} errors in {source.measurement} on {source.subject}")
    if row.bounded:
        notes += _bottleneck(row.own.measurement, results, cores)
    return notes


def _bottleneck(measurement: str, results: Results, cores: int) -> list[str]:
    """What other than the server may have bounded a throughput of two threads."""
    notes = []

    def of(subject: Subject, figure: str) -> float:
        return median(Source(measurement, subject.name, figure).rounds(results))

    if cores < _CORES_FOR_TWO_THREADS:
        loader = of(TWO, "loader_cpu")
        # With one thread the slower of server and loader sets the pace, each on a core.
        alone = max(of(ONE, "cpu"), of(ONE, "loader_cpu"))
        notes.append(
            f"{cores} cores, shared with the loader, which takes {number(loader)} us of CPU for "
            f"each operation: {number(cores / (of(TWO, 'cpu') + loader) * alone)} times the "
            "throughput of one thread at most"
        )
    if of(TWO, "loader_busy") >= BUSY_LOADER:
        notes.append("the loader's busiest thread had no time left")
    return notes
