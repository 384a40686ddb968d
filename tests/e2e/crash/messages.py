"""Judges of messages that several connections send and receive, each of which is unique.

See history.py for what is promised. A message is pending from its sending to its receiving; a
message that was received, or that a crash has taken, is over and must never be seen again, unless
the crash has taken the receiving itself.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

from .history import Crash


def sender_of(message: bytes) -> bytes:
    """Messages are sender:number, with a tail after another colon."""
    return message.split(b":", 1)[0]


def number_of(message: bytes) -> int:
    return int(message.split(b":", 2)[1])


def out_of_order(messages: list[bytes]) -> list[str]:
    last: dict[bytes, int] = {}
    wrong = []
    for message in messages:
        sender, number = sender_of(message), number_of(message)
        if number <= last.get(sender, -1):
            wrong.append(f"{_short(message)} comes after {last[sender]}")
        last[sender] = number
    return wrong


def _short(message: bytes) -> str:
    return repr(message[:40])


@dataclass
class Queue:
    """A list, a sorted set or a channel that some push into and some pop from."""

    name: bytes
    in_order: bool = True
    problems: list[str] = field(default_factory=list)
    unanswered: int = 0  # messages that pops without a reply may have taken
    _pushed: dict[bytes, float | None] = field(default_factory=dict)
    _popped: dict[bytes, float] = field(default_factory=dict)
    _over: set[bytes] = field(default_factory=set)

    def push(self, message: bytes) -> None:
        self._pushed[message] = None

    def acknowledge(self, message: bytes, moment: float) -> None:
        self._pushed[message] = moment

    def pop(self, message: bytes, moment: float) -> None:
        if message not in self._pushed:
            self.problems.append(f"{self.name!r} gave {self._what_it_is(message)}")
        elif message in self._popped:
            self.problems.append(f"{self.name!r} gave {_short(message)} twice")
        self._popped[message] = moment

    def pending(self) -> int:
        return len(self._pushed) - len(self._popped)

    def promised(self, crash: Crash) -> int:
        return sum(map(crash.must_have, self._pushed.values())) + sum(
            map(crash.must_have, self._popped.values())
        )

    def judge(self, crash: Crash, remaining: list[bytes]) -> list[str]:
        problems = [*self.problems]
        present = set(remaining)
        for message, times in collections.Counter(remaining).items():
            if times > 1:
                problems.append(f"{self.name!r} has {_short(message)} {times} times")
        for message in sorted(present - self._pushed.keys()):
            problems.append(f"{self.name!r} has {self._what_it_is(message)}")
        for message in remaining:
            if crash.must_have(self._popped.get(message)):
                problems.append(f"{self.name!r} has {_short(message)} back, which was popped")
        lost = [
            message
            for message, moment in self._pushed.items()
            if crash.must_have(moment) and message not in present and message not in self._popped
        ]
        if len(lost) > self.unanswered:
            problems.append(
                f"{self.name!r} has lost {len(lost)} messages, of which {self.unanswered} may "
                f"have been popped: {', '.join(map(_short, lost[:10]))}"
            )
        if self.in_order:
            problems += [f"{self.name!r}: {text}" for text in out_of_order(remaining)]
        self._over |= self._pushed.keys() - present
        self._pushed = dict.fromkeys(remaining, float("-inf"))
        self._popped, self.unanswered, self.problems = {}, 0, []
        return problems

    def _what_it_is(self, message: bytes) -> str:
        over = message in self._over
        return f"{_short(message)}, which {'was over' if over else 'was never sent'}"


@dataclass
class Mailbox:
    """What is sent to a mailbox and what its owner receives, over all epochs."""

    name: bytes
    keeps_epoch: bool  # whether even a crash must not begin a new one
    problems: list[str] = field(default_factory=list)
    epoch: int = 0
    number: int = 0
    received_in_epoch: int = 0
    _sent: dict[bytes, float | None] = field(default_factory=dict)
    _received: dict[bytes, float] = field(default_factory=dict)
    _may_repeat: set[bytes] = field(default_factory=set)
    _over: set[bytes] = field(default_factory=set)

    def send(self, message: bytes) -> None:
        self._sent[message] = None

    def acknowledge(self, message: bytes, moment: float) -> None:
        self._sent[message] = moment

    def event(self, epoch: int, number: int) -> None:
        if epoch != self.epoch or number <= self.number:
            self.problems.append(f"event {epoch}/{number} after {self.epoch}/{self.number}")
        self.number = number

    def receive(self, message: bytes, moment: float) -> None:
        if message in self._may_repeat:
            self._may_repeat.remove(message)
        elif message in self._received:
            self.problems.append(f"{self.name!r} got {_short(message)} twice")
        elif message not in self._sent:
            over = message in self._over
            what = "was over" if over else "was never sent"
            self.problems.append(f"{self.name!r} got {_short(message)}, which {what}")
        self.received_in_epoch += 1
        self._received[message] = moment

    def outstanding(self) -> int:
        return len(self._sent) - len(self._received)

    def promised(self, crash: Crash) -> int:
        return sum(map(crash.must_have, self._sent.values()))

    def opened(self, epoch: int, number: int, crash: Crash) -> None:
        """The owner has come back; what follows are the events that the broker has kept."""
        if epoch == self.epoch:
            if number != self.number:
                self.problems.append(f"resumed at {number}, not at {self.number}")
            return
        if self.keeps_epoch:
            self.problems.append(f"{self.name!r}: epoch {epoch} in the place of {self.epoch}")
        self.epoch, self.number, self.received_in_epoch = epoch, number, 0
        # What a crash may take, it may take from the owner's reading too.
        self._may_repeat = {
            message for message, moment in self._received.items() if not crash.must_have(moment)
        }

    def judge(self, crash: Crash) -> list[str]:
        """After everything that the broker has kept was received."""
        lost = [
            message
            for message, moment in self._sent.items()
            if crash.must_have(moment) and message not in self._received
        ]
        problems = self.problems + out_of_order(list(self._received))
        if lost:
            names = ", ".join(map(_short, lost[:10]))
            problems.append(f"{self.name!r} has lost {len(lost)} messages: {names}")
        self._over |= self._sent.keys() | self._received.keys()
        self._sent, self._received, self._may_repeat, self.problems = {}, {}, set(), []
        return problems
