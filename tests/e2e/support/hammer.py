"""One process of the hammer test: many connections that fight over a few keys and channels.

    python -m support.hammer PORT SEED SECONDS

prints "ready" once it is subscribed, starts on a line from stdin, works for SECONDS, prints
"finished", waits for another line (by then nobody publishes any more) and prints what it counted
as one JSON object. test_hammer.py runs several of these and adds the counts up.

Every workload keeps to keys that no other workload touches, so that each sum is exact:
whatever was pushed was popped once or is still there, and no increment got lost.
"""

import asyncio
import collections
import json
import random
import sys
import time

from support.async_resp import AsyncRespClient
from support.resp import Error, Simple
from support.waiting import scaled

COUNTERS = [f"hammer:counter:{number}" for number in range(3)]
LISTS = ["hammer:list:0", "hammer:list:1"]
ZSETS = ["hammer:zset:0", "hammer:zset:1"]
CHANNELS = ["hammer:channel:0", "hammer:channel:1"]
SHARD_CHANNEL = "hammer:shard-channel"
BURST_CHANNEL = "hammer:burst"
BURSTS = (5000, 8000)
# Long enough for a burst to be read and run by the other threads meanwhile.
STALL_SECONDS = scaled(0.2)
BURST_MESSAGE_LENGTH = 1024
PAIR = ["hammer:pair:left", "hammer:pair:right"]
WATCHED = "hammer:watched"
SCRIPTED = ["hammer:scripted:declared", "hammer:scripted:undeclared"]
SUBSCRIBERS = 2
LAST_MESSAGE = "the last message"
BLOCK_SECONDS = 0.2

SCRIPT = """
local declared = redis.call('INCR', KEYS[1])
local undeclared = redis.call('INCR', ARGV[1])
if declared ~= undeclared then return redis.error_reply('ERR not isolated') end
return declared
"""


