"""What bench/run measures: which load, on which servers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from servers import REDIS_IN_MEMORY


class Subject(NamedTuple):
    """A server with its options. One is started for each single run."""

    name: str
    label: str
    server: str  # redis or chorale
    options: tuple[str, ...] = ()


REDIS = Subject("redis", "Redis", "redis", REDIS_IN_MEMORY)
ONE = Subject("chorale-1", "Chorale, one thread", "chorale", ("--threads", "1"))
TWO = Subject("chorale-2", "Chorale, two threads", "chorale", ("--threads", "2"))
# With its default, a thread for each core.
ALL = Subject("chorale", "Chorale, a thread for each core", "chorale")
SUBJECTS = {subject.name: subject for subject in (REDIS, ONE, TWO, ALL)}


class Measurement(NamedTuple):
    """One load of chorale-bench, on each of the subjects in turn."""

    name: str
    section: str
    workload: str
    subjects: tuple[Subject, ...]
    options: dict[str, Any]
    # Lines in a chart; with --quick measured once.
    curve: bool = False
    # Open loop at this share of the rate that saturated REDIS in the same round.
    load: float | None = None
    # How many times as long as the others, for figures that few operations decide.
    longer: float = 1.0


CONNECTIONS = 50
KEYS = 100_000
PLAIN = {"connections": CONNECTIONS, "keys": KEYS}
PROCESSES = 100
SATURATION = "saturation"
LOADS = (0.1, 0.25, 0.5, 0.75, 0.9)
GROUP_MEMBERS = (10, 100, 1_000, 10_000)
GROUP_SIZE_PROCESSES = 10
# The one of them that has a target.
JUDGED_GROUP_MEMBERS = 1_000
PROCESS_COUNTS = (1, 4, 20, 100)
PROCESS_COUNT_MEMBERS = 400
KEY_COUNTS = (1_000, 10_000, 100_000, 1_000_000)
# Group sends in the charts: the workload, and the servers that it goes to.
GROUP_SENDS = (
    ("core_group_send", (REDIS, ONE)),
    ("native_group_send", (ONE,)),
)


def _plain() -> Iterable[Measurement]:
    for workload in ("ping", "set", "get"):
        for pipeline in (1, 16, 64):
            options = {**PLAIN, "pipeline": pipeline}
            yield Measurement(f"{workload}-p{pipeline}", "plain", workload, (REDIS, ONE), options)
    for workload in ("zadd", "zpopmin", "lpush", "rpop", "hset", "sadd"):
        options = {**PLAIN, "pipeline": 16}
        yield Measurement(f"{workload}-p16", "plain", workload, (REDIS, ONE), options)


def _layers() -> Iterable[Measurement]:
    group = {"processes": PROCESSES, "members": 1}
    for workload, subjects, options in (
        ("core_send_receive", (REDIS, ONE, ALL), {}),
        ("core_group_send", (REDIS, ONE, ALL), group),
        ("pubsub_send_receive", (REDIS, ONE), {}),
        ("pubsub_group_send", (REDIS, ONE), group),
        ("native_send_receive", (ONE, ALL), {}),
        ("native_group_send", (ONE, ALL), group),
    ):
        yield Measurement(workload, "sequences", workload, subjects, options)


def _threads(loader_threads: int) -> Iterable[Measurement]:
    for distribution in ("uniform", "hot"):
        options = {**PLAIN, "pipeline": 64, "distribution": distribution}
        options["threads"] = loader_threads
        yield Measurement(f"threads-{distribution}", "threads", "set", (ONE, TWO), options)


def _publish() -> Iterable[Measurement]:
    for name, pipeline in (("publish-row", 16), ("publish-single", 1)):
        options = {"connections": 1000, "pipeline": pipeline}
        # One at a time each takes tens of milliseconds.
        longer = 2.0 if pipeline == 1 else 1.0
        yield Measurement(name, "publish", "publish", (REDIS, ONE, TWO), options, longer=longer)


def _memory() -> Iterable[Measurement]:
    for name, workload, options in (
        ("memory-string", "memory_string", {"keys": 1_000_000}),
        ("memory-zset", "memory_zset", {"keys": 10_000, "members": 100}),
        ("memory-idle", "idle", {"connections": 2_000}),
    ):
        yield Measurement(name, "memory", workload, (REDIS, ONE), options)


def _latency() -> Iterable[Measurement]:
    subjects = (REDIS, ONE, ALL)
    yield Measurement(SATURATION, "latency", "set", subjects, PLAIN)
    for load in LOADS:
        judged = load == 0.5
        yield Measurement(
            f"latency-{round(load * 100)}",
            "latency",
            "set",
            subjects,
            PLAIN,
            curve=not judged,
            load=load,
            longer=3.0 if judged else 1.0,
        )


def _curves() -> Iterable[Measurement]:
    for workload, subjects in GROUP_SENDS:
        for members in GROUP_MEMBERS:
            options = {
                "processes": GROUP_SIZE_PROCESSES,
                "members": members // GROUP_SIZE_PROCESSES,
            }
            name = f"{workload}-members-{members}"
            curve = members != JUDGED_GROUP_MEMBERS
            yield Measurement(name, "group-size", workload, subjects, options, curve)
        for processes in PROCESS_COUNTS:
            options = {"processes": processes, "members": PROCESS_COUNT_MEMBERS // processes}
            name = f"{workload}-processes-{processes}"
            yield Measurement(name, "processes", workload, subjects, options, curve=True)
    for workload in ("set", "get"):
        for keys in KEY_COUNTS:
            options = {"connections": CONNECTIONS, "pipeline": 16, "keys": keys}
            name = f"{workload}-keys-{keys}"
            yield Measurement(name, "keys", workload, (REDIS, ONE), options, curve=True)


def measurements(cores: int) -> list[Measurement]:
    """Everything that chorale-bench measures, on a machine of so many cores."""
    # Two threads of the server and as many of the loader as there are cores left, at least one.
    loader_threads = min(4, max(1, cores - 2))
    return [
        *_plain(),
        *_layers(),
        *_threads(loader_threads),
        *_publish(),
        *_memory(),
        *_latency(),
        *_curves(),
    ]


# The channel layers in Python, which bench/layers measures.
LAYERS = "layers"


def chosen(names: list[str], every: list[Measurement]) -> tuple[list[Measurement], bool]:
    """Those of these sections or of these names, and whether the layers are among them.

    Raises ValueError with the first name that there is not.
    """
    if not names:
        return every, True
    known = {each.section for each in every} | {each.name for each in every} | {LAYERS}
    for name in names:
        if name not in known:
            raise ValueError(name)
    some = [each for each in every if each.section in names or each.name in names]
    if any(each.load for each in some) and not any(each.name == SATURATION for each in some):
        some.insert(0, next(each for each in every if each.name == SATURATION))
    return some, LAYERS in names
