"""A model of the few commands with which the load changes keys that one connection has to itself.

A command is a tuple whose first element is its name; everything else is bytes or a number, as it
is sent. It is assumed to succeed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support.resp import Null

NEVER = -1


@dataclass
class Entry:
    """A key's value: bytes, list, dict (hash, or sorted set with float scores) or set."""

    kind: str
    content: Any
    expires: int = NEVER  # Unix milliseconds

    def holds_at(self, moment: int) -> bool:
        return self.expires == NEVER or self.expires > moment


Keys = dict[bytes, Entry]
Command = tuple[Any, ...]


def entry_read(kind: bytes, expires: int, content: Any) -> Entry:
    """Of what differential.state.read_state() has read."""
    match kind:
        case b"hash":
            content = dict(content)
        case b"set":
            content = set(content)
        case b"zset":
            content = dict(zip(content[::2], map(float, content[1::2]), strict=True))
    return Entry(kind.decode(), content, expires)


def expired_meanwhile(kind: bytes, expires: int, content: Any) -> bool:
    """Whether the key's time came between the commands that read it."""
    return kind == b"none" or isinstance(content, Null)


def apply(keys: Keys, command: Command) -> None:
    """Changes `keys` as the command does."""
    name, *rest = command
    _COMMANDS[name](keys, *rest)


def _content(keys: Keys, key: bytes, kind: str, empty: Callable[[], Any]) -> Any:
    return keys.setdefault(key, Entry(kind, empty())).content


def _drop_if_empty(keys: Keys, key: bytes) -> None:
    if key in keys and not keys[key].content:
        del keys[key]


def _set(keys: Keys, key: bytes, value: bytes, option: str = "", moment: int = NEVER) -> None:
    assert option in ("", "PXAT")
    keys[key] = Entry("string", value, moment)


def _mset(keys: Keys, *pairs: bytes) -> None:
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        _set(keys, key, value)


def _append(keys: Keys, key: bytes, value: bytes) -> None:
    before = keys.setdefault(key, Entry("string", b""))
    before.content += value


def _del(keys: Keys, *names: bytes) -> None:
    for key in names:
        keys.pop(key, None)


def _swap(keys: Keys, one: bytes, other: bytes) -> None:
    """Of SWAPDB, for a key that is in both databases."""
    before = keys.pop(one, None), keys.pop(other, None)
    for key, entry in zip((other, one), before, strict=True):
        if entry is not None:
            keys[key] = entry


def _rename(keys: Keys, key: bytes, target: bytes) -> None:
    keys[target] = keys.pop(key)


def _hset(keys: Keys, key: bytes, *pairs: bytes) -> None:
    _content(keys, key, "hash", dict).update(zip(pairs[::2], pairs[1::2], strict=True))


def _hdel(keys: Keys, key: bytes, *names: bytes) -> None:
    for name in names:
        _content(keys, key, "hash", dict).pop(name, None)
    _drop_if_empty(keys, key)


def _sadd(keys: Keys, key: bytes, *names: bytes) -> None:
    _content(keys, key, "set", set).update(names)


def _srem(keys: Keys, key: bytes, *names: bytes) -> None:
    _content(keys, key, "set", set).difference_update(names)
    _drop_if_empty(keys, key)


def _zadd(keys: Keys, key: bytes, score: int, member: bytes) -> None:
    _content(keys, key, "zset", dict)[member] = float(score)


def _zincrby(keys: Keys, key: bytes, by: int, member: bytes) -> None:
    scores = _content(keys, key, "zset", dict)
    scores[member] = scores.get(member, 0.0) + by


def _zrem(keys: Keys, key: bytes, *names: bytes) -> None:
    for name in names:
        _content(keys, key, "zset", dict).pop(name, None)
    _drop_if_empty(keys, key)


def _zpopmin(keys: Keys, key: bytes, count: int) -> None:
    scores = _content(keys, key, "zset", dict)
    for member in sorted(scores, key=lambda member: (scores[member], member))[:count]:
        del scores[member]
    _drop_if_empty(keys, key)


def _rpush(keys: Keys, key: bytes, *elements: bytes) -> None:
    _content(keys, key, "list", list).extend(elements)


def _lpush(keys: Keys, key: bytes, *elements: bytes) -> None:
    _content(keys, key, "list", list)[:0] = reversed(elements)


def _lpop(keys: Keys, key: bytes, count: int) -> None:
    del _content(keys, key, "list", list)[:count]
    _drop_if_empty(keys, key)


def _ltrim(keys: Keys, key: bytes, start: int, stop: int) -> None:
    """`start` from the left and `stop` from the right, as in LTRIM key 3 -4."""
    elements = _content(keys, key, "list", list)
    assert start >= 0 > stop
    elements[:] = elements[start : len(elements) + stop + 1]
    _drop_if_empty(keys, key)


def _lset(keys: Keys, key: bytes, place: int, element: bytes) -> None:
    keys[key].content[place] = element


def _linsert(keys: Keys, key: bytes, where: str, pivot: bytes, element: bytes) -> None:
    elements = keys[key].content
    if pivot in elements:
        elements.insert(elements.index(pivot) + (where == "AFTER"), element)


def _lmove(keys: Keys, source: bytes, target: bytes, from_end: str, to_end: str) -> None:
    element = keys[source].content.pop(0 if from_end == "LEFT" else -1)
    _drop_if_empty(keys, source)
    (_lpush if to_end == "LEFT" else _rpush)(keys, target, element)


_COMMANDS: dict[str, Callable[..., None]] = {
    "SET": _set,
    "MSET": _mset,
    "APPEND": _append,
    "DEL": _del,
    "*SWAP": _swap,
    "RENAME": _rename,
    "HSET": _hset,
    "HDEL": _hdel,
    "SADD": _sadd,
    "SREM": _srem,
    "ZADD": _zadd,
    "ZINCRBY": _zincrby,
    "ZREM": _zrem,
    "ZPOPMIN": _zpopmin,
    "RPUSH": _rpush,
    "LPUSH": _lpush,
    "LPOP": _lpop,
    "LTRIM": _ltrim,
    "LSET": _lset,
    "LINSERT": _linsert,
    "LMOVE": _lmove,
}
