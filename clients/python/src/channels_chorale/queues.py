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

    def taken(self) -> None:
        """One of its channels has taken the message, or never will."""
        self.remaining -= 1
        if self.remaining == 0 and self.on_consumed is not None:
            self.on_consumed()


Waiting = collections.deque[Delivery]
Getters = collections.deque["asyncio.Future[None]"]


class Queues:
    """Queues by channel, first in, first out. Belongs to one event loop.

    `on_waiting` is called when the set of channels changes for which somebody waits; `on_taken`
    when a consumer has taken a message from a channel.
    """

    def __init__(
        self,
        *,
        on_waiting: Callable[[], None] | None = None,
        on_taken: Callable[[bytes], None] | None = None,
    ) -> None:
        self._waiting: dict[bytes, Waiting] = {}
        self._getters: dict[bytes, Getters] = {}
        self._on_waiting, self._on_taken = on_waiting, on_taken

    def put(self, channel: bytes, delivery: Delivery) -> None:
        waiting = self._waiting.get(channel)
        if waiting is None:
            waiting = self._waiting[channel] = collections.deque()
        waiting.append(delivery)
        if channel in self._getters:
            self._wake_next(channel)

    def _wake_next(self, channel: bytes) -> None:
        getters = self._getters[channel]
        while getters:
            getter = getters.popleft()
            if not getter.done():
                getter.set_result(None)
                break
        if not getters:
            del self._getters[channel]

    async def get(self, channel: bytes) -> Delivery:
        """The next message. Cancelled at any moment, it has either returned one or left it there.

        Those who wait for the same channel are served in the order in which they came.
        """
        while True:
            waiting = self._waiting.get(channel)
            if waiting:
                delivery = waiting.popleft()
                if not waiting:
                    del self._waiting[channel]
                delivery.taken()
                if self._on_taken is not None:
                    self._on_taken(channel)
                return delivery
            await self._wait(channel)

    async def _wait(self, channel: bytes) -> None:
        getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        getters = self._getters.get(channel)
        if getters is None:
            getters = self._getters[channel] = collections.deque()
        getters.append(getter)
        if self._on_waiting is not None:
            self._on_waiting()
        try:
            await getter
        except BaseException:
            if getter.done() and not getter.cancelled():
                # It was this one's turn: the message is the next one's.
                if self._waiting.get(channel) and channel in self._getters:
                    self._wake_next(channel)
            else:
                self._forget(channel, getter)
            if self._on_waiting is not None:
                self._on_waiting()
            raise

    def _forget(self, channel: bytes, getter: asyncio.Future[None]) -> None:
        getters = self._getters.get(channel)
        if getters is None:
            return
        if getter in getters:
            getters.remove(getter)
        if not getters:
            self._getters.pop(channel, None)

    def awaited(self) -> frozenset[bytes]:
        """The channels for which somebody waits."""
        return frozenset(self._getters)

    def count(self, channel: bytes) -> int:
        """How many messages wait for the channel's consumers."""
        return len(self._waiting.get(channel, ()))

    def drop_expired(self, now: float) -> None:
        """Drops what nobody has asked for in time."""
        for channel in list(self._waiting):
            waiting = self._waiting[channel]
            while waiting and waiting[0].expires_at <= now:
                waiting.popleft().taken()
                if self._on_taken is not None:
                    self._on_taken(channel)
            if not waiting:
                del self._waiting[channel]

    def clear(self, prefix: bytes = b"") -> list[tuple[bytes, Delivery]]:
        """Takes all messages out of the channels whose names begin so, and returns them."""
        channels = [channel for channel in self._waiting if channel.startswith(prefix)]
        return [(channel, each) for channel in channels for each in self._waiting.pop(channel)]
