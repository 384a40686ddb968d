"""Messages of general channels: taken from the broker only while somebody waits for them."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from channels_chorale.connection import Connection
from channels_chorale.errors import ConnectionLost
from channels_chorale.policy import Policy
from channels_chorale.queues import Delivery, Queues
from channels_chorale.waiting import within

logger = logging.getLogger("channels_chorale")

# The broker answers after so long that there is nothing, so that a dead connection is noticed.
BLOCK_MS = 10_000
# Seconds between an error reply and the next attempt.
RETRY_AFTER = 1.0
CLOSE_TIMEOUT = 1.0  # seconds


class Receiver:
    """Asks one broker for all channels of `queues` that are awaited, on a connection of its own.

    One CHANNEL.RECEIVE is under way at most. When other channels are awaited than those that it
    names, it is ended (CLIENT UNBLOCK, through `control`) and another follows, so that a worker
    which has stopped waiting takes no more from the others. What has come for it at that moment
    waits in `queues`, and goes back when nobody asks for it.
    """

    def __init__(self, policy: Policy, control: Connection, queues: Queues) -> None:
        self._policy, self._control, self._queues = policy, control, queues
        self._asked: frozenset[bytes] | None = None  # by the command that is under way
        self._interrupting = False
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self.connection = Connection(
            control.host, on_connect=self._on_connect, on_push=lambda _push: None
        )

    async def _on_connect(self, connection: Connection) -> None:
        self._asked = None
        self._interrupting = False
        self._loop.call_soon(self.update)

    def update(self) -> None:
        """To be called whenever the channels that are awaited have changed."""
        awaited = self._queues.awaited()
        if self._asked is not None:
            if awaited != self._asked:
                self._interrupt()
        elif awaited and self.connection.ready and not self._closing:
            self._asked = awaited
            words: list[Any] = ["CHANNEL.RECEIVE", self._policy.layer, *awaited]
            self.connection.command(*words, "BLOCK", BLOCK_MS).add_done_callback(self._answered)

    def _answered(self, reply: asyncio.Future[Any]) -> None:
        self._asked = None
        if reply.cancelled():
            return
        error = reply.exception()
        if error is None:
            received = reply.result()
            if received is not None:
                channel, body = received
                expires_at = time.monotonic() + self._policy.expiry
                self._queues.of(channel).put(Delivery(body, expires_at))
            # Whoever gets the message has his turn first: he may wait for the next one.
            self._loop.call_soon(self.update)
        elif not isinstance(error, ConnectionLost):
            logger.error("cannot receive from %s: %s", self.connection.host.name, error)
            self._loop.call_later(RETRY_AFTER, self.update)

    def _interrupt(self) -> None:
        if self._interrupting or not self._control.ready:
            return
        self._interrupting = True
        done = self._control.command("CLIENT", "UNBLOCK", self.connection.client_id)
        done.add_done_callback(self._interrupted)

    def _interrupted(self, reply: asyncio.Future[Any]) -> None:
        self._interrupting = False
        if not reply.cancelled() and reply.exception() is None and self._asked is not None:
            self.update()

    async def close(self) -> None:
        """Ends the command that is under way first, so that no message is lost with it."""
        self._closing = True
        try:
            if self._asked is not None and self._control.ready and self.connection.ready:
                await within(CLOSE_TIMEOUT, self._end_what_is_under_way())
        except (ConnectionLost, TimeoutError):
            pass
        finally:
            self.connection.stop()
        await self.connection.close()

    async def _end_what_is_under_way(self) -> None:
        await self._control.command("CLIENT", "UNBLOCK", self.connection.client_id)
        await self.connection.command("PING")  # answered after it
