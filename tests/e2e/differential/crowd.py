"""Several connections at once on both servers: blocking commands, WATCH, and pub/sub.

One step is one command of one client. After each step the crowd settles: every command sent so far
was answered or is known (INFO, `blocked_clients`) to wait, and every message published so far has
arrived. Then both crowds must have received the same.

`*SKIP COMMAND ...` is the command behind a CLIENT REPLY SKIP: pushes arrive and the reply does not.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from support.resp import Push, RespClient
from support.waiting import scaled

from .compare import command_name, same_reply
from .forms import forms_of
from .grammar import Arguments
from .runner import Mismatch, Pair, Step
from .values import KINDS

SKIP = b"*SKIP"
CLIENTS = 4
LENGTH = 40
SETTLE_SECONDS = 3.0
BLOCKED_CLIENTS = re.compile(rb"blocked_clients:(\d+)")


@dataclass(frozen=True)
class CrowdStep:
    client: int
    args: Arguments

    def __str__(self) -> str:
        return f"client {self.client}: {Step(self.args, True)}"


def crowd_sequence(family: str, seed: int, lacking: Collection[bytes] = ()) -> list[CrowdStep]:
    rng = random.Random(f"{family}/{seed}")
    forms = [form for form in forms_of(family) if form.command.encode() not in lacking]
    return [
        CrowdStep(rng.randrange(CLIENTS), rng.choice(forms).expand(rng, KINDS))
        for _ in range(LENGTH)
    ]


class _Crowd:
    """The clients of one server, and which of them wait for the reply to what."""

    def __init__(self, connections: list[RespClient], control: RespClient):
        self.clients = connections
        self.control = control
        self.waiting: dict[int, Arguments] = {}
        self.queueing: set[int] = set()

    def has_no_use_for(self, step: CrowdStep) -> bool:
        """Whether the client waits, or queues commands, so that SKIP means nothing."""
        skips = step.args[0] == SKIP
        return step.client in self.waiting or (skips and step.client in self.queueing)

    def send(self, step: CrowdStep) -> None:
        self.waiting[step.client] = step.args
        client = self.clients[step.client]
        _send(client, step.args)
        match step.args[0]:
            case b"MULTI":
                self.queueing.add(step.client)
            case b"EXEC" | b"DISCARD":
                self.queueing.discard(step.client)
            case name if name == SKIP:
                client.send("ECHO", "the first reply")

    def settle(self, expected: Collection[int] = ()) -> dict[int, Any]:
        """The replies that arrive until everybody else is blocked, but for the `expected` ones.

        A server of several threads may count a client as blocked until the client's own thread
        hears that it was served; whoever is expected to be answered is waited for.
        """
        replies: dict[int, Any] = {}
        deadline = time.monotonic() + scaled(SETTLE_SECONDS)
        while self.waiting:
            for number in list(self.waiting):
                reply = _reply_at_hand(self.clients[number])
                if reply is not None:
                    replies[number] = (self.waiting.pop(number), reply)
            settled = self._blocked() == len(self.waiting)
            if settled and replies.keys() >= set(expected):
                break
            if time.monotonic() > deadline:
                if settled:
                    break
                raise AssertionError(
                    f"neither answered nor blocked: {self.waiting}, "
                    f"while INFO counts {self._blocked()} blocked clients"
                )
        return replies

    def _blocked(self) -> int:
        found = BLOCKED_CLIENTS.search(self.control.ok("INFO", "clients"))
        assert found, "INFO clients has no blocked_clients"
        return int(found.group(1))


def _send(client: RespClient, args: Arguments) -> None:
    if args[0] == SKIP:
        client.send("CLIENT", "REPLY", "SKIP")
        args = args[1:]
    client.send(*args)


def _reply_at_hand(client: RespClient) -> Any | None:
    try:
        return client.read(0.0005)
    except TimeoutError:
        return None


def run_blocking(pair: Pair, steps: list[CrowdStep], protocol: int) -> Mismatch | None:
    pair.reset()
    connections = [[server.connect(protocol) for _ in range(CLIENTS)] for server in pair.servers]
    crowds = [
        _Crowd(clients, control)
        for clients, control in zip(connections, pair.controls, strict=True)
    ]
    try:
        for step in steps:
            if crowds[0].has_no_use_for(step):
                continue
            for crowd in crowds:
                crowd.send(step)
            expected = crowds[0].settle()
            mismatch = _compare_answers(step, expected, crowds[1].settle(expected))
            if mismatch:
                return mismatch
    finally:
        for client in connections[0] + connections[1]:
            client.close()
    _wait_until_nobody_is_blocked(crowds)
    return pair.difference()


def _wait_until_nobody_is_blocked(crowds: list[_Crowd]) -> None:
    """The next sequence counts blocked clients from zero again."""
    deadline = time.monotonic() + scaled(SETTLE_SECONDS)
    while any(crowd._blocked() for crowd in crowds):
        assert time.monotonic() < deadline, "a closed connection still counts as blocked"


def _compare_answers(
    step: CrowdStep, expected: dict[int, Any], actual: dict[int, Any]
) -> Mismatch | None:
    agree = expected.keys() == actual.keys() and all(
        _same_answer(args, reply, actual[number][1]) for number, (args, reply) in expected.items()
    )
    return None if agree else Mismatch(step, _told(expected), _told(actual))


def _same_answer(args: Arguments, expected: Any, actual: Any) -> bool:
    if command_name(args) == b"EXEC" and isinstance(expected, list) and isinstance(actual, list):
        # Scores inside a transaction are compared as numbers, too.
        return same_reply((b"ZRANGE",), expected, actual)
    return same_reply(args, expected, actual)


def _told(replies: dict[int, Any]) -> str:
    if not replies:
        return "nobody was answered"
    return ", ".join(
        f"client {number} got {reply!r}" for number, (_, reply) in sorted(replies.items())
    )


def run_pubsub(pair: Pair, steps: list[CrowdStep], protocol: int) -> Mismatch | None:
    crowds = [[server.connect(protocol) for _ in range(CLIENTS)] for server in pair.servers]
    try:
        for number, step in enumerate(steps):
            heard = _heard_after(crowds, step, b"settled %d" % number)
            for client, (expected, actual) in enumerate(zip(*heard, strict=True)):
                if not _same_messages(step.args, expected, actual):
                    return Mismatch(
                        step,
                        f"client {client} got {expected!r}",
                        f"client {client} got {actual!r}",
                    )
    finally:
        for client in crowds[0] + crowds[1]:
            client.close()
    return None


def _heard_after(crowds: list[list[RespClient]], step: CrowdStep, mark: bytes) -> list[list[Any]]:
    """What each client of each crowd hears of one step; a PING behind it shows where it ends."""
    for clients in crowds:
        _send(clients[step.client], step.args)
        clients[step.client].send("PING", mark)
    # Once the sender's PING is answered its command is done, and only then everybody asks.
    said = [_read_until_mark(clients[step.client], mark) for clients in crowds]
    for clients in crowds:
        for client in clients:
            client.send("PING", mark)
    heard = [[_read_until_mark(client, mark) for client in clients] for clients in crowds]
    for lists, own in zip(heard, said, strict=True):
        lists[step.client][:0] = own
    return heard


def _read_until_mark(client: RespClient, mark: bytes) -> list[Any]:
    heard: list[Any] = []
    while True:
        try:
            value = client.read()
        except (TimeoutError, ConnectionError) as failure:
            return [*heard, failure]
        if value == mark or value == [b"pong", mark]:
            return heard
        heard.append(value)


def _same_messages(args: Arguments, expected: list[Any], actual: list[Any]) -> bool:
    """Pushes and replies each in their order, where there is one.

    There is none between the patterns that one message matches, the channels that are left all
    at once, and the channels listed.
    """
    if args[0] == SKIP:
        args = args[1:]
    name = command_name(args)
    if name.endswith(b"UNSUBSCRIBE") and len(args) == 1:
        return _without_counts(expected) == _without_counts(actual)
    if name in (b"PUBLISH", b"EVAL"):
        return sorted(map(repr, expected)) == sorted(map(repr, actual))
    if name == b"PUBSUB" and args[1].endswith(b"CHANNELS"):
        args = (b"KEYS", b"*")
    replies, others = (
        [v for v in heard if not isinstance(v, Push)] for heard in (expected, actual)
    )
    return (
        len(replies) == len(others)
        and all(same_reply(args, one, other) for one, other in zip(replies, others, strict=True))
        and [v for v in expected if isinstance(v, Push)]
        == [v for v in actual if isinstance(v, Push)]
    )


def _without_counts(values: list[Any]) -> list[str]:
    return sorted(repr(value[:2]) if isinstance(value, list) else repr(value) for value in values)


def fewest(run, pair: Pair, steps: list[CrowdStep], first: Mismatch, protocol: int):
    """Drops steps one by one as long as the crowds still differ."""
    mismatch, place = first, 0
    while place < len(steps):
        fewer = steps[:place] + steps[place + 1 :]
        again = run(pair, fewer, protocol)
        if again:
            steps, mismatch = fewer, again
        else:
            place += 1
    return steps, mismatch
