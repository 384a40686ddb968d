"""What runs in the processes that a measurement starts.

Each gets a pipe to the measuring process, its `control`: it says READY there when it is set up,
then answers each order with what it has measured, and ends when the other end of the pipe is gone.
The receivers acknowledge to the sender through another pipe, so that no layer carries that.
"""

from __future__ import annotations

import asyncio
import os
import select
import statistics
import struct
import time
import traceback
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from columns import make_layer

READY = "ready"
GROUP = "bench"
TEXT = "Hello, everybody. " * 4
# Messages before anything is counted: connections are opened and subscriptions take effect.
WARM_UP = 20
# Messages to a group that may be under way at once. The layers drop from 100 on.
WINDOW = 50
# Seconds without an acknowledgement after which what is under way counts as lost.
STALLED = 2.0
# process, number of the message that has reached all of its channels
ACKNOWLEDGEMENT = struct.Struct("II")


class Setting(NamedTuple):
    """The layer of one measurement."""

    layer: str
    port: int | None  # of the server, if the layer has one
    prefix: str

    def make(self) -> Any:
        return make_layer(self.layer, self.port, self.prefix)


class RoundTrips(NamedTuple):
    count: int
    median: float  # seconds


class Paced(NamedTuple):
    """Messages to the group one at a time. Seconds."""

    median_send: float
    median_reach: float  # until all channels have received it


class Flood(NamedTuple):
    """Messages to the group as fast as the window lets them. Seconds."""

    sent: int
    begin: float  # time.monotonic(), which all processes share


class Arrived(NamedTuple):
    """What a receiving process has seen since the last report."""

    messages: int
    last: float  # time.monotonic() of the latest message that has reached all of its channels
    cpu: float  # seconds


def serve(
    control: Connection, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any
) -> None:
    """The main function of each process."""
    try:
        asyncio.run(work(control, *arguments))
    except (EOFError, KeyboardInterrupt):
        pass
    except BaseException:
        control.send(RuntimeError(traceback.format_exc()))


def make_message(number: int) -> dict[str, Any]:
    """Each the same but for its number."""
    return {"type": "chat.message", "number": number, "text": TEXT}


# ---- send, then receive, in one process ----


async def round_trips(control: Connection, setting: Setting) -> None:
    """Orders: seconds; the answer is RoundTrips."""
    layer = setting.make()
    channel = await layer.new_channel()

    async def trip(number: int) -> float:
        begin = time.perf_counter()
        await layer.send(channel, make_message(number))
        await layer.receive(channel)
        return time.perf_counter() - begin

    for number in range(WARM_UP):
        await trip(number)
    control.send(READY)
    while True:
        seconds = control.recv()
        end = time.monotonic() + seconds
        times = []
        while time.monotonic() < end:
            times.append(await trip(len(times)))
        control.send(RoundTrips(len(times), statistics.median(times)))


# ---- the members of a group ----


class _Arrivals:
    """Counts messages, and acknowledges those that all channels of the process have."""

    def __init__(self, process: int, channels: int, acknowledgements: Connection) -> None:
        self._process, self._channels = process, channels
        self._pipe = acknowledgements.fileno()
        self._missing: dict[int, int] = {}  # channels, by number of the message
        self._messages = 0
        self._last = time.monotonic()
        self._cpu = time.process_time()

    def note(self, number: int) -> None:
        self._messages += 1
        missing = self._missing.get(number, self._channels) - 1
        if missing:
            self._missing[number] = missing
            return
        self._missing.pop(number, None)
        self._last = time.monotonic()
        os.write(self._pipe, ACKNOWLEDGEMENT.pack(self._process, number))

    def report(self) -> Arrived:
        cpu = time.process_time()
        arrived = Arrived(self._messages, self._last, cpu - self._cpu)
        self._messages, self._cpu = 0, cpu
        return arrived


async def receive(
    control: Connection,
    setting: Setting,
    process: int,
    channels: int,
    acknowledgements: Connection,
) -> None:
    """Channels in the group, each with a consumer. Orders: anything; the answer is Arrived."""
    layer = setting.make()
    arrivals = _Arrivals(process, channels, acknowledgements)

    async def consume(channel: str) -> None:
        while True:
            arrivals.note((await layer.receive(channel))["number"])

    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer() -> None:
        try:
            control.recv()
            control.send(arrivals.report())
        except EOFError:
            ended.set_result(None)

    consumers = []
    for _ in range(channels):
        channel = await layer.new_channel()
        consumers.append(asyncio.ensure_future(consume(channel)))
        await layer.group_add(GROUP, channel)
    asyncio.get_running_loop().add_reader(control.fileno(), answer)
    control.send(READY)
    # A consumer ends only by an error.
    done, _ = await asyncio.wait([ended, *consumers], return_when=asyncio.FIRST_COMPLETED)
    for each in done:
        each.result()


# ---- the sender to a group ----


class _Window:
    """How far the receivers are. Waiting blocks the event loop: the sender has nothing else to do,
    and acknowledgements that it handled meanwhile would count into the time of a send."""

    def __init__(self, processes: int, acknowledgements: Connection) -> None:
        self._pipe = acknowledgements.fileno()
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)
        self._reached = [-1] * processes  # numbers
        self.lost = False

    def wait(self, sent: int, outstanding: int) -> None:
        """Until at most so many of the messages with numbers below `sent` are under way."""
        while sent - 1 - min(self._reached) > outstanding:
            if not self._poll.poll(STALLED * 1000):
                self.lost = True
                self._reached = [sent - 1] * len(self._reached)
                return
            # Each write was of one record, so that reads end with a whole one.
            for process, number in ACKNOWLEDGEMENT.iter_unpack(os.read(self._pipe, 4096)):
                self._reached[process] = max(number, self._reached[process])


async def send(
    control: Connection, setting: Setting, processes: int, acknowledgements: Connection
) -> None:
    """Orders: which of Paced and Flood, and seconds; that is the answer."""
    layer = setting.make()
    window = _Window(processes, acknowledgements)
    sent = 0

    async def group_send() -> float:
        nonlocal sent
        begin = time.perf_counter()
        await layer.group_send(GROUP, make_message(sent))
        sent += 1
        return time.perf_counter() - begin

    async def paced(seconds: float) -> Paced:
        end = time.monotonic() + seconds
        sending, reaching = [], []
        while time.monotonic() < end:
            begin = time.perf_counter()
            sending.append(await group_send())
            window.wait(sent, 0)
            reaching.append(time.perf_counter() - begin)
        return Paced(statistics.median(sending), statistics.median(reaching))

    async def flood(seconds: float) -> Flood:
        first, begin = sent, time.monotonic()
        while time.monotonic() < begin + seconds:
            await group_send()
            window.wait(sent, WINDOW - 1)
        window.wait(sent, 0)
        return Flood(sent - first, begin)

    for _ in range(WARM_UP):
        window.lost = False
        await group_send()
        window.wait(sent, 0)
    if window.lost:
        raise RuntimeError("messages to the group do not arrive")
    control.send(READY)
    while True:
        what, seconds = control.recv()
        control.send(await (paced if what is Paced else flood)(seconds))
