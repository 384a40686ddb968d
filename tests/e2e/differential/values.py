"""The random values that command forms are filled with: few, and rich in edges.

Keys are few so that commands meet on them. A key's first letter says which type usually lives
there; one time in five a command gets a key of another letter, which is how wrong types happen.
"""

from __future__ import annotations

import random

from .grammar import Kinds
from .scripts import DIGESTS, SCRIPTS

TYPE_LETTERS = "slhtz"
KEYS_PER_TYPE = 2
MISSING_KEY = b"missing"
ALL_KEYS = [
    f"{letter}{number}".encode() for letter in TYPE_LETTERS for number in range(KEYS_PER_TYPE)
]
DATABASES = 4

MAX = b"9223372036854775807"
MIN = b"-9223372036854775808"
NOT_A_NUMBER = (b"", b"abc", b"1.5", b" 1", b"1 ", b"+1", b"0x10", b"01", b"9223372036854775808")
# Nothing here between 10,000 and 512 MiB: as an offset it would be allocated.
HUGE = (MAX, b"9223372036854775806", b"4294967296", b"18446744073709551616")


def _key(letter: str):
    own = [f"{letter}{number}".encode() for number in range(KEYS_PER_TYPE)]

    def draw(rng: random.Random) -> bytes:
        roll = rng.random()
        if roll < 0.80:
            return rng.choice(own)
        return rng.choice(ALL_KEYS) if roll < 0.95 else MISSING_KEY

    return draw


def any_key(rng: random.Random) -> bytes:
    return rng.choice(ALL_KEYS) if rng.random() < 0.95 else MISSING_KEY


def lex_key(rng: random.Random) -> bytes:
    """Keys that only ever hold members of one score, where lexicographic ranges mean something."""
    return rng.choice((b"y0", b"y1", b"y0", b"y1", MISSING_KEY))


def _usually(usual, *edges: bytes, edge_share: float = 0.08):
    def draw(rng: random.Random) -> bytes:
        if edges and rng.random() < edge_share:
            return rng.choice(edges)
        value = usual(rng)
        return value if isinstance(value, bytes) else b"%d" % value

    return draw


def _choice(*options: bytes):
    return lambda rng: rng.choice(options)


def value(rng: random.Random) -> bytes:
    roll = rng.random()
    if roll < 0.45:
        return b"%d" % rng.randint(-5, 30)
    if roll < 0.75:
        return rng.choice((b"a", b"b", b"hello", b"abcabc", b"mnopqr", b"ohmytext", b"mynewtext"))
    if roll < 0.85:
        return rng.choice((b"", b"\x00\xff\x0f", b"1.5", b"\r\n$3\r\n", b"-0", b"00", b"3.0e2"))
    if roll < 0.92:
        return rng.choice((b"x" * 44, b"y" * 45, b"z" * 64, b"w" * 65, b"q" * 1000))
    return rng.choice((MAX, MIN, b"9223372036854775808", b"1e400", b"inf", b"nan"))


def member(rng: random.Random) -> bytes:
    roll = rng.random()
    if roll < 0.6:
        return rng.choice((b"a", b"b", b"c", b"d", b"e"))
    if roll < 0.9:
        return b"%d" % rng.randint(0, 6)
    return rng.choice((b"", b"a\x00b", b"01", b"q" * 65, MAX, b"-1"))


def score(rng: random.Random) -> bytes:
    roll = rng.random()
    if roll < 0.6:
        return b"%d" % rng.randint(-3, 6)
    if roll < 0.85:
        return rng.choice((b"0.1", b"1.5", b"-2.25", b"3.3", b"1e3", b"-0", b"1e-7", b"2.5e17"))
    if roll < 0.95:
        return rng.choice((b"inf", b"-inf", b"+inf", b"1e300", b"9007199254740993", b"0x1p3"))
    return rng.choice((b"nan", b"abc", b"", b"1.2.3", b"1e400", b" 1"))


def _glob(rng: random.Random) -> bytes:
    return rng.choice(
        (b"*", b"s*", b"?0", b"[a-l]*", b"[^s]*", b"*1", b"h\\*", b"", b"s**", b"[", b"[abc", b"z0")
    )


def _number_of_keys(rng: random.Random) -> bytes:
    if rng.random() < 0.85:
        return b"2"
    return rng.choice((b"0", b"1", b"3", b"-1", b"abc", MAX))


def _small(rng: random.Random) -> int:
    return rng.randint(-4, 6)


def _count(rng: random.Random) -> int:
    return rng.choice((0, 1, 1, 2, 3, 10))


