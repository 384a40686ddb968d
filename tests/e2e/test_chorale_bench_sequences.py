"""What chorale-bench replays is what the installed channels_redis sends, word for word.

Both are recorded with MONITOR. A new release of channels_redis that changes a command or a script
fails here, and bench/load/workloads/channels_redis.h has to follow.
"""

from __future__ import annotations

import codecs
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from support.bench import bench
from support.layers import receive
from support.server import Server
from support.waiting import wait_until_async

DATA = 24
MESSAGE = {"type": "bench.message", "data": b"x" * DATA}
Words = list[bytes]
Streams = list[list[Words]]


class Recording:
    """The commands of every connection, in the order in which the connections were first heard."""

    def __init__(self) -> None:
        self.streams: Streams = []

    def having(self, name: bytes) -> Streams:
        """Those of the connections that have sent this command."""
        return [stream for stream in self.streams if any(words[0] == name for words in stream)]


@contextmanager
def recorded(server: Server) -> Iterator[Recording]:
    recording = Recording()
    end = uuid.uuid4().hex
    with server.connect(deadline=30) as monitor, server.connect(deadline=30) as other:
        monitor.ok("MONITOR")
        yield recording
        other.ok("ECHO", end)
        by_client: dict[str, list[Words]] = {}
        while end not in (line := monitor.read(30).decode("latin1")):
            source, words = re.fullmatch(r"[0-9.]+ \[\d+ ([^]]*)\] (.*)", line).groups()
            if source != "lua" and not words.startswith('"CLIENT" "SETINFO"'):
                by_client.setdefault(source, []).append(decoded(words))
    recording.streams = list(by_client.values())


def decoded(words: str) -> Words:
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', words)
    return [normal(codecs.escape_decode(word.encode("latin1"))[0]) for word in found]


def normal(word: bytes) -> bytes:
    """The same for words that differ by what is random, by the time, or by the message's data."""
    if re.fullmatch(rb"\d{10}\.\d+", word):
        return b"<time>"
    if re.fullmatch(rb"\d{10}", word):
        return b"<seconds>"
    data = word.find(b"\xa4data\xc4" + bytes([DATA]))
    if data >= 0:
        begin = word.index(b"\xa4type") - 1
        assert begin in (0, 12), "12 random bytes stand before a message of the core layer"
        data += 7
        word = b"R" * begin + word[begin:data] + b"x" * DATA + word[data + DATA :]
    return re.sub(rb"[0-9a-f]{32}", b"<hex>", word)


def repetitions(stream: list[Words], period: int) -> list[list[Words]]:
    """A stream cut into pieces so long; the last one, which may not be whole, is left out."""
    whole = len(stream) // period * period
    return [stream[at : at + period] for at in range(0, whole, period)]


@pytest.fixture
async def core(server: Server) -> AsyncIterator[Callable[[], RedisChannelLayer]]:
    """Makes processes' layers, whose connections nobody else uses."""
    layers: list[RedisChannelLayer] = []

    def make() -> RedisChannelLayer:
        layers.append(RedisChannelLayer(hosts=[server.url()]))
        return layers[-1]

    yield make
    for layer in layers:
        await layer.close_pools()


async def record(server: Server, work: Callable[[], Awaitable[Any]]) -> Recording:
    with recorded(server) as recording:
        await work()
    return recording


async def test_core_send_and_receive(server: Server, core: Callable[[], RedisChannelLayer]) -> None:
    layer = core()
    channel = await layer.new_channel()

    async def work() -> None:
        await layer.send(channel, MESSAGE)
        await receive(layer, channel)
        await layer.wait_received()

    (real,) = (await record(server, work)).streams
    assert [words[0] for words in real[1:]] == (
        [b"ZREMRANGEBYSCORE", b"ZCOUNT", b"ZADD", b"EXPIRE"]
        + [b"EVAL", b"BZPOPMIN", b"ZADD", b"ZPOPMIN"]
    )
    with recorded(server) as recording:
        bench(server, "core_send_receive", connections=1, value_size=DATA)
    (replayed,) = recording.having(b"BZPOPMIN")
    assert replayed[0] == real[0]  # HELLO
    for operation in repetitions(replayed[1:], 8):
        assert operation == real[1:]


