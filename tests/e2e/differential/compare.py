"""Whether two servers' replies to one command mean the same.

Replies must be identical, type for type and error text for error text. What follows from a
hash table's order, from a clock or from chance is compared by what it promises instead.
"""

from __future__ import annotations

import math
import re
from typing import Any

from support.resp import Double, Error, Map, Null, Set

from .grammar import Arguments

UNORDERED = {
    b"SMEMBERS",
    b"SINTER",
    b"SUNION",
    b"SDIFF",
    b"HKEYS",
    b"HVALS",
    b"KEYS",
}
FLAT_PAIRS = {b"HGETALL"}
# redis-server 7.0 prints scores with 17 digits where 7.2 and later print the shortest form.
SCORES = {
    b"ZADD",
    b"ZINCRBY",
    b"ZSCORE",
    b"ZMSCORE",
    b"ZRANGE",
    b"ZREVRANGE",
    b"ZRANGEBYSCORE",
    b"ZREVRANGEBYSCORE",
    b"ZPOPMIN",
    b"ZPOPMAX",
    b"ZMPOP",
    b"BZPOPMIN",
    b"BZPOPMAX",
    b"BZMPOP",
    b"ZUNION",
    b"ZINTER",
    b"ZDIFF",
    b"ZRANDMEMBER",
    b"ZSCAN",
}
TOLERANCE = {
    b"TTL": 3,
    b"PTTL": 3000,
    b"EXPIRETIME": 3,
    b"PEXPIRETIME": 3000,
}
# Elements drawn by chance: their number must agree, and each must be in the key (see runner.py).
DRAWN = {b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER", b"RANDOMKEY"}
# What one call returns is the server's choice; runner.py compares what the calls add up to.
FREE = DRAWN | {b"SPOP", b"SCAN", b"SSCAN", b"HSCAN", b"ZSCAN"}
# Facts of one process; only their type must agree.
PROCESS_FACTS = {
    (b"ACL", b"GENPASS"),
    (b"CLIENT", b"ID"),
    (b"CLIENT", b"INFO"),
    (b"MEMORY", b"USAGE"),
    (b"TIME",),
    (b"LASTSAVE",),
    (b"SLOWLOG", b"LEN"),
}
# Since 7.2 short lists and sets of strings are listpacks; the reference is a 7.0.
SAME_ENCODING = {(b"quicklist", b"listpack"), (b"hashtable", b"listpack")}
# Error texts that changed after 7.0: (the reference's, the accepted newer form).
REWORDED_ERRORS = (
    (
        re.compile(rb"ERR timeout is negative"),
        re.compile(rb"ERR timeout is (not a float or )?out of range"),
    ),
    # ZRANK takes WITHSCORE since 7.2.
    (
        re.compile(rb"ERR wrong number of arguments for 'z(rev)?rank' command"),
        re.compile(rb"ERR syntax error"),
    ),
)
# Where a scan's cursor stands. 7.0 reads a cursor as strtoul() does, -3 and " 1" included; newer
# ones refuse what is no number of their own making.
CURSOR_AT = {b"SCAN": 1, b"SSCAN": 2, b"HSCAN": 2, b"ZSCAN": 2}
PLAIN_CURSOR = re.compile(rb"0|[1-9]\d{0,18}")
INVALID_CURSOR = Error("ERR invalid cursor")
# Newer ones refuse the one number that cannot change its sign where 7.0 overflows with it.
SMALLEST = b"-9223372036854775808"
SMALLEST_REFUSED = Error(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
)
# Since 7.2 these read all arguments before they look at the key; 7.0 does it the other way round.
ARGUMENTS_FIRST = {b"BITCOUNT", b"BITPOS"}
BAD_ARGUMENT = (Error("ERR syntax error"), Error("ERR value is not an integer or out of range"))


def command_name(args: Arguments) -> bytes:
    return args[0].upper() if args else b""


def same_reply(args: Arguments, expected: Any, actual: Any) -> bool:
    name = command_name(args)
    if isinstance(expected, Exception):
        return isinstance(actual, Exception) and _lost(expected) == _lost(actual)
    if is_refused_by_newer_versions(args, actual):
        return True
    if name in ARGUMENTS_FIRST and actual in BAD_ARGUMENT and _judges_key(expected):
        return True
    if isinstance(expected, Error) or isinstance(actual, Error):
        return _same_error(expected, actual)
    if name in FREE:
        return _same_shape(expected, actual)
    if (name, *(word.upper() for word in args[1:2])) in PROCESS_FACTS or _is_help(args):
        return type(expected) is type(actual)
    if name == b"HELLO":
        return type(expected) is type(actual) and len(expected) == len(actual)
    if name in TOLERANCE:
        return _close_integers(expected, actual, TOLERANCE[name])
    if name == b"OBJECT" and len(args) == 3:
        return _same_object_fact(args[1].upper(), expected, actual)
    if name in FLAT_PAIRS and isinstance(expected, list) and not isinstance(expected, Map):
        return type(expected) is type(actual) and _pairs(expected) == _pairs(actual)
    if name in (b"SORT", b"SORT_RO") and isinstance(expected, list):
        return type(expected) is type(actual) and _collated(expected) == _collated(actual)
    if name in UNORDERED and isinstance(expected, list):
        return type(expected) is type(actual) and sorted(expected) == sorted(actual)
    return same_value(expected, actual, scores=name in SCORES)


def _lost(failure: Exception) -> bool:
    """Whether the connection ended, be it gently or by reset; else no reply came in time."""
    return isinstance(failure, ConnectionError)


def is_refused_by_newer_versions(args: Arguments, actual: Any) -> bool:
    if actual == INVALID_CURSOR:
        place = CURSOR_AT.get(command_name(args), len(args))
        return len(args) > place and not PLAIN_CURSOR.fullmatch(args[place])
    return actual == SMALLEST_REFUSED and SMALLEST in args


def _judges_key(reply: Any) -> bool:
    """Whether a BITCOUNT or BITPOS looked no further than a missing or a wrong key."""
    if isinstance(reply, Error):
        return bytes(reply).startswith(b"WRONGTYPE")
    return reply in (0, -1)


def _is_help(args: Arguments) -> bool:
    return len(args) == 2 and args[1].upper() == b"HELP"


def same_value(expected: Any, actual: Any, *, scores: bool = False) -> bool:
    """Identical in type and content; the order of a RESP3 set or map does not count."""
    if type(expected) is not type(actual):
        return False
    if isinstance(expected, Double):
        return _close(float(expected), float(actual))
    if isinstance(expected, (Set, Map)):
        return len(expected) == len(actual) and _canonical(expected) == _canonical(actual)
    if isinstance(expected, (list, tuple)):
        return len(expected) == len(actual) and all(
            same_value(one, other, scores=scores)
            for one, other in zip(expected, actual, strict=True)
        )
    if scores and expected != actual and isinstance(expected, bytes):
        return _same_number_text(expected, actual)
    return expected is actual if isinstance(expected, Null) else expected == actual


def _canonical(value: Any) -> Any:
    if isinstance(value, (Set, Map)):
        return sorted(map(_canonical, value), key=repr)
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    return float(value) if isinstance(value, Double) else value


def _same_error(expected: Any, actual: Any) -> bool:
    if type(expected) is not type(actual):
        return False
    return expected == actual or any(
        old.fullmatch(bytes(expected)) and new.fullmatch(bytes(actual))
        for old, new in REWORDED_ERRORS
    )


def _same_shape(expected: Any, actual: Any) -> bool:
    if isinstance(expected, list):
        return type(expected) is type(actual) and len(expected) == len(actual)
    return type(expected) is type(actual)


def _same_object_fact(fact: bytes, expected: Any, actual: Any) -> bool:
    if fact == b"ENCODING":
        return type(expected) is type(actual) and (
            expected == actual or (expected, actual) in SAME_ENCODING
        )
    if fact == b"IDLETIME" and type(expected) is int:
        # The reference shares small integers between keys; their idle time is no key's.
        return type(actual) is int and 0 <= actual <= expected + 1
    if fact in (b"REFCOUNT", b"FREQ"):
        return type(expected) is type(actual)
    return same_value(expected, actual)


def _collated(elements: list) -> list:
    """As redis-server compares them: what follows a NUL does not count, and ties fall anyhow."""
    return [e.split(b"\0")[0] if isinstance(e, bytes) else e for e in elements]


def _close_integers(expected: Any, actual: Any, tolerance: int) -> bool:
    if type(expected) is int and type(actual) is int and expected > 0 and actual > 0:
        return abs(expected - actual) <= tolerance
    return same_value(expected, actual)


def _pairs(flat: list) -> list[tuple[Any, Any]]:
    return sorted(zip(flat[::2], flat[1::2], strict=True))


def _same_number_text(expected: bytes, actual: bytes) -> bool:
    try:
        return _close(float(expected), float(actual))
    except ValueError:
        return False


def _close(one: float, other: float) -> bool:
    return one == other or math.isclose(one, other, rel_tol=1e-12)
