"""What runs in the one process of a measurement whose sender and receivers share it."""

from __future__ import annotations

import asyncio
import statistics
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from workers import (
    GROUP,
    READY,
    STALLED,
    WARM_UP,
    WINDOW,
    Arrived,
    Flood,
    Paced,
    Setting,
    make_message,
)


class Flooded(NamedTuple):
    """The answer to the order Flood."""

    flood: Flood
    arrived: Arrived


class _Window:
    """How far the channels are; as that of workers.py, but the event loop goes on meanwhile."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._missing: dict[int, int] = {}  # channels, by number of the message
        self._reached = -1  # number
        self._moved = asyncio.Event()
        self.messages = 0
        self.last = 0.0

    def note(self, number: int) -> None:
        self.messages += 1
        missing = self._missing.get(number, self._channels) - 1
        if missing:
            self._missing[number] = missing
            return
        self._missing.pop(number, None)
        self._reached = max(number, self._reached)
        self.last = time.monotonic()
        self._moved.set()

    async def wait(self, sent: int, outstanding: int) -> bool:
        """Until at most so many of those below `sent` are under way; false if they are lost."""
        while sent - 1 - self._reached > outstanding:
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), STALLED)
            except TimeoutError:
                self._reached = sent - 1
                return False
        return True


async def members_and_sender(control: Connection, setting: Setting, channels: int) -> None:
    """A group of channels with a consumer each. Orders: Paced or Flood, and seconds.

    The answer is Paced or Flooded.
    """
    layer = setting.make()
    window = _Window(channels)
    sent = 0

    async def consume(channel: str) -> None:
        while True:
            window.note((await layer.receive(channel))["number"])

    async def group_send() -> None:
        nonlocal sent
        sent += 1
        await layer.group_send(GROUP, make_message(sent - 1))

    async def paced(seconds: float) -> Paced:
        end = time.monotonic() + seconds
        sending, reaching = [], []
        while time.monotonic() < end:
            begin = time.perf_counter()
            await group_send()
            sending.append(time.perf_counter() - begin)
            await window.wait(sent, 0)
            reaching.append(time.perf_counter() - begin)
        return Paced(statistics.median(sending), statistics.median(reaching))

    async def flood(seconds: float) -> Flooded:
        before, window.messages = sent, 0
        begin, cpu = time.monotonic(), time.process_time()
        while time.monotonic() < begin + seconds:
            await group_send()
            await window.wait(sent, WINDOW - 1)
        await window.wait(sent, 0)
        cpu = time.process_time() - cpu
        return Flooded(Flood(sent - before, begin), Arrived(window.messages, window.last, cpu))

    async def work() -> None:
        for _ in range(WARM_UP):
            await group_send()
            arrives = await window.wait(sent, 0)
        if not arrives:
            raise RuntimeError("messages to the group do not arrive")
        control.send(READY)
        while True:
            what, seconds = control.recv()
            control.send(await (paced if what is Paced else flood)(seconds))

    tasks: list[asyncio.Future[Any]] = []
    for _ in range(channels):
        channel = await layer.new_channel()
        tasks.append(asyncio.ensure_future(consume(channel)))
        await layer.group_add(GROUP, channel)
    # A consumer ends only by an error.
    done, _ = await asyncio.wait(
        [asyncio.ensure_future(work()), *tasks], return_when=asyncio.FIRST_COMPLETED
    )
    for each in done:
        each.result()
