"""Runs one command sequence on two servers and finds the first reply that differs.

Commands travel in pipelines cut at random, and each pipeline's bytes in pieces cut at random. Some
steps stand alone, because what they do depends on chance or on time:

- a draw (SRANDMEMBER, RANDOMKEY, ...): what the server under test drew must be in the key;
- SPOP: the server under test is made to hold what the reference holds;
- `*SCAN` and its family: iterated to the end and compared as sets;
- `*EXPIRED key`: the key expires within a millisecond; both servers then notice it;
- an expiry in the past: the key is touched afterwards, so that both have noticed it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.resp import Error, Null, RespClient, Simple, encode
from support.server import Server

from .compare import DRAWN, command_name, same_reply
from .grammar import Arguments
from .state import read_state, state_difference

ALONE = DRAWN | {b"SPOP", b"*SCAN", b"*SSCAN", b"*HSCAN", b"*ZSCAN", b"*EXPIRED", b"DBSIZE"}
# A command that waits longer than this for its reply has none.
REPLY_SECONDS = 3.0
PAST = {b"0", b"-1", b"1"}


# Redis commands that a broker can do without: compared where the server under test has them.
OPTIONAL = (b"SORT", b"SORT_RO", b"BITFIELD", b"BITFIELD_RO")


@dataclass(frozen=True)
class Step:
    """A command, and whether the pipeline is cut behind it."""

    args: Arguments
    cut: bool

    def __str__(self) -> str:
        return " ".join(_quoted(arg) for arg in self.args)


@dataclass(frozen=True)
class Mismatch:
    """The step that differed (None: the final state) and both answers in words."""

    step: Any
    expected: str
    actual: str

    @property
    def topic(self) -> str:
        return command_name(self.step.args).decode(errors="replace") if self.step else "STATE"


def _quoted(arg: bytes) -> str:
    plain = arg.decode("latin-1")
    if plain and plain.isascii() and plain.isprintable() and not set(plain) & set(" \"'\\"):
        return plain
    return '"' + "".join(_escaped(byte) for byte in arg) + '"'


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"


class NotComparable(Exception):
    """The two servers may rightly differ from here on: a draw inside a transaction."""


@contextmanager
def running_pair(reference: Server, tested: Server) -> Iterator[Pair]:
    """Starts both servers, and stops and judges those that have started."""
    servers = (reference, tested)
    try:
        for server in servers:
            server.start()
        pair = Pair(*servers)
        yield pair
        pair.close()
    finally:
        for server in servers:
            if server.process:
                server.stop()


class Pair:
    """The reference and the server under test, with a connection of ours to each."""

    def __init__(self, reference: Server, tested: Server):
        self.servers = (reference, tested)
        self.controls = tuple(server.connect() for server in self.servers)
        rows = self.controls[1].command("COMMAND", "INFO", *OPTIONAL)
        self.lacking = {
            name for name, row in zip(OPTIONAL, rows, strict=False) if not isinstance(row, list)
        }

    def close(self) -> None:
        for control in self.controls:
            control.close()

    def reset(self) -> None:
        for control in self.controls:
            control.pipeline([("FLUSHALL",), ("SCRIPT", "FLUSH")])

    def difference(self) -> Mismatch | None:
        """Whether the two servers hold different data."""
        text = state_difference(*(read_state(control) for control in self.controls))
        return Mismatch(None, text, "") if text else None

    def reconnect(self) -> None:
        """After a restart of the servers."""
        self.close()
        self.controls = tuple(server.connect() for server in self.servers)

    def run(self, steps: list[Step], protocol: int, seed: int) -> Mismatch | None:
        self.reset()
        try:
            return self.go_on(steps, protocol, seed) or self.difference()
        except NotComparable:
            return None

    def go_on(self, steps: list[Step], protocol: int, seed: int) -> Mismatch | None:
        """Runs the steps on what is there already, and compares replies only.

        Raises NotComparable, after which the servers may hold different data.
        """
        sessions = tuple(
            server.connect(protocol, deadline=REPLY_SECONDS) for server in self.servers
        )
        try:
            return _Run(sessions, random.Random(seed)).steps(steps)
        finally:
            for session in sessions:
                session.close()


class _Run:
    """One sequence on one pair of connections."""

    def __init__(self, sessions: tuple[RespClient, ...], rng: random.Random):
        self.sessions = sessions
        self.rng = rng
        self.queued: list[Step] | None = None

    def steps(self, steps: list[Step]) -> Mismatch | None:
        batch: list[Step] = []
        for step in steps:
            if self._stands_alone(step):
                mismatch = self._batch(batch) or self._alone(step)
                batch = []
            else:
                batch.append(step)
                if not step.cut:
                    continue
                mismatch = self._batch(batch)
                batch = []
            if mismatch:
                return mismatch
        return self._batch(batch)

    @staticmethod
    def _stands_alone(step: Step) -> bool:
        # With its arguments wrong it is an ordinary command that answers an error.
        return command_name(step.args) in ALONE or _may_expire_at_once(step.args)

    def _exchange(self, commands: list[Arguments]) -> list[tuple[Any, Any]]:
        data = b"".join(encode(*args) for args in commands)
        cuts = sorted(self.rng.randrange(len(data) + 1) for _ in range(self.rng.choice((0, 0, 1))))
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            for session in self.sessions:
                session.send_raw(data[start:end])
        replies = [_read_all(session, len(commands)) for session in self.sessions]
        return list(zip(*replies, strict=True))

    def _batch(self, batch: list[Step]) -> Mismatch | None:
        if not batch:
            return None
        answers = self._exchange([step.args for step in batch])
        for step, (expected, actual) in zip(batch, answers, strict=True):
            mismatch = self._judge(step, expected, actual)
            if mismatch:
                return mismatch
        return None

    def _judge(self, step: Step, expected: Any, actual: Any) -> Mismatch | None:
        name = command_name(step.args)
        if expected == Simple("QUEUED") and self.queued is not None:
            if name == b"SPOP":
                raise NotComparable
            self.queued.append(step)
        elif name == b"MULTI" and expected == Simple("OK"):
            self.queued = []
        elif name == b"EXEC" and type(expected) is list and type(actual) is list and self.queued:
            return self._judge_transaction(step, expected, actual)
        elif name in (b"EXEC", b"DISCARD", b"RESET"):
            self.queued = None
        if same_reply(step.args, expected, actual):
            return None
        return Mismatch(step, repr(expected), repr(actual))

    def _judge_transaction(self, step: Step, expected: list, actual: list) -> Mismatch | None:
        queued, self.queued = self.queued or [], None
        if len(expected) != len(actual):
            return Mismatch(step, repr(expected), repr(actual))
        for inner, one, other in zip(queued, expected, actual, strict=True):
            if not same_reply(inner.args, one, other):
                return Mismatch(inner, f"{one!r} (in EXEC)", f"{other!r} (in EXEC)")
        return None

    def _alone(self, step: Step) -> Mismatch | None:
        name = command_name(step.args)
        if name.startswith(b"*") and name.endswith(b"SCAN"):
            return self._scan(step)
        if name == b"*EXPIRED":
            return self._expired(step)
        if self.queued is None and name == b"DBSIZE":
            self._exchange([(b"SCAN", b"0", b"COUNT", b"1000")])
        [(expected, actual)] = self._exchange([step.args])
        mismatch = self._judge(step, expected, actual)
        if mismatch or self.queued is not None:
            return mismatch
        if _may_expire_at_once(step.args):
            self._exchange([(b"EXISTS", step.args[1])])
        if name == b"SPOP":
            return self._align_popped(step, expected, actual)
        if name in DRAWN and not isinstance(expected, Error):
            return self._drawn_from_key(step, actual)
        return None

    def _expired(self, step: Step) -> Mismatch | None:
        key = step.args[-1]
        mismatch = self._batch([Step((b"PEXPIRE", key, b"1"), True)])
        if mismatch or self.queued is not None:
            return mismatch
        time.sleep(0.003)  # The clock itself is what is waited for.
        return self._batch([Step((b"EXISTS", key), True)])

    def _align_popped(self, step: Step, expected: Any, actual: Any) -> Mismatch | None:
        """Gives back what the server under test popped and takes what the reference popped."""
        if isinstance(expected, (Error, Null)):
            return None
        key, tested = step.args[1], self.sessions[1]
        taken, given = (
            set(popped) if isinstance(popped, list) else {popped} for popped in (expected, actual)
        )
        moves = [("SADD", key, member) for member in given - taken]
        moves += [("SREM", key, member) for member in taken - given]
        if len(taken) == len(given) and tested.pipeline(moves) == [1] * len(moves):
            return None
        return Mismatch(step, repr(expected), f"{actual!r}, and its set did not agree with that")

    def _drawn_from_key(self, step: Step, drawn: Any) -> Mismatch | None:
        if isinstance(drawn, Null) or drawn == []:
            return None
        members = self._possible_draws(step.args)
        chosen = drawn if isinstance(drawn, list) else [drawn]
        with_values = len(step.args) > 3
        if with_values and not isinstance(chosen[0], list):
            chosen = [list(pair) for pair in zip(chosen[::2], chosen[1::2], strict=True)]
        names = [item[0] if with_values else item for item in chosen]
        distinct = len(step.args) > 2 and not step.args[2].startswith(b"-")
        if not set(names) <= members or (distinct and len(set(names)) < len(names)):
            return Mismatch(step, f"a draw from {sorted(members)!r}", repr(drawn))
        return None

    def _possible_draws(self, args: Arguments) -> set[bytes]:
        listing = {
            b"SRANDMEMBER": ("SMEMBERS", *args[1:2]),
            b"HRANDFIELD": ("HKEYS", *args[1:2]),
            b"ZRANDMEMBER": ("ZRANGE", *args[1:2], 0, -1),
            b"RANDOMKEY": ("KEYS", "*"),
        }
        return set(self.sessions[1].ok(*listing[command_name(args)]))

    def _scan(self, step: Step) -> Mismatch | None:
        if self.queued is not None:
            return None
        expected, actual = (_scan_all(session, step.args) for session in self.sessions)
        if expected == actual:
            return None
        return Mismatch(step, repr(expected), repr(actual))


def _read_all(session: RespClient, count: int) -> list[Any]:
    """As many replies; where the server falls silent or hangs up, that is the last one."""
    replies: list[Any] = []
    try:
        while len(replies) < count:
            replies.append(session.read_reply())
    except (TimeoutError, ConnectionError) as failure:
        replies += [failure] * (count - len(replies))
    return replies


def _may_expire_at_once(args: Arguments) -> bool:
    """SET, GETEX and their like accept a moment in the past; the key is then gone lazily."""
    return command_name(args) in (b"SET", b"GETEX") and any(
        option.upper() in (b"EXAT", b"PXAT") and moment in PAST
        for option, moment in zip(args[2:], args[3:], strict=False)
    )


def _scan_all(session: RespClient, args: Arguments) -> Any:
    name, rest = args[0][1:], args[1:]
    key, options = ((), rest) if name == b"SCAN" else (rest[:1], rest[1:])
    found: list[Any] = []
    cursor: bytes = b"0"
    for _ in range(10_000):
        reply = session.command(name, *key, cursor, *options)
        if isinstance(reply, Error):
            return reply
        cursor, items = reply
        found += list(items)
        if cursor == b"0":
            break
    else:
        return "a scan without end"
    if name == b"HSCAN":
        return dict(zip(found[::2], found[1::2], strict=True))
    if name == b"ZSCAN":
        return {member: float(score) for member, score in zip(found[::2], found[1::2], strict=True)}
    return set(found)


def _differs(pair: Pair, steps: list[Step], protocol: int, seed: int) -> Mismatch | None:
    """Several attempts, since a sequence with draws may differ only now and then."""
    attempts = 5 if any(command_name(step.args) in DRAWN | {b"SPOP"} for step in steps) else 1
    for _ in range(attempts):
        mismatch = pair.run(steps, protocol, seed)
        if mismatch:
            return mismatch
    return None


def minimal(
    pair: Pair, steps: list[Step], first: Mismatch, protocol: int, seed: int
) -> tuple[list[Step], Mismatch]:
    """Drops steps as long as the sequence still differs (halves, quarters, ... single steps)."""
    mismatch = first
    size = max(1, len(steps) // 2)
    while True:
        start, dropped = 0, False
        while start < len(steps):
            fewer = steps[:start] + steps[start + size :]
            again = fewer and _differs(pair, fewer, protocol, seed)
            if again:
                steps, mismatch, dropped = fewer, again, True
            else:
                start += size
        if size == 1 and not dropped:
            return steps, mismatch
        size = max(1, size // 2)
