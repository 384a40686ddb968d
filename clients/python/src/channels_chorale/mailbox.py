"""The process-specific channels of one process, as one broker keeps them.

The broker numbers what happens to a mailbox. This side keeps the number of the last event, so that
a new connection goes on where the old one stopped, and the members of the groups, which it knows by
the events alone: then a message to a group is one event however many of its members live here.
protocol/README.md has the events and their order.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from channels_chorale.connection import Connection
from channels_chorale.memberships import Memberships
from channels_chorale.policy import Policy
from channels_chorale.queues import Delivery, Queue, Queues

# Seconds after which what has arrived and what was consumed is acknowledged; at once where the
# broker would otherwise refuse messages for which there is room.
ACK_DELAY = 0.02


class _Epoch:
    """The counters that belong to one numbering of the events."""

    def __init__(self, mailbox: Mailbox, name: int, number: int) -> None:
        self._mailbox = mailbox
        self.name = name
        self.number = number  # of the last event that has arrived
        self.received = 0  # messages; one to a group counts once
        self.consumed = 0
        self.acknowledged = (number, 0)  # number, consumed

    def note_consumed(self) -> None:
        self.consumed += 1
        if self._mailbox.epoch is self:
            self._mailbox.note_progress()


class Mailbox:
    """Belongs to the event loop of its session, until another adopts it."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        queues: Queues,
        *,
        on_gap: Callable[[], None],
        on_resumed: Callable[[int], None],
        on_epoch: Callable[[Mailbox, int], None],
    ) -> None:
        self.name = name
        self.epoch = _Epoch(self, 0, 0)
        self._policy, self._queues = policy, queues
        # What the mailbox takes; in the channel scope there is no such limit.
        of_mailbox = policy.capacity_scope == "mailbox"
        self._capacity = policy.capacity_of(name) if of_mailbox else sys.maxsize
        self._on_gap, self._on_resumed, self._on_epoch = on_gap, on_resumed, on_epoch
        self._connection: Connection | None = None
        self._ack_timer: asyncio.TimerHandle | None = None
        self.memberships = Memberships()
        self._gap = False  # to be reported as soon as the memberships are restored
        # In the channel scope: how many messages each channel's consumers have taken since the
        # last acknowledgement.
        self._taken: dict[bytes, int] = {}

    # ---- opening ----

    async def open(self, connection: Connection) -> None:
        """Opens it on a new connection, where the last one stopped if the broker still has that.

        Raises ServerError and ConnectionLost.
        """
        self._connection = connection
        epoch = self.epoch
        words: list[Any] = ["MAILBOX.OPEN", self._policy.layer, self.name]
        if not epoch.name:
            await connection.command(*words, *self._capacity_words(), on_reply=self._begin)
            return
        words += ["RESUME", epoch.name, epoch.number, *self._capacity_words()]
        opened = connection.command(*words, on_reply=self._resume)
        # What waits here was sent and is not consumed; the broker counts what it has not sent yet
        # among it. After a restart both commands mean nothing, and nobody looks at their replies.
        waiting = epoch.received - epoch.consumed
        self._send_ack(epoch)
        # CHANNEL.LEN of any of its channels is that of the whole mailbox.
        unread = connection.command("CHANNEL.LEN", self._policy.layer, self.name + "any")
        unread.add_done_callback(_ignore_error)
        await opened
        if self.epoch is epoch:
            self._on_resumed(max(0, await unread - waiting))
        await self._restore(connection)

    async def _restore(self, connection: Connection) -> None:
        """Tells a broker that knows nothing any more who is in which group."""
        lost = self.memberships.lost()
        layer = self._policy.layer
        replies = [
            connection.command("GROUP.ADD", layer, group, *channels) for group, channels in lost
        ]
        for reply in replies:
            reply.add_done_callback(_ignore_error)
        for (group, channels), reply in zip(lost, replies, strict=True):
            await reply
            self.memberships.restored(group, channels)
        if self._gap:
            self._gap = False
            self._on_gap()

    def _capacity_words(self) -> list[Any]:
        if not self._policy.has_regexes:
            return []
        return ["CAPACITY", self._policy.capacity_of(self.name)]

    def _begin(self, reply: list[int]) -> None:
        name, number = reply
        self.epoch = _Epoch(self, name, number)
        self._taken = {}
        self._on_epoch(self, name)

    def _resume(self, reply: list[int]) -> None:
        """Called before the events that follow the reply are handled."""
        if reply[0] != self.epoch.name:
            self.memberships.lose()
            self._gap = True
            self._begin(reply)
        else:
            self._on_epoch(self, self.epoch.name)

    def leave(self) -> None:
        """Says what was consumed so far; the connection is about to end."""
        self._ack()
        self._connection = None

    def adopt(self, queues: Queues, on_epoch: Callable[[Mailbox, int], None]) -> None:
        """The mailbox of an event loop that has ended goes on in another."""
        prefix = self.name.encode()
        for channel, delivery in self._queues.clear(prefix):
            queues.of(channel).put(delivery)
        self._queues, self._on_epoch = queues, on_epoch
        self._ack_timer = None  # that of the other loop

    # ---- events ----

    def handle(self, push: Sequence[Any]) -> None:
        """An event of this mailbox's epoch."""
        kind = push[0]
        epoch = self.epoch
        if kind == b"channel-message":
            epoch.number = push[2]
            self._deliver((push[3],), push[4])
        elif kind == b"group-message":
            epoch.number = push[2]
            members: Any = self.memberships.of(push[3])
            if len(push) > 5:
                left_out = set(push[5:])
                members = [channel for channel in members if channel not in left_out]
            self._deliver(members, push[4])
        elif kind == b"group-join":
            epoch.number = push[2]
            self.memberships.join(push[3], push[4:])
        elif kind == b"group-leave":
            epoch.number = push[2]
            self.memberships.leave(push[3], push[4:])
        elif kind == b"mailbox-reset":
            self._reset(push[2], push[3])
        elif kind == b"mailbox-taken":
            self._connection = None
        self.note_progress()

    def _reset(self, new_epoch: int, reason: bytes) -> None:
        self._begin([new_epoch, 0])
        if reason == b"flush":
            self.memberships.clear()
            self._queues.clear(self.name.encode())
        else:
            self.memberships.forget()
            self._on_gap()

    def _deliver(self, channels: Any, body: bytes) -> None:
        epoch = self.epoch
        epoch.received += 1
        if not channels:
            epoch.note_consumed()
            return
        expires_at = time.monotonic() + self._policy.expiry
        delivery = Delivery(body, expires_at, len(channels), epoch.note_consumed)
        queue_of = self._queues.of
        for channel in channels:
            queue_of(channel).put(delivery)

    # ---- acknowledging ----

    def note_taken(self, queue: Queue) -> None:
        """In the channel scope: a consumer has taken a message out of a queue."""
        taken = self._taken[queue.channel] = self._taken.get(queue.channel, 0) + 1
        capacity = self._policy.capacity_of(queue.channel.decode())
        if _is_urgent(taken, len(queue.waiting) + taken, capacity):
            self._ack()
        else:
            self.note_progress()

    def note_progress(self) -> None:
        """Something has arrived or was consumed."""
        epoch = self.epoch
        number, consumed = epoch.acknowledged
        if epoch.number == number and epoch.consumed == consumed and not self._taken:
            return
        if _is_urgent(epoch.consumed - consumed, epoch.received - consumed, self._capacity):
            self._ack()
        elif self._ack_timer is None:
            loop = asyncio.get_running_loop()
            self._ack_timer = loop.call_later(ACK_DELAY, self._ack)

    def _ack(self) -> None:
        self._cancel_timer()
        if self._connection is not None and self._connection.ready:
            self._send_ack(self.epoch)
            # Before the consumers that are ready take their turns, which may be many.
            self._connection.flush()

    def _send_ack(self, epoch: _Epoch) -> None:
        assert self._connection is not None
        epoch.acknowledged = (epoch.number, epoch.consumed)
        waiting: list[Any] = []
        for channel in self._taken:
            waiting += [channel, self._queues.count(channel)]
        self._taken = {}
        words: list[Any] = ["MAILBOX.ACK", self._policy.layer, self.name]
        words += [epoch.number, epoch.consumed, "EPOCH", epoch.name]
        # One that is lost is repeated when the mailbox is opened again.
        self._connection.post(*words, *waiting)

    def _cancel_timer(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None


def _is_urgent(taken: int, counted: int, capacity: int) -> bool:
    """Whether it is time to say that so many messages were taken of those that the broker counts.

    The fuller it is, the sooner: with the last room at once, and never later than after a quarter.
    """
    return taken >= max(1, min(capacity - counted, capacity // 4))


def _ignore_error(reply: asyncio.Future[Any]) -> None:
    """So that asyncio does not complain of an error that means nothing here."""
    if not reply.cancelled():
        reply.exception()
