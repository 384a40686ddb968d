"""What was written when, and whether what a killed broker kept agrees with it.

A write is sent, and perhaps acknowledged, which is when the client has read the reply. If it was
acknowledged `allowance` seconds before the kill (with `always`: at all), it has to be there. What
was sent later may be there or not, but whole: the keys of a log are as they were after one of its
operations. After each crash the history begins anew with what was recovered.

Times are those of time.monotonic().
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .values import Command, Entry, Keys, apply


@dataclass(frozen=True)
class Crash:
    """When the broker was killed, and for how long before that it may have lost writes."""

    killed_at: float
    allowance: float

    def must_have(self, acknowledged_at: float | None) -> bool:
        if acknowledged_at is None:
            return False
        return self.allowance == 0 or acknowledged_at <= self.killed_at - self.allowance


@dataclass(frozen=True)
class Recovered:
    """All keys after the restart, read between two moments (Unix milliseconds)."""

    keys: Keys
    began: int
    ended: int


@dataclass(frozen=True)
class Operation:
    """What is sent, each command to be answered, and the atomic effect that it has."""

    sent: tuple[Command, ...]
    effect: tuple[Command, ...]


def single(*command) -> Operation:
    return Operation((command,), (command,))


def transaction(*commands: Command) -> Operation:
    return Operation((("MULTI",), *commands, ("EXEC",)), commands)


@dataclass
class Log:
    """Operations of one connection at a time on keys that nobody else writes.

    Each operation changes all of the keys, so that together they show how far the log came.
    """

    names: tuple[bytes, ...]
    operations: list[Operation] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    version: int = 0
    _base: Keys = field(default_factory=dict)

    def send(self, operation: Operation) -> None:
        self.operations.append(operation)

    def acknowledge(self, moment: float) -> None:
        self.acknowledged.append(moment)

    def next_version(self) -> int:
        """Never the same twice, also after a crash."""
        self.version += 1
        return self.version

    def promised(self, crash: Crash) -> int:
        """How many operations must be there."""
        return sum(map(crash.must_have, self.acknowledged))

    def judge(self, crash: Crash, recovered: Recovered) -> list[str]:
        found = {name: recovered.keys[name] for name in self.names if name in recovered.keys}
        least = self.promised(crash)
        keys = self._base
        agrees = False
        for number in range(len(self.operations) + 1):
            if number:
                for command in self.operations[number - 1].effect:
                    apply(keys, command)
            if number >= least and self._agrees(keys, found, recovered):
                agrees = True
                break
        count = len(self.operations)
        self._base, self.operations, self.acknowledged = found, [], []
        if agrees:
            return []
        return [
            f"{self.names}: as after none of the operations {least} to {count}: {_short(found)}"
        ]

    def _agrees(self, expected: Keys, found: Keys, recovered: Recovered) -> bool:
        return all(_same(expected.get(name), found.get(name), recovered) for name in self.names)


def _same(expected: Entry | None, found: Entry | None, recovered: Recovered) -> bool:
    if found is None:
        return expected is None or not expected.holds_at(recovered.ended)
    return expected == found and found.holds_at(recovered.began)


def _short(keys: Keys) -> str:
    text = repr(keys)
    return text if len(text) < 400 else text[:400] + "..."


@dataclass
class Counter:
    """A number that several connections increment."""

    name: bytes
    sent: int = 0
    _base: int = 0
    _replies: list[tuple[int, float]] = field(default_factory=list)

    def acknowledge(self, value: int, moment: float) -> None:
        self._replies.append((value, moment))

    def promised(self, crash: Crash) -> int:
        return sum(crash.must_have(moment) for _, moment in self._replies)

    def judge(self, crash: Crash, recovered: Recovered) -> list[str]:
        entry = recovered.keys.get(self.name)
        value = int(entry.content) if entry else 0
        least = max(
            (number for number, moment in self._replies if crash.must_have(moment)),
            default=self._base,
        )
        most = self._base + self.sent
        self._base, self.sent, self._replies = value, 0, []
        if least <= value <= most:
            return []
        return [f"{self.name!r} is {value}, not from {least} to {most}"]


def unknown_keys(recovered: Recovered, names: Iterable[bytes]) -> list[str]:
    """Rows that nobody wrote."""
    return [f"{name!r} was never written" for name in sorted(recovered.keys.keys() - set(names))]
