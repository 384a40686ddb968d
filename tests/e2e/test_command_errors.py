"""Every command's wrong type, wrong arity, bad numbers and limits, beside a real redis-server.

The calls are in support/command_rows.py; adding a command to the server demands its rows there.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from differential.compare import is_refused_by_newer_versions, same_reply
from differential.runner import Pair, Step
from differential.state import State, read_state, state_difference
from support.command_rows import FAMILIES
from support.resp import Error, RespClient, Simple

TYPED_KEYS = ("string", "number", "list", "hash", "set", "zset")
DATASET = (
    ("SET", "string", "hello"),
    ("SET", "number", "10"),
    ("RPUSH", "list", "a", "b", "c", "a"),
    ("HSET", "hash", "f", "v", "n", "5"),
    ("SADD", "set", "a", "b", "c"),
    ("ZADD", "zset", "1", "a", "2", "b", "3", "c"),
)
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
# As an offset or a timeout none of these is allocated or waited for.
BAD_NUMBERS = (
    "",
    "abc",
    "1.5",
    " 1",
    "1 ",
    "+1",
    "01",
    "-0",
    "0",
    "-1",
    "nan",
    "inf",
    "1e400",
    "0x10",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
)
MORE_OPTIONS_SINCE_7_2 = ("zrank", "zrevrank")
ONE_OF_KEYS = {*TYPED_KEYS, "missing"}


@dataclass(frozen=True)
class Row:
    """One row of the table: its calls, and what it asks of them."""

    calls: tuple[tuple[str, ...], ...]
    literal: bool
    expected: str | None

    def variations(self) -> Iterator[tuple[tuple[str, ...], ...]]:
        yield self.calls
        if self.literal or self.expected:
            return
        *before, last = self.calls
        for place, word in enumerate(last):
            if place == 0:
                continue
            others: tuple[str, ...] = ()
            if word in ONE_OF_KEYS:
                others = TYPED_KEYS
            elif NUMBER.fullmatch(word):
                others = BAD_NUMBERS
            for other in others:
                if other != word:
                    yield (*before, (*last[:place], other, *last[place + 1 :]))


def _row(line: str) -> Row:
    literal = line.startswith("! ")
    line, _, expected = line.removeprefix("! ").partition(" => ")
    calls = tuple(tuple(shlex.split(call)) for call in line.split(" ; "))
    return Row(calls, literal, expected or None)


def _rows(family: str) -> list[Row]:
    return [_row(line) for line in FAMILIES[family].strip().splitlines()]


def _command(words: tuple[str, ...], containers: set[str]) -> str:
    """The command's full name, such as "get" or "client|id"."""
    name = words[0].lower()
    return f"{name}|{words[1].lower()}" if name in containers and len(words) > 1 else name


class Bench:
    """Both servers with the same data set, put back before a call whenever it was changed."""

    def __init__(self, pair: Pair):
        self.pair = pair
        self.pristine: State = {}
        self._restore()
        self.pristine = read_state(pair.controls[0])

    def _restore(self) -> None:
        for control in self.pair.controls:
            control.pipeline([("SELECT", 0), ("FLUSHALL",), ("SCRIPT", "FLUSH")])
            control.pipeline([("SELECT", 0), *DATASET])

    def replies(self, calls: tuple[tuple[str, ...], ...], protocol: int = 2) -> list[list]:
        return [_talk(server.connect(protocol, deadline=3), calls) for server in self.pair.servers]

    def difference(self, calls: tuple[tuple[str, ...], ...]) -> str | None:
        """What differs, in words. A missing command is one difference, whatever its arguments."""
        # A PING at the end, since the connection must live on where it does in Redis.
        calls = (*calls, ("PING",))
        expected, actual = self.replies(calls)
        problem, refused = None, False
        for call, one, other in zip(calls, expected, actual, strict=True):
            words = tuple(word.encode() for word in call)
            refused = refused or (one != other and is_refused_by_newer_versions(words, other))
            if not same_reply(words, one, other):
                problem = f"{_told(calls)}\n    reference: {one!r}\n    tested:    {other!r}"
                if isinstance(other, Error) and other.text.startswith("ERR unknown command"):
                    problem = f"{call[0].upper()} is missing"
                break
        states = [read_state(control) for control in self.pair.controls]
        if not problem and not refused and not _is_random(calls):
            changed = state_difference(*states)
            problem = changed and f"{_told(calls)}\n    {changed}"
        if any(state != self.pristine for state in states):
            self._restore()
        return problem


def _is_random(calls: tuple[tuple[str, ...], ...]) -> bool:
    return any(call[0].upper() == "SPOP" for call in calls)


