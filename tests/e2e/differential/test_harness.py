"""The comparison itself: what it must tell apart, what it must not, and how it shrinks."""

from __future__ import annotations

import random

import pytest

from support.resp import NULL, NULL_ARRAY, NULL_BULK, Double, Error, Map, Push, Set, Simple

from .compare import same_reply
from .grammar import Form
from .runner import Mismatch, Step, minimal
from .values import KINDS

DIFFERENT = [
    (("GET", "k"), b"1", 1),
    (("GET", "k"), Simple("OK"), b"OK"),
    (("GET", "k"), NULL, NULL_BULK),
    (("GET", "k"), NULL_ARRAY, NULL_BULK),
    (("GET", "k"), b"0.1", b"0.10000000000000001"),
    (("GET", "k"), Error("ERR a"), Error("ERR b")),
    (("GET", "k"), Error("ERR a"), Simple("ERR a")),
    (("LRANGE", "k", "0", "-1"), [b"a", b"b"], [b"b", b"a"]),
    (("LRANGE", "k", "0", "-1"), [b"a"], Set([b"a"])),
    (("LRANGE", "k", "0", "-1"), [b"a"], Push([b"a"])),
    (("SMEMBERS", "k"), [b"a", b"b"], [b"a", b"c"]),
    (("SMEMBERS", "k"), Set([b"a"]), [b"a"]),
    (("HGETALL", "k"), [b"f", b"v", b"g", b"w"], [b"f", b"w", b"g", b"v"]),
    (("HGETALL", "k"), Map([(b"f", b"v")]), [b"f", b"v"]),
    (("ZSCORE", "z", "m"), b"0.1", b"0.2"),
    (("ZSCORE", "z", "m"), Double("1"), b"1"),
    (("TTL", "k"), 100, -1),
    (("TTL", "k"), 100, 50),
    (("SRANDMEMBER", "k", "2"), [b"a", b"b"], [b"a"]),
    (("OBJECT", "ENCODING", "k"), b"listpack", b"hashtable"),
    (("SCAN", "3"), [b"0", []], Error("ERR invalid cursor")),
]
SAME = [
    (("SCAN", "-3"), [b"0", []], Error("ERR invalid cursor")),
    (("SMEMBERS", "k"), [b"a", b"b"], [b"b", b"a"]),
    (("SMEMBERS", "k"), Set([b"a", b"b"]), Set([b"b", b"a"])),
    (("HGETALL", "k"), [b"f", b"v", b"g", b"w"], [b"g", b"w", b"f", b"v"]),
    (("ZSCORE", "z", "m"), b"0.10000000000000001", b"0.1"),
    (("ZSCORE", "z", "m"), Double("0.10000000000000001"), Double("0.1")),
    (("ZSCORE", "z", "m"), Double("inf"), Double("inf")),
    (("PTTL", "k"), 100_000, 99_000),
    (("SRANDMEMBER", "k"), b"a", b"b"),
    (("OBJECT", "ENCODING", "k"), b"quicklist", b"listpack"),
]


def _args(words: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(word.encode() for word in words)


@pytest.mark.parametrize(("words", "expected", "actual"), DIFFERENT)
def test_replies_that_a_client_could_tell_apart_differ(words, expected, actual):
    assert not same_reply(_args(words), expected, actual)
    assert same_reply(_args(words), expected, expected)


@pytest.mark.parametrize(("words", "expected", "actual"), SAME)
def test_replies_that_promise_the_same_are_the_same(words, expected, actual):
    assert same_reply(_args(words), expected, actual)


def test_a_form_expands_to_each_of_its_alternatives():
    form = Form("SET {s} {v} [EX {ttl}|KEEPTTL] (NX|XX)")
    rng = random.Random(1)
    seen = {form.expand(rng, KINDS)[3:] for _ in range(300)}
    tails = {(words[0] if len(words) > 1 else b"", words[-1]) for words in seen}
    assert tails == {(first, last) for first in (b"", b"EX", b"KEEPTTL") for last in (b"NX", b"XX")}


@pytest.mark.parametrize("bad", ["SET {s", "SET [NX", "SET NX)", "SET (A|B"])
def test_a_form_that_cannot_be_read_is_refused(bad):
    with pytest.raises(ValueError, match="form|group"):
        Form(bad)


class _FaultyPair:
    """Differs exactly when a sequence contains both culprits in this order."""

    def run(self, steps: list[Step], protocol: int, seed: int) -> Mismatch | None:
        names = [step.args[0] for step in steps]
        if b"ONE" in names and b"TWO" in names[names.index(b"ONE") :]:
            return Mismatch(steps[-1], "good", "bad")
        return None


@pytest.mark.parametrize("seed", range(5))
def test_a_failing_sequence_shrinks_to_the_steps_that_matter(seed):
    rng = random.Random(seed)
    steps = [Step((b"PING", b"%d" % number), False) for number in range(40)]
    first, second = sorted(rng.sample(range(40), 2))
    steps[first] = Step((b"ONE",), True)
    steps[second] = Step((b"TWO",), False)
    pair = _FaultyPair()
    shrunk, _ = minimal(pair, steps, pair.run(steps, 2, seed), 2, seed)
    assert [step.args for step in shrunk] == [(b"ONE",), (b"TWO",)]