KINDS: Kinds = {
    "k": any_key,
    "s": _key("s"),
    "l": _key("l"),
    "h": _key("h"),
    "t": _key("t"),
    "z": _key("z"),
    "y": lex_key,
    "v": value,
    "f": _usually(lambda rng: rng.choice((b"f1", b"f2", b"f3", b"f4", b"f5")), b"", b"q" * 65),
    "m": member,
    "ym": _choice(b"a", b"b", b"c", b"d", b"aa", b"bb", b""),
    "int": _usually(_small, *NOT_A_NUMBER, *HUGE, MIN),
    "count": _usually(_count, *NOT_A_NUMBER, MAX, MIN, b"-1"),
    "signed_count": _usually(_small, *NOT_A_NUMBER, MAX, MIN),
    "offset": _usually(lambda rng: rng.randint(0, 40), *NOT_A_NUMBER, *HUGE, MIN, b"-1"),
    "by": _usually(lambda rng: rng.randint(-20, 20), *NOT_A_NUMBER, MAX, MIN, edge_share=0.2),
    "by_float": _usually(
        lambda rng: rng.choice((b"0.5", b"1", b"-1.25", b"3.0e3", b"10", b"0.1", b"-7.7")),
        b"inf",
        b"nan",
        b"abc",
        b"",
        b"1e400",
        b" 1",
    ),
    "score": score,
    "min": _usually(
        lambda rng: rng.choice((b"-inf", b"-inf", b"0", b"(0", b"1", b"(1", b"-3", b"0.1")),
        b"abc",
        b"(",
        b"nan",
        b"",
        b"[1",
    ),
    "max": _usually(
        lambda rng: rng.choice((b"+inf", b"inf", b"2", b"(3", b"5", b"(inf", b"3.3", b"0")),
        b"abc",
        b"(",
        b"nan",
        b"",
    ),
    "lexmin": _usually(lambda rng: rng.choice((b"-", b"-", b"[a", b"(a", b"[b", b"+")), b"a", b""),
    "lexmax": _usually(lambda rng: rng.choice((b"+", b"+", b"[c", b"(c", b"[bb", b"-")), b"c", b""),
    "ttl": _usually(lambda rng: rng.randint(1000, 9000), *NOT_A_NUMBER, b"0", b"-1", MAX, MIN),
    "pttl": _usually(
        lambda rng: rng.randint(1_000_000, 9_000_000), *NOT_A_NUMBER, b"0", b"-1", MAX, MIN
    ),
    "at": _usually(lambda rng: 4_000_000_000 + rng.randint(0, 3), *NOT_A_NUMBER, b"0", b"-1", MAX),
    "pat": _usually(
        lambda rng: 4_000_000_000_000 + rng.randint(0, 3), *NOT_A_NUMBER, b"0", b"-1", MAX
    ),
    "db": _usually(lambda rng: rng.randrange(DATABASES), b"16", b"-1", b"abc", MAX, edge_share=0.1),
    "glob": _glob,
    "bit": _usually(lambda rng: rng.randint(0, 1), b"2", b"-1", b"abc"),
    "nk": _number_of_keys,
    "weight": _usually(lambda rng: rng.choice((b"1", b"2", b"-1", b"0.5", b"0")), b"inf", b"abc"),
    "block": _usually(lambda rng: b"0.01", b"-1", b"abc", b"inf", b"1e100", edge_share=0.15),
    "bitfield_type": _choice(b"u8", b"i5", b"u1", b"i64", b"u63", b"u64", b"i0", b"x8"),
    "script": _choice(*SCRIPTS),
    "digest": _choice(*DIGESTS, b"0" * 40, b"abc"),
    "upper_digest": lambda rng: rng.choice(DIGESTS).upper(),
    "bl": _choice(b"l0", b"l0", b"l1", b"l2"),
    "bz": _choice(b"z0", b"z0", b"z1"),
    "bk": _choice(b"l0", b"l1", b"l2", b"z0", b"z1"),
    "push_script": _choice(
        b"redis.call('RPUSH', KEYS[1], 'a', 'b') return redis.call('LLEN', KEYS[1])",
        b"redis.call('RPUSH', KEYS[1], 'a') redis.call('DEL', KEYS[1]) return 1",
        b"redis.call('ZADD', KEYS[2], 1, 'a') redis.call('RPUSH', KEYS[1], 'a') return 1",
    ),
    # No empty channel: in Redis the pattern * does not match it.
    "channel": _choice(b"c0", b"c1", b"news.a", b"\x00"),
    "pattern": _choice(b"c*", b"c?", b"*", b"news.[ab]", b"c0", b"[", b""),
    "publish_script": _choice(b"return redis.call('PUBLISH', ARGV[1], ARGV[2])"),
    "text": _choice(b"hello", b"", b"\r\n", b"a b"),
}