async def test_core_group_add(server: Server, core: Callable[[], RedisChannelLayer]) -> None:
    layer = core()
    channel = await layer.new_channel()

    async def work() -> None:
        await layer.group_add(f"bench.{uuid.uuid4().hex}.{0:012}", channel)

    (real,) = (await record(server, work)).streams
    with recorded(server) as recording:
        bench(server, "core_group_add", connections=1, keys=1)
    (replayed,) = recording.having(b"ZADD")
    assert replayed[0] == real[0]
    for operation in repetitions(replayed[1:], 2):
        assert operation == real[1:]


@pytest.mark.parametrize(("processes", "members"), [(1, 1), (3, 2), (2, 20)])
async def test_core_group_send(
    server: Server, core: Callable[[], RedisChannelLayer], processes: int, members: int
) -> None:
    sender, receivers = core(), [core() for _ in range(processes)]
    group = f"bench.{uuid.uuid4().hex}"

    async def work() -> None:
        channels = []
        for layer in receivers:
            channels.append([await layer.new_channel() for _ in range(members)])
            for channel in channels[-1]:
                await layer.group_add(group, channel)
        await sender.group_send(group, MESSAGE)
        for layer, its in zip(receivers, channels, strict=True):
            await receive(layer, its[0])
            await layer.wait_received()

    real = await record(server, work)
    (real_send,) = real.having(b"ZRANGE")
    real_receive = real.having(b"BZPOPMIN")[0]
    joining = 2 * members

    with recorded(server) as recording:
        bench(server, "core_group_send", value_size=DATA, processes=processes, members=members)
    (send,) = recording.having(b"ZRANGE")
    assert send[0] == real_send[0]
    for operation in repetitions(send[1:], len(real_send) - 1):
        assert operation == real_send[1:]

    assert len(recording.having(b"BZPOPMIN")) == processes
    for stream in recording.having(b"BZPOPMIN"):
        assert stream[0] == real_receive[0]
        for operation in repetitions(stream[1:], 4):
            assert operation == real_receive[1 + joining :]

    (joins,) = [stream for stream in recording.streams if stream[0][0] == b"ZADD"]
    assert joins == real_receive[1 : 1 + joining] * processes


async def test_pubsub(server: Server) -> None:
    layer = RedisPubSubChannelLayer(hosts=[server.url()])
    group = f"bench.{uuid.uuid4().hex}"
    control = server.connect()

    async def subscribed(channel: str) -> None:
        """subscribe() does not wait for the server, and PUBLISH could overtake it."""
        one = [channel.encode(), 1]
        await wait_until_async(lambda: control.command("PUBSUB", "NUMSUB", channel) == one)

    async def work() -> None:
        channel = await layer.new_channel()
        await subscribed(channel)
        await layer.send(channel, MESSAGE)
        await receive(layer, channel)
        await layer.group_add(group, channel)
        await subscribed(f"asgi__group__{group}")
        await layer.group_send(group, MESSAGE)
        await receive(layer, channel)

    real = await record(server, work)
    await layer.flush()
    control.close()
    (real_subscriber,), (real_publisher,) = real.having(b"SUBSCRIBE"), real.having(b"PUBLISH")

    for workload, number in (("pubsub_send_receive", 1), ("pubsub_group_send", 2)):
        with recorded(server) as recording:
            bench(server, workload, connections=1, processes=1, value_size=DATA)
        (subscriber,), (publisher,) = recording.having(b"SUBSCRIBE"), recording.having(b"PUBLISH")
        # PING tells chorale-bench that it is subscribed.
        assert subscriber == [real_subscriber[0], real_subscriber[number], [b"PING"]]
        assert publisher[0] == real_publisher[0]
        for words in publisher[1:]:
            assert words == real_publisher[number]
