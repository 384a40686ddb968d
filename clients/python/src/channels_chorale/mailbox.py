"""The process-specific channels of one event loop, as one broker keeps them."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Iterable
from typing import Any

from channels_chorale.connection import Connection
from channels_chorale.errors import ConnectionLost, ServerError

# What was consumed is acknowledged after so many seconds,
ACK_DELAY = 0.02
# or at once when so large a part of the capacity is taken.
ACK_AT_ONCE = 0.5


class Delivery:
    """A message that one or more channels of a mailbox have still to take."""

    __slots__ = ("body", "expires_at", "mailbox", "remaining")

    def __init__(self, mailbox: Mailbox, body: bytes, remaining: int, expires_at: float) -> None:
        self.mailbox = mailbox
        self.body = body
        self.remaining = remaining
        self.expires_at = expires_at

    def taken(self) -> None:
        """One of its channels has taken the message, or never will."""
        self.remaining -= 1
        if self.remaining == 0:
            self.mailbox.note_consumed()


class Queues:
    """Messages by channel, in the order in which they came, and who waits for them."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, collections.deque[Delivery]] = {}
        self._getters: dict[bytes, collections.deque[asyncio.Future[None]]] = {}

    def put(self, channel: bytes, delivery: Delivery) -> None:
        self._waiting.setdefault(channel, collections.deque()).append(delivery)
        self._wake_next(channel)

    def _wake_next(self, channel: bytes) -> None:
        getters = self._getters.get(channel)
        while getters:
            getter = getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    async def get(self, channel: bytes) -> bytes:
        """The next message. Cancelled at any moment, it has either returned one or left it there."""
        loop = asyncio.get_running_loop()
        while not self._waiting.get(channel):
            getter: asyncio.Future[None] = loop.create_future()
            getters = self._getters.setdefault(channel, collections.deque())
            getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled() and self._waiting.get(channel):
                    self._wake_next(channel)  # it was this one's turn
                raise
            finally:
                if getter in getters:
                    getters.remove(getter)
                if not getters:
                    self._getters.pop(channel, None)
        waiting = self._waiting[channel]
        delivery = waiting.popleft()
        if not waiting:
            del self._waiting[channel]
        delivery.taken()
        return delivery.body

    def drop_expired(self, now: float) -> int:
        """Nobody has asked for these in time."""
        dropped = 0
        for channel in list(self._waiting):
            waiting = self._waiting[channel]
            while waiting and waiting[0].expires_at <= now:
                waiting.popleft().taken()
                dropped += 1
            if not waiting:
                del self._waiting[channel]
        return dropped


class Mailbox:
    """One mailbox on one broker: keeps the numbers, the members and the acknowledgements."""

    def __init__(
        self,
        layer: str,
        name: str,
        queues: Queues,
        *,
        capacity: int,
        expiry: float,
        on_gap: Callable[[], None],
    ) -> None:
        self.layer, self.name = layer, name
        self.epoch = 0
        self.resumed = 0  # messages that came again or late, after a reconnect
        self._queues = queues
        self._capacity, self._expiry = capacity, expiry
        self._on_gap = on_gap
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._number = 0
        self._catching_up_to = 0
        self._consumed = 0
        self._received = 0
        self._acknowledged = (0, 0)
        self._ack_timer: asyncio.Handle | None = None
        self._members: dict[bytes, dict[bytes, None]] = {}
        # What this process itself has added, for a broker that knows nothing any more.
        self.own_memberships: dict[str, dict[str, None]] = {}

    async def open(self, connection: Connection) -> None:
        """Opens it on a new connection, where the last one stopped if possible."""
        self._connection = connection
        words: list[Any] = ["MAILBOX.OPEN", self.layer, self.name]
        if self.epoch:
            words += ["RESUME", self.epoch, self._number]
        epoch, number = await connection.command(*words)
        if epoch == self.epoch:
            self._ack()
            return
        had_epoch = bool(self.epoch)
        self._begin(epoch, number)
        for group, channels in self.own_memberships.items():
            await connection.command("GROUP.ADD", self.layer, group, *channels)
        if had_epoch:
            self._on_gap()

    def _begin(self, epoch: int, number: int) -> None:
        self.epoch, self._number = epoch, number
        self._consumed = self._received = 0
        self._acknowledged = (number, 0)
        self._members = {}

    def handle(self, push: list[Any]) -> None:
        """An event of this mailbox's epoch."""
        kind = push[0]
        if kind == b"mailbox-reset":
            self._begin(push[2], 0)
            self._on_gap()
            return
        self._number = push[2]
        name, *rest = push[3:]
        if kind == b"channel-message":
            self._deliver((name,), rest[0])
        elif kind == b"group-message":
            left_out = set(rest[1:])
            members = self._members.get(name, {})
            self._deliver([channel for channel in members if channel not in left_out], rest[0])
        elif kind == b"group-join":
            self._members.setdefault(name, {}).update(dict.fromkeys(rest))
        elif kind == b"group-leave":
            members = self._members.get(name, {})
            for channel in rest:
                members.pop(channel, None)
            if not members:
                self._members.pop(name, None)
        self._ack_later()

    def _deliver(self, channels: Iterable[bytes], body: bytes) -> None:
        channels = list(channels)
        self._received += 1
        if not channels:
            self.note_consumed()
            return
        delivery = Delivery(self, body, len(channels), self._loop.time() + self._expiry)
        for channel in channels:
            self._queues.put(channel, delivery)

    # ---- acknowledging ----

    def note_consumed(self) -> None:
        self._consumed += 1
        self._ack_later()

    def _ack_later(self) -> None:
        if self._acknowledged == (self._number, self._consumed):
            return
        taken = self._received - self._acknowledged[1]
        if taken >= self._capacity * ACK_AT_ONCE and self._consumed > self._acknowledged[1]:
            self._ack()
        elif self._ack_timer is None:
            self._ack_timer = self._loop.call_later(ACK_DELAY, self._ack)

    def _ack(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        if self._connection is None:
            return
        self._acknowledged = (self._number, self._consumed)
        self._connection.command(
            "MAILBOX.ACK", self.layer, self.name, self._number, self._consumed
        ).add_done_callback(_ignore)


def _ignore(reply: asyncio.Future[Any]) -> None:
    """An acknowledgement that was lost is repeated when the mailbox is opened again."""
    if not reply.cancelled():
        error = reply.exception()
        if error is not None and not isinstance(error, (ConnectionLost, ServerError)):
            raise error