def _talk(client: RespClient, calls: tuple[tuple[str, ...], ...]) -> list:
    """The replies; after a lost reply or connection, that failure for each call left."""
    replies: list = []
    with client:
        try:
            for call in calls:
                replies.append(client.command(*call))
        except (TimeoutError, ConnectionError) as failure:
            replies += [failure] * (len(calls) - len(replies))
    return replies


def _told(calls: tuple[tuple[str, ...], ...]) -> str:
    return " ; ".join(str(Step(tuple(word.encode() for word in call), True)) for call in calls)


@pytest.fixture(scope="module")
def bench(pair: Pair) -> Bench:
    return Bench(pair)


@pytest.fixture(scope="module")
def tested_commands(pair: Pair) -> dict[str, list]:
    return _commands(pair.controls[1])


def _commands(client: RespClient) -> dict[str, list]:
    """COMMAND's rows by full name, subcommands included."""
    found: dict[str, list] = {}
    for row in client.ok("COMMAND"):
        found[row[0].decode()] = row
        found.update((child[0].decode(), child) for child in row[9])
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_bad_arguments_are_answered_as_redis_answers_them(bench: Bench, family: str) -> None:
    seen = set()
    problems = []
    for row in _rows(family):
        if row.expected or row.calls[0][0].encode() in bench.pair.lacking:
            continue
        for calls in row.variations():
            if calls in seen:
                continue
            seen.add(calls)
            problem = bench.difference(calls)
            if problem and problem not in problems:
                problems.append(problem)
    assert not problems, f"{len(problems)} calls differ:\n" + "\n".join(problems[:40])


@pytest.mark.chorale_only
@pytest.mark.parametrize("family", FAMILIES)
def test_what_redis_7_0_does_not_know_is_answered_as_newer_ones_do(
    bench: Bench, family: str
) -> None:
    problems = []
    for row in _rows(family):
        if row.expected:
            _, (*_, reply) = bench.replies(row.calls)
            text = reply.text if isinstance(reply, (Simple, Error)) else repr(reply)
            if not fnmatch.fnmatchcase(text, row.expected):
                problems.append(f"{_told(row.calls)}\n    {reply!r} is not {row.expected!r}")
    assert not problems, "\n".join(problems)


def test_a_wrong_number_of_arguments_is_refused_by_name(
    bench: Bench, tested_commands: dict[str, list]
) -> None:
    known_to_reference = _commands(bench.pair.controls[0])
    problems = []
    for name, row in tested_commands.items():
        for words in _wrong_arities(name, row[1]):
            expected, actual = (replies[0] for replies in bench.replies((words,)))
            if name not in known_to_reference:
                expected = Error(f"ERR wrong number of arguments for '{name}' command")
            if expected != actual or not isinstance(actual, Error):
                problems.append(f"{_told((words,))}\n    {actual!r} is not {expected!r}")
    assert not problems, f"{len(problems)} calls differ:\n" + "\n".join(problems)


def _wrong_arities(name: str, arity: int) -> Iterator[tuple[str, ...]]:
    """Calls with one word too few and, where there is a most, one word too many."""
    words = tuple(name.split("|"))
    too_few = abs(arity) - 1
    if too_few >= len(words):
        yield words + ("1",) * (too_few - len(words))
    if arity > 0:
        yield words + ("1",) * (arity + 1 - len(words))


def test_commands_take_as_many_arguments_as_in_redis(
    pair: Pair, tested_commands: dict[str, list]
) -> None:
    reference = _commands(pair.controls[0])
    common = tested_commands.keys() & reference.keys()
    assert len(common) > 150
    differing = {
        name: (reference[name][1], tested_commands[name][1])
        for name in common
        if reference[name][1] != tested_commands[name][1] and name not in MORE_OPTIONS_SINCE_7_2
    }
    assert not differing, f"(reference, tested) arity: {differing}"


@pytest.mark.chorale_only
def test_every_command_has_rows(tested_commands: dict[str, list]) -> None:
    containers = {name.split("|")[0] for name in tested_commands if "|" in name}
    rows = [row for family in FAMILIES for row in _rows(family)]
    covered = {_command(call, containers) for row in rows for call in row.calls}
    lacking = sorted(tested_commands.keys() - covered - containers)
    assert not lacking, f"add rows to support/command_rows.py for: {' '.join(lacking)}"


@pytest.mark.chorale_only
def test_every_command_with_keys_has_rows_that_name_keys(tested_commands: dict[str, list]) -> None:
    containers = {name.split("|")[0] for name in tested_commands if "|" in name}
    rows = [row for family in FAMILIES for row in _rows(family)]
    naming_keys = {
        _command(call, containers) for row in rows for call in row.calls if ONE_OF_KEYS & {*call}
    }
    lacking = sorted(
        name
        for name, row in tested_commands.items()
        if row[3] > 0 and Simple("pubsub") not in row[2] and name not in naming_keys
    )
    assert not lacking, f"no row names a key for: {' '.join(lacking)}"
