"""Messages that have arrived in this process, and who waits for them."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from typing import Any


class Delivery:
    """A message that has arrived, for one or more channels of this process.

    `on_consumed` is called when the last of them has taken it. `decoded` is room for the message
    that all of them `shared`.
    """

    __slots__ = ("body", "decoded", "expires_at", "on_consumed", "remaining", "shared")

    def __init__(
        self,
        body: bytes,
        expires_at: float,
        remaining: int = 1,
        on_consumed: Callable[[], None] | None = None,
    ) -> None:
        self.body = body
        self.expires_at = expires_at  # as time.monotonic()
        self.remaining = remaining
        self.shared = remaining > 1
        self.on_consumed = on_consumed
        self.decoded: Any = None


class Queue:
    """The messages of one channel, first in, first out. Belongs to one event loop.

    A consumer calls take(); if there is nothing, it awaits getter() and tries again. If that is
    cancelled it calls give_up(), so that no message is lost or overlooked. Those who wait are
    served in the order in which they came.
    """

    __slots__ = ("channel", "getters", "idle", "queues", "unclaimed", "waiting")

    def __init__(self, channel: bytes, queues: Queues) -> None:
        self.channel = channel
        self.queues = queues
        self.idle = self.unclaimed = False  # when it was looked at last
        self.waiting: collections.deque[Delivery] = collections.deque()
        self.getters: collections.deque[asyncio.Future[None]] = collections.deque()

    def put(self, delivery: Delivery) -> None:
        self.waiting.append(delivery)
        if self.getters:
            self._wake_next()

    def take(self) -> Delivery | None:
        """The next message, if there is one."""
        if not self.waiting:
            return None
        delivery = self.waiting.popleft()
        delivery.remaining -= 1
        if not delivery.remaining and delivery.on_consumed is not None:
            delivery.on_consumed()
        if self.queues.on_taken is not None:
            self.queues.on_taken(self)
        return delivery

    def getter(self) -> asyncio.Future[None]:
        """Is done when it is the caller's turn to take a message."""
        getter: asyncio.Future[None] = self.queues.loop.create_future()
        self.getters.append(getter)
        self.idle = self.unclaimed = False
        if self.queues.on_waiting is not None:
            self.queues.on_waiting()
        return getter

    def give_up(self, getter: asyncio.Future[None]) -> None:
        """Whoever awaits it was cancelled."""
        if getter.done() and not getter.cancelled():
            if self.waiting:
                self._wake_next()  # it was this one's turn
        elif getter in self.getters:
            self.getters.remove(getter)
        if self.queues.on_waiting is not None:
            self.queues.on_waiting()

    def _wake_next(self) -> None:
        while self.getters:
            getter = self.getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return


class Queues:
    """The queues of an event loop, by channel. They come with the first message or consumer.

    Once closed, they get no more messages; who waits is woken, and is to look for another queue.
    `on_waiting` is called when the set of channels changes for which somebody waits; `on_taken`
    when a message was taken out of a queue.
    """

    def __init__(
        self,
        *,
        on_waiting: Callable[[], None] | None = None,
        on_taken: Callable[[Queue], None] | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.on_waiting, self.on_taken = on_waiting, on_taken
        self.closed = False
        self._queues: dict[bytes, Queue] = {}

    def of(self, channel: bytes) -> Queue:
        """The channel's; not to be kept longer than a call of tidy(), but by who waits for it."""
        queue = self._queues.get(channel)
        if queue is None:
            queue = self._queues[channel] = Queue(channel, self)
        return queue

    def awaited(self) -> frozenset[bytes]:
        """The channels for which somebody waits."""
        return frozenset(queue.channel for queue in self._queues.values() if queue.getters)

    def count(self, channel: bytes) -> int:
        """How many messages wait for the channel's consumers."""
        queue = self._queues.get(channel)
        return len(queue.waiting) if queue is not None else 0

    def tidy(self, now: float) -> None:
        """Drops messages that nobody has asked for in time, and queues that nobody uses."""
        for queue in list(self._queues.values()):
            while queue.waiting and queue.waiting[0].expires_at <= now:
                queue.take()
            idle = not queue.waiting and not queue.getters
            # Not at once: a consumer that was woken may be about to wait again.
            if idle and queue.idle:
                del self._queues[queue.channel]
            queue.idle = idle

    def unclaimed(self) -> list[tuple[bytes, Delivery]]:
        """Takes out what nobody waits for now, nor did when this was called before."""
        taken = []
        for queue in self._queues.values():
            if queue.waiting and not queue.getters and queue.unclaimed:
                taken += [(queue.channel, delivery) for delivery in queue.waiting]
                queue.waiting.clear()
            queue.unclaimed = bool(queue.waiting)
        return taken

    def close(self) -> None:
        self.closed = True
        for queue in self._queues.values():
            getters, queue.getters = queue.getters, collections.deque()
            for getter in getters:
                if not getter.done():
                    getter.set_result(None)

    def clear(self, prefix: bytes = b"") -> list[tuple[bytes, Delivery]]:
        """Takes all messages out of the channels whose names begin so, and returns them."""
        taken = []
        for queue in self._queues.values():
            if queue.channel.startswith(prefix):
                taken += [(queue.channel, delivery) for delivery in queue.waiting]
                queue.waiting.clear()
        return taken
