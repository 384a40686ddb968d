"""What a broker holds is there again after it was stopped or killed, to the last member."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from differential.state import State, read_state
from support.observe import wait_until_blocked
from support.resp import Argument, RespClient
from support.server import Server
from support.waiting import wait_until

pytestmark = pytest.mark.sanitizer

DATABASES = 16
ENDINGS = [signal.SIGTERM, signal.SIGKILL]
FAR = 4_000_000_000_000  # Unix milliseconds, in the year 2096
LARGE = 2000
NASTY = bytes(range(256)) + b"\r\n$-1\r\n"

Command = tuple[Argument, ...]


def state_of(server: Server) -> State:
    with server.connect(deadline=30) as client:
        return read_state(client, DATABASES)


def members(count: int, stem: str = "member") -> list[str]:
    return [f"{stem}:{number}" for number in range(count)]


def pairs(count: int, stem: str = "field") -> list[Argument]:
    return [word for number in range(count) for word in (f"{stem}:{number}", f"value {number}")]


def scored(count: int) -> list[Argument]:
    return [word for n in range(count) for word in (n * 37 % 101 + n / 8, f"member:{n}")]


def list_of(key: str, count: int = LARGE) -> Command:
    """Short, long and equal elements in turn."""
    elements: list[Argument] = []
    for number in range(count):
        elements.append(["equal", f"element:{number}", f"{number}".ljust(300, "x")][number % 3])
    return ("RPUSH", key, *elements)


LARGE_HASH: Command = ("HSET", "hash", *pairs(LARGE))
LARGE_SET: Command = ("SADD", "set", *members(LARGE))
LARGE_ZSET: Command = ("ZADD", "zset", *scored(LARGE))
LARGE_LIST: Command = list_of("list")
LARGE_INTSET: Command = ("SADD", "intset", *range(-200, 200))
ONE_OF_EACH: list[Command] = [
    ("SET", "string", "value"),
    ("HSET", "hash", "field", "value"),
    ("SADD", "set", "member"),
    ("ZADD", "zset", 1, "member"),
    ("RPUSH", "list", "element"),
]
LARGE_OF_EACH: list[Command] = [
    ("SET", "string", "s" * 100_000),
    LARGE_HASH,
    LARGE_SET,
    LARGE_ZSET,
    LARGE_LIST,
    LARGE_INTSET,
]
KEYS_OF_EACH = ["string", "hash", "set", "zset", "list", "intset"]


@dataclass(frozen=True)
class Scenario:
    """What is there before, and what is then done to it."""

    name: str
    before: list[Command]
    then: list[Command] = field(default_factory=list)

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


SCENARIOS = [
    Scenario(
        "strings of every form",
        [
            ("SET", "empty", ""),
            ("SET", "", "the empty key"),
            ("SET", NASTY, NASTY),
            ("SET", "int", 12345),
            ("SET", "least", -(2**63)),
            ("SET", "greatest", 2**63 - 1),
            ("SET", "no int", "012"),
            ("SET", "44", "x" * 44),
            ("SET", "45", "x" * 45),
            ("SET", "megabyte", b"\x00\xff" * 500_000),
        ],
    ),
    Scenario(
        "strings changed in place",
        [("SET", "int", 5), ("SET", "text", "hello"), ("SET", "large", "x" * 200_000)],
        [
            ("INCRBY", "int", 37),
            ("APPEND", "text", " world"),
            ("APPEND", "large", "y" * 100),
            ("SETRANGE", "large", 100_000, "in the middle"),
            ("SETBIT", "large", 7, 1),
            ("SETRANGE", "padded", 1000, "end"),
            ("SETBIT", "bits", 80_001, 1),
            ("INCRBYFLOAT", "float", "0.1"),
            ("BITOP", "NOT", "inverted", "text"),
            ("GETSET", "text", "other"),
            ("MSET", "a", 1, "b", 2, "c", 3),
            ("MSETNX", "a", 9, "d", 9),
        ],
    ),
    Scenario(
        "strings removed",
        [("MSET", "a", 1, "b", "x" * 100_000, "c", 3, "d", 4, "kept", 5)],
        [("GETDEL", "a"), ("DEL", "b"), ("UNLINK", "c"), ("PEXPIREAT", "d", 1)],
    ),
    Scenario(
        "hashes",
        [
            ("HSET", "small", "f", "v", "", "", NASTY, NASTY),
            ("HSET", "long value", "f", "v" * 1000),
            LARGE_HASH,
        ],
        [
            ("HINCRBY", "small", "n", 5),
            ("HINCRBYFLOAT", "small", "n", "0.5"),
            ("HDEL", "small", ""),
            ("HSETNX", "small", "f", "ignored"),
            ("HSET", "hash", "field:7", "changed", "new", "x" * 5000),
            ("HDEL", "hash", *members(LARGE // 2, "field")),
            ("HDEL", "long value", "f"),
        ],
    ),
    Scenario(
        "sets",
        [
            ("SADD", "ints", 1, 2, 3, -5, 2**40),
            ("SADD", "small", "a", "b", "", NASTY),
            LARGE_SET,
            LARGE_INTSET,
            ("SADD", "other", "member:3", "member:4", "x"),
        ],
        [
            ("SADD", "ints", "no number"),
            ("SREM", "small", "", "missing"),
            ("SREM", "set", *members(LARGE // 2)),
            ("SMOVE", "set", "small", "member:1999"),
            ("SPOP", "intset", 150),
            ("SPOP", "other"),
            ("SUNIONSTORE", "union", "small", "ints"),
            ("SINTERSTORE", "small", "set", "other"),
        ],
    ),
    Scenario(
        "sorted sets",
        [
            ("ZADD", "small", 1, "a", "0.1", "b", "inf", "c", "-inf", "d", "-0", "e", 1e300, ""),
            ("ZADD", "binary", "1.5", NASTY),
            LARGE_ZSET,
            ("ZADD", "equal", *(word for n in range(LARGE) for word in (0, f"m{n:05}"))),
        ],
        [
            ("ZINCRBY", "small", "0.2", "b"),
            ("ZADD", "zset", "GT", "CH", 5000, "member:5", 0, "member:6"),
            ("ZPOPMIN", "zset", 700),
            ("ZPOPMAX", "zset"),
            ("ZREM", "zset", "member:700", "member:701"),
            ("ZREMRANGEBYRANK", "zset", 100, 120),
            ("ZREMRANGEBYSCORE", "zset", "-inf", 5),
            ("ZREMRANGEBYLEX", "equal", "[m00100", "(m01500"),
            ("ZUNIONSTORE", "union", 2, "small", "zset", "WEIGHTS", 2, "0.5"),
            ("ZRANGESTORE", "range", "equal", 10, 300),
            ("ZPOPMIN", "binary"),
        ],
    ),
    Scenario(
        "small lists",
        [("RPUSH", "list", "a", "", NASTY, 7, "x" * 20_000), ("RPUSH", "once", "x")],
        [
            ("LPUSH", "list", "first"),
            ("LPOP", "once"),
            ("LMOVE", "list", "other", "LEFT", "RIGHT"),
            ("RPOPLPUSH", "list", "list"),
        ],
    ),
    Scenario(
        "large lists changed in the middle",
        [LARGE_LIST, list_of("trimmed"), list_of("drained"), list_of("plain", 5)],
        [
            ("LINSERT", "list", "BEFORE", "element:1000", "before 1000"),
            ("LINSERT", "list", "AFTER", "element:1000", "after 1000"),
            ("LSET", "list", 1500, "y" * 9000),
            ("LSET", "list", -3, ""),
            ("LREM", "list", 100, "equal"),
            ("LREM", "list", -100, "equal"),
            ("LPOP", "list", 50),
            ("RPOP", "list", 50),
            ("LTRIM", "trimmed", 700, -701),
            ("LREM", "trimmed", 0, "equal"),
            ("LMOVE", "list", "list", "LEFT", "RIGHT"),
            ("LMOVE", "list", "plain", "RIGHT", "LEFT"),
            ("LPUSH", "list", *members(300)),
            ("LPOP", "drained", LARGE),
        ],
    ),
    Scenario(
        "elements far larger than a node",
        [("RPUSH", "list", *(f"{n}" * 50_000 for n in range(10)))],
        [
            ("LINSERT", "list", "BEFORE", "5" * 50_000, "z" * 30_000),
            ("LREM", "list", 1, "3" * 50_000),
        ],
    ),
    Scenario(
        "lists turned over",
        [list_of("list", 600)],
        [("LMOVE", "list", "list", "LEFT", "RIGHT")] * 900 + [("RPOPLPUSH", "list", "b")] * 300,
    ),
    Scenario(
        "expiries",
        [*LARGE_OF_EACH, ("SET", "b", 1, "PXAT", FAR), ("SET", "c", 1, "PXAT", FAR)],
        [
            *(("PEXPIREAT", key, FAR + place) for place, key in enumerate(KEYS_OF_EACH)),
            ("SET", "a", "value", "PXAT", FAR + 17),
            ("PERSIST", "hash"),
            ("PERSIST", "b"),
            ("APPEND", "c", "x"),
            ("EXPIREAT", "c", FAR // 1000),
            ("SET", "b", 2),
            ("GETEX", "string", "PXAT", FAR - 1),
            ("SET", "a", "other", "KEEPTTL"),
            ("RENAME", "zset", "renamed"),
            ("COPY", "list", "copy"),
        ],
    ),
    Scenario(
        "keys renamed",
        [*LARGE_OF_EACH, ("SET", "target", "x"), ("RPUSH", "taken", "a", "b")],
        [
            *(("RENAME", key, f"renamed {key}") for key in KEYS_OF_EACH),
            ("RENAME", "renamed hash", "target"),
            ("RENAME", "renamed list", "taken"),
            ("RENAMENX", "renamed set", "taken"),
            ("RENAME", "taken", "taken"),
            ("HSET", "hash", "born", "again"),
            ("LPUSH", "taken", "first"),
            ("ZADD", "renamed zset", 5, "new"),
        ],
    ),
    Scenario(
        "keys copied and moved between databases",
        [
            *LARGE_OF_EACH,
            ("SELECT", 3),
            ("SET", "string", "in the way"),
            ("HSET", "hash", "f", "v"),
        ],
        [
            *(("COPY", key, f"{key} copy") for key in KEYS_OF_EACH),
            *(("COPY", key, key, "DB", 3, "REPLACE") for key in KEYS_OF_EACH),
            *(("MOVE", key, 15) for key in KEYS_OF_EACH),
            ("LPUSH", "list copy", "only here"),
            ("SELECT", 15),
            ("RENAME", "list", "list renamed"),
            ("SREM", "set", "member:1"),
        ],
    ),
    Scenario(
        "databases swapped",
        [*LARGE_OF_EACH, ("SELECT", 1), *ONE_OF_EACH, ("SELECT", 2), ("SET", "two", 2)],
        [
            ("SWAPDB", 0, 1),
            ("SELECT", 0),
            ("SET", "after the swap", 0),
            ("HSET", "hash", "new", "x"),
            ("SWAPDB", 1, 2),
            ("SWAPDB", 2, 5),
            ("SELECT", 5),
            ("HDEL", "hash", "field:1"),
            ("LPUSH", "list", "after the swaps"),
            ("SELECT", 1),
            ("DEL", "two"),
        ],
    ),
    Scenario(
        "one database emptied",
        [*LARGE_OF_EACH, ("SELECT", 1), *ONE_OF_EACH],
        [("SELECT", 0), ("FLUSHDB",), ("SET", "string", "after"), ("RPUSH", "list", "after")],
    ),
    Scenario(
        "a swapped database emptied",
        [*LARGE_OF_EACH, ("SELECT", 1), *ONE_OF_EACH],
        [("SWAPDB", 0, 1), ("SELECT", 1), ("FLUSHDB", "ASYNC"), ("SET", "after", 1)],
    ),
    Scenario(
        "all databases emptied",
        [*LARGE_OF_EACH, ("SELECT", 9), *ONE_OF_EACH],
        [("FLUSHALL",), ("SET", "after", 1), ("SELECT", 0), ("SADD", "set", "after")],
    ),
    Scenario(
        "keys that change their type",
        LARGE_OF_EACH,
        [
            ("SET", "hash", "a string now"),
            ("SET", "list", "a string now"),
            ("DEL", "string", "set", "zset"),
            ("RPUSH", "string", "a list now"),
            ("ZADD", "set", 1, "a sorted set now"),
            ("SADD", "zset", "a set now"),
            ("SUNIONSTORE", "intset", "zset"),
            ("ZUNIONSTORE", "hash", 1, "set"),
            ("BITOP", "NOT", "other", "missing"),
        ],
    ),
    Scenario(
        "a type that comes back",
        LARGE_OF_EACH,
        [("DEL", *KEYS_OF_EACH), *ONE_OF_EACH],
    ),
    Scenario("large collections removed", LARGE_OF_EACH, [("DEL", *KEYS_OF_EACH), ("SET", "x", 1)]),
    Scenario(
        "large collections unlinked", LARGE_OF_EACH, [("UNLINK", *KEYS_OF_EACH), ("SET", "x", 1)]
    ),
    Scenario(
        "a transaction and a script",
        ONE_OF_EACH,
        [
            ("MULTI",),
            ("INCR", "counter"),
            ("HSET", "hash", "a", 1),
            ("LPUSH", "list", "b"),
            ("SELECT", 4),
            ("SET", "elsewhere", 1),
            ("EXEC",),
            ("EVAL", "redis.call('SET', KEYS[1], 1) redis.call('DEL', KEYS[2])", 2, "one", "hash"),
        ],
    ),
]


def run(client: RespClient, commands: list[Command]) -> None:
    """In database 0 at first. Errors are part of no scenario."""
    replies = client.pipeline([("SELECT", 0), *commands])
    for command, reply in zip(commands, replies[1:], strict=True):
        assert not str(reply).startswith("Error"), (command[:3], reply)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_everything_is_there_after_a_kill_and_after_a_stop(
    keeping_server: Callable[..., Server], scenario: Scenario
) -> None:
    """What is changed together with its creation, and what was on disk before it was changed."""
    server = keeping_server()
    with server.connect(deadline=30) as client:
        run(client, [*scenario.before, ("SELECT", 0), *scenario.then])
    together = state_of(server)
    assert together
    server.restart(signal.SIGKILL)
    assert state_of(server) == together
    server.restart(signal.SIGTERM)
    assert state_of(server) == together

    with server.connect(deadline=30) as client:
        client.ok("FLUSHALL")
        run(client, scenario.before)
    before = state_of(server)
    server.restart(signal.SIGKILL)
    assert state_of(server) == before
    with server.connect(deadline=30) as client:
        run(client, scenario.then)
    after = state_of(server)
    assert after.keys() == together.keys()
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        server.restart(number)
        assert state_of(server) == after


@pytest.mark.parametrize("appendfsync", ["always", "everysec", "no"])
def test_a_clean_stop_loses_nothing(
    keeping_server: Callable[..., Server], appendfsync: str
) -> None:
    """Nor does it wait for the second to be over."""
    server = keeping_server(appendfsync)
    with server.connect(deadline=30) as client:
        run(client, LARGE_OF_EACH)
        before = read_state(client, DATABASES)
        client.ok("SET", "last", "written right before the end")
        server.signal(signal.SIGTERM)
    server.stop()
    server.start()
    after = state_of(server)
    assert after.pop((0, b"last")) == (b"string", -1, b"written right before the end")
    assert after == before


def test_shutdown_loses_nothing(keeping_server: Callable[..., Server]) -> None:
    server = keeping_server("everysec")
    with server.connect() as client:
        client.ok("SET", "key", "value")
        client.send("SHUTDOWN")
        assert client.is_closed_by_server()
    assert server.wait() == 0
    server.start()
    with server.connect() as client:
        assert client.ok("GET", "key") == b"value"


def test_many_restarts_in_a_row_keep_what_each_life_wrote(
    keeping_server: Callable[..., Server],
) -> None:
    server = keeping_server()
    rng = random.Random(4)
    for life in range(8):
        with server.connect() as client:
            assert client.ok("INCR", "lives") == life + 1
            assert client.ok("RPUSH", "list", f"life {life}") == life + 1
            assert client.ok("HSET", "hash", "last", life, f"life {life}", 1) in (1, 2)
            client.ok("SET", f"key of life {life}", life)
            client.command("DEL", f"key of life {life - 2}")
        server.restart(rng.choice(ENDINGS))
    with server.connect() as client:
        assert client.ok("LRANGE", "list", 0, -1) == [b"life %d" % life for life in range(8)]
        assert sorted(client.ok("KEYS", "key of *")) == [b"key of life 6", b"key of life 7"]
        assert client.ok("HGET", "hash", "last") == b"7"


@pytest.mark.parametrize("number", ENDINGS)
def test_a_broker_that_holds_nothing_starts_again(
    keeping_server: Callable[..., Server], number: signal.Signals
) -> None:
    server = keeping_server()
    server.restart(number)
    assert state_of(server) == {}
    with server.connect() as client:
        client.ok("SET", "key", "value")
        client.ok("FLUSHALL")
    server.restart(number)
    assert state_of(server) == {}


def test_databases_beyond_sixteen_are_kept(keeping_server: Callable[..., Server]) -> None:
    server = keeping_server(databases=40)
    with server.connect() as client:
        client.ok("SELECT", 39)
        client.ok("SET", "key", "in the last")
        client.ok("SWAPDB", 39, 20)
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        client.ok("SELECT", 20)
        assert client.ok("GET", "key") == b"in the last"


# ---- time ----


@pytest.mark.parametrize("number", ENDINGS)
def test_a_key_whose_time_passes_while_the_broker_is_down_is_gone(
    keeping_server: Callable[..., Server], number: signal.Signals
) -> None:
    server = keeping_server()
    with server.connect() as client:
        run(client, LARGE_OF_EACH)
        moment = int(time.time() * 1000) + 400
        for key in KEYS_OF_EACH:
            client.ok("PEXPIREAT", key, moment)
        client.ok("SET", "kept", "value", "PXAT", FAR)
    if number == signal.SIGKILL:
        server.kill()
    else:
        server.stop()
    wait_until(lambda: time.time() * 1000 > moment)
    server.start()
    with server.connect() as client:
        assert client.ok("EXISTS", *KEYS_OF_EACH) == 0
        assert client.ok("TTL", "list") == -2
        assert client.ok("PEXPIRETIME", "kept") == FAR
        client.ok("RPUSH", "list", "new")
    server.restart(number)
    with server.connect() as client:
        assert client.ok("LRANGE", "list", 0, -1) == [b"new"]
        assert client.ok("DBSIZE") == 2


def test_a_key_that_expired_does_not_come_back(keeping_server: Callable[..., Server]) -> None:
    """Neither by itself, nor as the old content under a name that is used again."""
    server = keeping_server()
    with server.connect() as client:
        run(client, [LARGE_HASH, LARGE_SET])
        client.ok("PEXPIRE", "hash", 1)
        client.ok("PEXPIRE", "set", 1)
        wait_until(lambda: client.ok("EXISTS", "hash", "set") == 0)
        client.ok("HSET", "hash", "f", "v")
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        assert client.ok("HGETALL", "hash") == [b"f", b"v"]
        assert client.ok("TTL", "hash") == -1
        assert client.ok("EXISTS", "set") == 0


# ---- commands that wait, and scripts ----


def test_what_a_waiting_client_was_given_does_not_come_back(
    keeping_server: Callable[..., Server],
) -> None:
    server = keeping_server()
    with server.connect() as control, server.connect() as one, server.connect() as two:
        one.send("BLPOP", "list", 0)
        wait_until_blocked(control, 1)
        two.send("BLMOVE", "list", "other", "LEFT", "RIGHT", 0)
        wait_until_blocked(control, 2)
        control.ok("RPUSH", "list", "first", "second", "third")
        assert one.read() == [b"list", b"first"]
        assert two.read() == b"second"
        one.send("BZPOPMIN", "zset", 0)
        wait_until_blocked(control, 1)
        control.ok("ZADD", "zset", 1, "taken")
        assert one.read() == [b"zset", b"taken", b"1"]
    server.restart(signal.SIGKILL)
    assert state_of(server) == {
        (0, b"list"): (b"list", -1, [b"third"]),
        (0, b"other"): (b"list", -1, [b"second"]),
    }


def test_scripts_are_not_kept(keeping_server: Callable[..., Server]) -> None:
    server = keeping_server()
    with server.connect() as client:
        digest = client.ok("SCRIPT", "LOAD", "return 1")
        assert client.ok("EVALSHA", digest, 0) == 1
    server.restart(signal.SIGTERM)
    with server.connect() as client:
        assert client.command("EVALSHA", digest, 0).code == "NOSCRIPT"
