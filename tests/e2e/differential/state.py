"""Everything a server holds, in a form that two servers can be compared by."""

from __future__ import annotations

from typing import Any

from support.resp import RespClient

from .compare import same_value
from .values import DATABASES

_READERS = {
    b"string": ("GET",),
    b"list": ("LRANGE", 0, -1),
    b"hash": ("HGETALL",),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
}

# (database, key) -> (type, when it expires in Unix milliseconds or -1, content)
State = dict[tuple[int, bytes], tuple[bytes, int, Any]]


def read_state(client: RespClient, databases: int = DATABASES) -> State:
    """`client` speaks RESP2 and has all databases to itself; the last one is selected then."""
    wanted = [args for db in range(databases) for args in (("SELECT", db), ("KEYS", "*"))]
    keys_of = client.pipeline(wanted)[1::2]
    places = [(db, key) for db, keys in enumerate(keys_of) for key in sorted(keys)]
    types = client.pipeline(
        [
            args
            for db, key in places
            for args in (("SELECT", db), ("TYPE", key), ("PEXPIRETIME", key))
        ]
    )
    reads = []
    for (db, key), kind in zip(places, types[1::3], strict=True):
        name, *rest = _READERS.get(bytes(kind), ("TYPE",))
        reads += [("SELECT", db), (name, key, *rest)]
    contents = client.pipeline(reads)[1::2]
    return {
        place: (bytes(kind), expiry, _ordered(bytes(kind), content))
        for place, kind, expiry, content in zip(
            places, types[1::3], types[2::3], contents, strict=True
        )
    }


def _ordered(kind: bytes, content: Any) -> Any:
    if kind == b"set":
        return sorted(content)
    if kind == b"hash":
        return sorted(zip(content[::2], content[1::2], strict=True))
    return content


def state_difference(expected: State, actual: State) -> str | None:
    """The first difference, said in words, or None. When a key expires is not compared, only if."""
    for db, key in sorted(expected.keys() | actual.keys()):
        here, there = expected.get((db, key)), actual.get((db, key))
        if here is None or there is None:
            return f"key {key!r} of database {db}: {here!r} in the reference, {there!r} under test"
        scores = here[0] == b"zset"
        same_kind = here[0] == there[0] and (here[1] == -1) == (there[1] == -1)
        if not same_kind or not same_value(here[2], there[2], scores=scores):
            return f"key {key!r} of database {db}: {here!r} in the reference, {there!r} under test"
    return None
