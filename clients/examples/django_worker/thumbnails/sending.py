"""How to send where the receivers may be slower than the sender."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer

# Seconds.
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.16
PATIENCE = 30.0


async def send_when_there_is_room(
    layer: BaseChannelLayer,
    channel: str,
    message: dict[str, Any],
    on_full: Callable[[float], None] = lambda pause: None,
) -> None:
    """Sends a message. While the channel is full it tries again, each time after a longer pause.

    `on_full` is called with each pause in seconds. Raises ChannelFull when there was no room for
    PATIENCE seconds.
    """
    deadline = time.monotonic() + PATIENCE
    pause = FIRST_PAUSE
    while True:
        try:
            await layer.send(channel, message)
            return
        except ChannelFull:
            if time.monotonic() >= deadline:
                raise
        on_full(pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