class Hammer:
    """The process's workloads and their tallies."""

    def __init__(self, port: int, seed: int, seconds: float) -> None:
        self._address = ("127.0.0.1", port)
        self._seed = seed
        self._seconds = seconds
        self._end = 0.0
        self._next_id = 0
        # Burst messages of this process: sent, and back at its own subscriber.
        self._burst_number = 0
        self._bursts_heard = 0
        self.tally: collections.Counter[str] = collections.Counter()

    async def run(self) -> None:
        subscribers = [await self._connect() for _ in range(SUBSCRIBERS)]
        for subscriber in subscribers:
            await self._subscribe(subscriber)
        self._burst_subscriber = await self._connect()
        await self._ok(self._burst_subscriber, "HELLO", 3)
        await self._ok(self._burst_subscriber, "SUBSCRIBE", BURST_CHANNEL)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        self._end = time.monotonic() + self._seconds
        reading = [asyncio.ensure_future(self._read_messages(each)) for each in subscribers]
        self._reading_bursts = asyncio.ensure_future(self._read_bursts(self._burst_subscriber))
        reading.append(self._reading_bursts)
        workloads = [
            self._increments,
            self._pushes,
            self._blocking_list_pops,
            self._blocking_list_pops,
            self._adds,
            self._blocking_zset_pops,
            self._blocking_zset_pops,
            self._publishes,
            self._bursts,
            self._subscription_churn,
            self._transactions,
            self._optimistic_locks,
            self._scripts,
        ]
        await asyncio.gather(*(self._work(work, index) for index, work in enumerate(workloads)))
        print("finished", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*reading)
        print(json.dumps(self.tally), flush=True)

    async def _connect(self) -> AsyncRespClient:
        return await AsyncRespClient.connect(self._address)

    async def _work(self, workload, index: int) -> None:
        client = await self._connect()
        rng = random.Random(self._seed * 1000 + index)
        while time.monotonic() < self._end:
            await workload(client, rng)
            self.tally["operations"] += 1
        await client.close()

    async def _ok(self, client: AsyncRespClient, *args):
        reply = await client.command(*args)
        if isinstance(reply, Error):
            raise AssertionError(f"{args} answered {reply.text}")
        return reply

    def _new_id(self) -> int:
        """A number that no other process takes."""
        self._next_id += 1
        return self._seed * 100_000_000 + self._next_id

    async def _increments(self, client, rng) -> None:
        burst = rng.randint(1, 20)
        for _ in range(burst):
            client.send("INCR", rng.choice(COUNTERS))
        for _ in range(burst):
            assert isinstance(await client.read(), int)
        self.tally["increments"] += burst

    async def _pushes(self, client, rng) -> None:
        numbers = [self._new_id() for _ in range(rng.randint(1, 3))]
        push = rng.choice(["LPUSH", "RPUSH"])
        await self._ok(client, push, rng.choice(LISTS), *numbers)
        self.tally["pushed"] += len(numbers)
        self.tally["pushed sum"] += sum(numbers)

    async def _blocking_list_pops(self, client, rng) -> None:
        pop = rng.choice(["BLPOP", "BRPOP"])
        keys = rng.sample(LISTS, rng.randint(1, 2))
        reply = await self._ok(client, pop, *keys, BLOCK_SECONDS)
        if reply:
            self.tally["popped"] += 1
            self.tally["popped sum"] += int(reply[1])

    async def _adds(self, client, rng) -> None:
        number = self._new_id()
        assert await self._ok(client, "ZADD", rng.choice(ZSETS), rng.randint(0, 9), number) == 1
        self.tally["added"] += 1
        self.tally["added sum"] += number

    async def _blocking_zset_pops(self, client, rng) -> None:
        pop = rng.choice(["BZPOPMIN", "BZPOPMAX"])
        keys = rng.sample(ZSETS, rng.randint(1, 2))
        reply = await self._ok(client, pop, *keys, BLOCK_SECONDS)
        if reply:
            self.tally["taken"] += 1
            self.tally["taken sum"] += int(reply[1])

    async def _publishes(self, client, rng) -> None:
        if rng.random() < 0.2:
            receivers = await self._ok(client, "SPUBLISH", SHARD_CHANNEL, "message")
        else:
            receivers = await self._ok(client, "PUBLISH", rng.choice(CHANNELS), "x" * 100)
        self.tally["published to"] += receivers

    async def _bursts(self, client, rng) -> None:
        """More than a stalled thread takes, sent without waiting; then the replies, and a rest."""
        count = rng.randint(*BURSTS)
        self._burst_subscriber.send("DEBUG", "SLEEP", STALL_SECONDS)
        for _ in range(count):
            head = f"{self._seed}:{self._burst_number}:"
            client.send("PUBLISH", BURST_CHANNEL, head.ljust(BURST_MESSAGE_LENGTH, "x"))
            self._burst_number += 1
        for _ in range(count):
            receivers = await client.read()
            assert isinstance(receivers, int), receivers
            self.tally["burst to"] += receivers
        # The subscriber of this process keeps up, so that what waits in the server stays small.
        while self._bursts_heard < self._burst_number:
            if self._reading_bursts.done():
                self._reading_bursts.result()
            await asyncio.sleep(0.01)
        await asyncio.sleep(rng.random())

    async def _read_bursts(self, client) -> None:
        """Every message once, and those of each publisher in its order, up to the last message."""
        heard: collections.Counter[bytes] = collections.Counter()
        while True:
            value = await client.read()
            if value == Simple("OK"):
                continue  # it slept
            _, _, message = value
            if message == LAST_MESSAGE.encode():
                break
            assert len(message) == BURST_MESSAGE_LENGTH
            publisher, number, _ = message.split(b":")
            assert int(number) == heard[publisher], (publisher, number, heard[publisher])
            heard[publisher] += 1
            self._bursts_heard = heard[b"%d" % self._seed]
            self.tally["burst received"] += 1

    async def _subscribe(self, client) -> None:
        await self._ok(client, "SUBSCRIBE", *CHANNELS)
        for _ in CHANNELS[1:]:
            await client.read()
        await self._ok(client, "PSUBSCRIBE", CHANNELS[0] + "*")
        await self._ok(client, "SSUBSCRIBE", SHARD_CHANNEL)

    async def _read_messages(self, client) -> None:
        """Counts what arrives until the last message has come over both subscriptions to it."""
        last_messages = 0
        while last_messages < 2:
            message = await client.read()
            if message[-1] == LAST_MESSAGE.encode():
                last_messages += 1
            self.tally["received"] += 1

    async def _subscription_churn(self, client, rng) -> None:
        """Comes and goes on channels that nobody publishes to."""
        channel = f"hammer:churn:{rng.randint(0, 1)}"
        client.send("SUBSCRIBE", channel)
        client.send("UNSUBSCRIBE", channel)
        kinds = [(await client.read())[0], (await client.read())[0]]
        assert kinds == [b"subscribe", b"unsubscribe"], kinds

    async def _transactions(self, client, rng) -> None:
        """Both halves always move together, whoever looks."""
        client.send("MULTI")
        for key in rng.sample(PAIR, 2):
            client.send("INCR", key)
        client.send("MGET", *PAIR)
        client.send("EXEC")
        for _ in range(4):
            assert not isinstance(await client.read(), Error)
        one, other, both = await client.read()
        assert one == other, (one, other)
        assert both == [str(one).encode()] * 2, (one, both)
        self.tally["transactions"] += 1

    async def _optimistic_locks(self, client, rng) -> None:
        await self._ok(client, "WATCH", WATCHED)
        value = int(await self._ok(client, "GET", WATCHED) or 0)
        await self._ok(client, "MULTI")
        await self._ok(client, "SET", WATCHED, value + 1)
        if await self._ok(client, "EXEC"):
            self.tally["optimistic successes"] += 1
        else:
            self.tally["optimistic failures"] += 1

    async def _scripts(self, client, rng) -> None:
        await self._ok(client, "EVAL", SCRIPT, 1, *SCRIPTED)
        self.tally["scripts"] += 1


if __name__ == "__main__":
    asyncio.run(Hammer(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])).run())
