"""channels_redis layers as the tests use them: closed at the end, and observable."""

import asyncio
import collections
from collections.abc import Callable
from typing import Any

from channels_redis.core import RedisChannelLayer

from support.waiting import scaled

RECEIVE_DEADLINE = 10.0


async def receive(layer: Any, channel: str, deadline: float = RECEIVE_DEADLINE) -> dict[str, Any]:
    """layer.receive() that fails instead of waiting for ever."""
    return await asyncio.wait_for(layer.receive(channel), scaled(deadline))


async def receive_all(layer: Any, channel: str, count: int) -> list[dict[str, Any]]:
    return [await receive(layer, channel) for _ in range(count)]


async def nothing_arrives(layer: Any, channel: str, seconds: float = 0.3) -> bool:
    """Whether a consumer of the channel waits in vain for that long."""
    try:
        await asyncio.wait_for(layer.receive(channel), seconds)
    except TimeoutError:
        return True
    return False


class ObservedLayer(RedisChannelLayer):
    """A RedisChannelLayer that tells which messages its cleaners really cleaned.

    After a receive, channels_redis starts a task, the cleaner, that deletes the message's backup
    copy. If that task is cancelled, the copy comes back with the next receive: the message
    arrives twice. `unclean(number)` says whether that happened to a message.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._popped: dict[str, bytes] = {}
        self._cleaners: dict[int, list[str]] = collections.defaultdict(list)

    async def _brpop_with_clean(self, index: int, channel: str, timeout: float) -> bytes | None:
        member = await super()._brpop_with_clean(index, channel, timeout)
        if member is not None:
            self._popped[channel] = member
        return member

    def _clean_receive_backup(self, index: int, channel: str) -> Any:
        # Called, without an await in between, for the message that was popped last.
        number = self.deserialize(self._popped[channel])["number"]
        states = self._cleaners[number]
        states.append("started")
        return self._observe(super()._clean_receive_backup(index, channel), states)

    async def _observe(self, cleaner: Any, states: list[str]) -> None:
        position = len(states) - 1
        await cleaner
        states[position] = "finished"

    def unclean(self, number: int) -> bool:
        return "started" in self._cleaners[number]


async def loop_turns(count: int) -> None:
    """Lets the event loop run that often; finer than any clock."""
    for _ in range(count):
        await asyncio.sleep(0)


LayerFactory = Callable[..., Any]
