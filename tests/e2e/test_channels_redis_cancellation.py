"""A consumer that is cancelled while it receives: nothing may be lost.

channels_redis pops a message and writes its backup copy one round trip later. A receive() that is
cancelled in between has lost the message on redis-server; Chorale gives it back to the queue when
the connection closes. In the other direction a message may arrive twice, but only where the task
with which channels_redis deletes the backup copy, its cleaner, did not finish.
"""

import asyncio
import collections
import contextlib
import random

import pytest
import pytest_asyncio

from support.chopper import Chopper
from support.layers import ObservedLayer, loop_turns, receive
from support.waiting import scaled

CANCELLATIONS = 500
MOST_WAITING = 10
CAPACITY = 10_000


@pytest_asyncio.fixture
async def make_layer():
    layers = []

    def make(url):
        layers.append(ObservedLayer(hosts=[url], capacity=CAPACITY))
        return layers[-1]

    yield make
    for layer in layers:
        await layer.close_pools()


class Traffic:
    """Numbered messages on one channel: how many were sent, which ones arrived how often."""

    def __init__(self, sender, receiver, channel, rng):
        self.sender = sender
        self.receiver = receiver
        self.channel = channel
        self.rng = rng
        self.sent = 0
        self.arrived = collections.Counter()
        self.cancelled = 0

    @property
    def missing(self):
        return set(range(self.sent)) - set(self.arrived)

    @property
    def repeated(self):
        return {number for number, times in self.arrived.items() if times > 1}

    async def send(self):
        number = self.sent
        self.sent += 1
        await loop_turns(self.rng.randint(0, 60))
        await self.sender.send(self.channel, {"type": "work", "number": number})

    async def receive_but_cancel(self, most_turns):
        """Starts a receive and cancels it some turns later, unless it is done by then."""
        receiving = asyncio.ensure_future(self.receiver.receive(self.channel))
        if self.rng.random() < 0.1:
            # Now and then while it is blocked in the server.
            await asyncio.sleep(self.rng.uniform(0, 0.01))
        else:
            await loop_turns(self.rng.randint(0, most_turns))
        receiving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self.arrived[(await receiving)["number"]] += 1
            return
        self.cancelled += 1

    async def receive_until(self, most_missing):
        """Receives until that few messages are still to come."""
        while len(self.missing) > most_missing:
            try:
                message = await receive(self.receiver, self.channel)
            except Exception as empty:  # our deadline, or the client's
                raise AssertionError(f"among the lost: {sorted(self.missing)}") from empty
            self.arrived[message["number"]] += 1


async def run_with_cancellations(traffic, most_turns):
    async with asyncio.timeout(scaled(100)):
        while traffic.cancelled < CANCELLATIONS:
            sending = asyncio.ensure_future(traffic.send())
            await traffic.receive_but_cancel(most_turns)
            await sending
            await traffic.receive_until(MOST_WAITING)
        await traffic.receive_until(0)


def assert_repeats_are_explained(traffic):
    unexplained = {number for number in traffic.repeated if not traffic.receiver.unclean(number)}
    assert not unexplained, "arrived twice although the cleaner finished"


@pytest.mark.chorale_only
@pytest.mark.sanitizer
@pytest.mark.parametrize("kind", ["general", "process-local"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_500_receives_cancelled_at_random_moments_lose_nothing(
    server, make_layer, kind, seed
):
    receiver = make_layer(server.url())
    channel = "tasks" if kind == "general" else await receiver.new_channel()
    traffic = Traffic(make_layer(server.url()), receiver, channel, random.Random(seed))
    await run_with_cancellations(traffic, most_turns=120)
    assert_repeats_are_explained(traffic)


@pytest.mark.chorale_only
async def test_500_receives_cancelled_in_the_middle_of_replies_lose_nothing(server, make_layer):
    rng = random.Random(3)
    async with Chopper(server.address, rng) as chopper:
        receiver = make_layer(f"redis://127.0.0.1:{chopper.port}/0")
        traffic = Traffic(make_layer(server.url()), receiver, "tasks", rng)
        await run_with_cancellations(traffic, most_turns=400)
        assert_repeats_are_explained(traffic)
        await receiver.close_pools()


@pytest.mark.chorale_only
async def test_a_consumer_cancelled_between_pop_and_backup_loses_nothing(server, make_layer):
    """The very moment, without any luck: the pop is answered, the backup copy never starts."""
    receiver = make_layer(server.url())
    popped = asyncio.Event()

    async def stall(*_args, **_options):
        popped.set()
        await asyncio.Event().wait()

    client = receiver.connection(0)
    client.zadd = stall
    await make_layer(server.url()).send("tasks", {"type": "work", "number": 7})
    receiving = asyncio.ensure_future(receiver.receive("tasks"))
    await popped.wait()
    receiving.cancel()
    await asyncio.wait([receiving])
    await receiver.close_pools()
    assert (await receive(make_layer(server.url()), "tasks"))["number"] == 7


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_a_message_arrives_twice_only_where_its_cleaner_was_cancelled(server, make_layer):
    receiver = make_layer(server.url())
    rng = random.Random(4)
    traffic = Traffic(make_layer(server.url()), receiver, "tasks", rng)
    for _ in range(100):
        await traffic.send()
        traffic.arrived[(await receiver.receive("tasks"))["number"]] += 1
        if rng.random() < 0.5:
            await loop_turns(rng.randint(0, 3))
            for cleaner in list(receiver.receive_cleaners):
                cleaner.cancel()
        await receiver.wait_received()
    await traffic.receive_until(0)
    assert_repeats_are_explained(traffic)
    assert traffic.repeated
