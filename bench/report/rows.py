"""The rows of the report: which figures are set against each other, and their targets."""

from __future__ import annotations

import math
from typing import NamedTuple

from report.figures import Source, Target
from report.plan import ALL, GROUP_SIZE_PROCESSES, JUDGED_GROUP_MEMBERS, ONE, REDIS, TWO


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
            own = row.own._replace(subject=ALL.name)
            rows.append(row._replace(label=f"{label}, all cores", own=own))
    return rows


def _native() -> list[Row]:
    """Also with more channels than processes, as consumers of an application are."""
    many = f"members-{JUDGED_GROUP_MEMBERS}"
    groups = f"group_send to {JUDGED_GROUP_MEMBERS:,} channels in {GROUP_SIZE_PROCESSES} processes"
    return [
        Row(
            NATIVE,
            f"{label}, {threads}",
            Source(f"native_{name}", subject.name, "cpu"),
            Source(f"core_{name}", REDIS.name, "cpu"),
            Target(0.1),
        )
        for name, label, subject, threads in (
            ("send_receive", "send + receive", ONE, "one thread"),
            ("send_receive", "send + receive", ALL, "all cores"),
            ("group_send", "group_send to 100 processes", ONE, "one thread"),
            ("group_send", "group_send to 100 processes", ALL, "all cores"),
            (f"group_send-{many}", groups, ONE, "one thread"),
        )
    ]


# Two threads of the server and two of the loader. With fewer, what one thread's work costs when two
# run stands in for what the loader leaves no cores to show.
CORES_FOR_TWO_THREADS = 4


def _beside_one(section: Section, label: str, measurement: str, figure: str) -> Row:
    """Two threads beside one."""
    own, beside = (Source(measurement, subject.name, figure) for subject in (TWO, ONE))
    return Row(section, label, own, beside)


def _threads() -> list[Row]:
    faster = Target(1.6, at_least=True)
    throughput, waits = "throughput", "waits of a thread per 1,000"
    return [
        _beside_one(THREADS, f"{throughput}, uniform keys", "threads-uniform", throughput)._replace(
            target=faster, bounded=True, judged_from=CORES_FOR_TWO_THREADS
        ),
        _beside_one(
            THREADS,
            "per second of CPU, uniform keys; ratio of two busy threads",
            "threads-uniform",
            "per_cpu_second",
        )._replace(target=faster, scale=2.0, judged_below=CORES_FOR_TWO_THREADS),
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
        time._replace(target=faster, bounded=True, judged_from=CORES_FOR_TWO_THREADS),
        cpu._replace(target=faster, scale=0.5, judged_below=CORES_FOR_TWO_THREADS),
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
        for label, subject in (("p99.9, one thread", ONE), ("p99.9, all cores", ALL))
    ]


ROWS = [*_plain(), *_sequences(), *_native(), *_threads(), *_publish(), *_memory(), *_latency()]
