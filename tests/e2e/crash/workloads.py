"""The load: connections that write as fast as they are answered, and record what they did.

Every workload keeps to keys, channels or mailboxes of its own. All run in one event loop and end
with the connection. Random choices come from the seed; the timing decides how far each one gets.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Iterable

from support.async_resp import AsyncRespClient
from support.resp import Error, Null, Push

from .history import Counter, Log, Operation, single, transaction
from .messages import Mailbox, Queue

LAYER = "crash"
BURST = 20
# Producers rest while so many messages wait, so that what has to be read back stays small.
ENOUGH_PENDING = 400
REST_SECONDS = 0.01
# So many of the changes of a set or a sorted set take everything out of it.
EMPTYING_SHARE = 0.003
MOST = 1_000_000  # more than any collection has
FAR = 4_000_000_000_000  # Unix milliseconds

SCRIPT = """
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'version', ARGV[1])
return redis.status_reply('OK')
"""


class Refused(AssertionError):
    """The broker has answered an error where none is expected."""


async def answer(client: AsyncRespClient):
    reply = await client.read()
    if isinstance(reply, Error):
        raise Refused(reply.text)
    return reply


async def rest_until(client: AsyncRespClient, ready: Callable[[], bool]) -> None:
    """Raises ConnectionClosed if the broker ends first."""
    while not ready():
        await asyncio.sleep(REST_SECONDS)
        client.check_open()


async def record(client: AsyncRespClient, written: Iterable[tuple[Log, Operation]]) -> None:
    """Sends the operations in one go and notes each reply when it comes."""
    burst = list(written)
    for log, operation in burst:
        log.send(operation)
    client.send_all(command for _, operation in burst for command in operation.sent)
    for log, operation in burst:
        for _ in operation.sent:
            await answer(client)
        log.acknowledge(time.monotonic())


def payload(version: int, rng: random.Random) -> bytes:
    """Tells its version, and whether it is whole."""
    size = rng.choice((0, 10, 10, 100, 100, 1000, 20_000)) if rng.random() < 0.9 else 64
    return b"%d:%s" % (version, hashlib.sha256(b"%d" % version).hexdigest().encode() * (size // 64))


class Writer:
    """One connection's logs; `step` says what is written next."""

    def __init__(self, rng: random.Random, logs: list[Log]) -> None:
        self.rng = rng
        self.logs = logs

    async def run(self, client: AsyncRespClient) -> None:
        for operation in self.begin():
            await record(client, [operation])
        while True:
            count = self.rng.randint(1, BURST)
            await record(client, [self.step() for _ in range(count)])

    def begin(self) -> list[tuple[Log, Operation]]:
        """What each life of the broker begins with."""
        return []

    def step(self) -> tuple[Log, Operation]:
        raise NotImplementedError


class Strings(Writer):
    """Values with versions, some of them large, some appended to, some removed."""

    def step(self) -> tuple[Log, Operation]:
        log = self.rng.choice(self.logs)
        [key] = log.names
        version = log.next_version()
        roll = self.rng.random()
        if roll < 0.1:
            return log, single("DEL", key)
        if roll < 0.3:
            return log, single("APPEND", key, b"+%d" % version)
        return log, single("SET", key, payload(version, self.rng))


class Expiries(Writer):
    """Values that live for a moment, for long, or for ever."""

    def step(self) -> tuple[Log, Operation]:
        log = self.rng.choice(self.logs)
        [key] = log.names
        value = payload(log.next_version(), self.rng)
        roll = self.rng.random()
        if roll < 0.2:
            return log, single("SET", key, value)
        if roll < 0.5:
            return log, single("SET", key, value, "PXAT", FAR + log.version)
        moment = int(time.time() * 1000) + self.rng.randint(1, 3000)
        return log, single("SET", key, value, "PXAT", moment)


class Collections(Writer):
    """A hash, a set and a sorted set of some hundred members each."""

    def step(self) -> tuple[Log, Operation]:
        log = self.rng.choice(self.logs)
        [key] = log.names
        member = b"member:%d" % self.rng.randrange(300)
        version = log.next_version()
        shrink = self.rng.random() < 0.3
        if key.startswith(b"hash"):
            if shrink:
                return log, single("HDEL", key, member)
            return log, single(
                "HSET", key, member, payload(version, self.rng), b"last", b"%d" % version
            )
        if key.startswith(b"set"):
            if self.rng.random() < EMPTYING_SHARE:
                return log, Operation((("SPOP", key, MOST),), (("DEL", key),))
            return log, single("SREM" if shrink else "SADD", key, member, b"v%d" % version)
        roll = self.rng.random()
        if shrink:
            return log, single("ZREM", key, member)
        if roll < EMPTYING_SHARE:
            return log, single("ZPOPMIN", key, MOST)
        if roll < 0.1:
            return log, single("ZPOPMIN", key, self.rng.randint(1, 3))
        if roll < 0.4:
            return log, single("ZINCRBY", key, self.rng.randint(-50, 50), member)
        return log, single("ZADD", key, version, member)


class Lists(Writer):
    """Long lists that are changed at both ends and in the middle."""

    LENGTH = 300

    def begin(self) -> list[tuple[Log, Operation]]:
        self.lengths = [self.LENGTH] * len(self.logs)
        return [
            (
                log,
                transaction(
                    ("DEL", log.names[0]),
                    ("RPUSH", log.names[0], *(b"%d" % n for n in range(self.LENGTH))),
                ),
            )
            for log in self.logs
        ]

    def step(self) -> tuple[Log, Operation]:
        place = self.rng.randrange(len(self.logs))
        log, length = self.logs[place], self.lengths[place]
        [key] = log.names
        value = payload(log.next_version(), self.rng)
        if length > 2 * self.LENGTH:
            self.lengths[place] = length - 200
            return log, single("LTRIM", key, 90, -111)
        roll = self.rng.random()
        if roll < 0.2 and length > 50:
            self.lengths[place] -= 3
            return log, single("LPOP", key, 3)
        if roll < 0.5:
            return log, single("LSET", key, self.rng.randrange(length), value)
        self.lengths[place] += 1
        return log, single("RPUSH" if roll < 0.7 else "LPUSH", key, value)


class Moves(Writer):
    """An element that goes from one list to another, and a large hash that is renamed."""

    def begin(self) -> list[tuple[Log, Operation]]:
        self.lists, self.hashes = self.logs
        self.at = 0
        source, target = self.lists.names
        one, other = self.hashes.names
        fields = [word for n in range(200) for word in (b"field:%d" % n, b"value")]
        return [
            (
                self.lists,
                transaction(
                    ("DEL", source, target), ("RPUSH", source, *(b"%d" % n for n in range(50)))
                ),
            ),
            (self.hashes, transaction(("DEL", one, other), ("HSET", one, *fields))),
        ]

    def step(self) -> tuple[Log, Operation]:
        if self.rng.random() < 0.5:
            source, target = self.lists.names
            # The source never runs empty: what is moved comes back with the next operation.
            version = b"%d" % self.lists.next_version()
            return self.lists, transaction(
                ("LSET", source, 0, version),
                ("LMOVE", source, target, "LEFT", "RIGHT"),
                ("RPUSH", source, version),
                ("LTRIM", target, 0, -1),
                *([("DEL", target)] if self.rng.random() < 0.05 else []),
            )
        here, there = self.hashes.names[self.at], self.hashes.names[1 - self.at]
        self.at = 1 - self.at
        version = b"%d" % self.hashes.next_version()
        return self.hashes, transaction(
            ("HSET", here, b"version", version), ("RENAME", here, there)
        )


class Transactions(Writer):
    """Keys of four types, in several shards, that agree on a version."""

    def step(self) -> tuple[Log, Operation]:
        [log] = self.logs
        one, two, three, four = log.names
        version = b"%d" % log.next_version()
        return log, transaction(
            ("SET", one, version),
            ("HSET", two, b"version", version, b"field:%d" % self.rng.randrange(100), version),
            ("ZADD", three, int(version), b"version"),
            ("DEL", four),
            ("RPUSH", four, version, payload(int(version), self.rng)),
        )


class ManyKeys(Writer):
    def step(self) -> tuple[Log, Operation]:
        [log] = self.logs
        value = payload(log.next_version(), self.rng)
        return log, single("MSET", *(word for name in log.names for word in (name, value)))


class Scripts(Writer):
    def step(self) -> tuple[Log, Operation]:
        [log] = self.logs
        one, two = log.names
        version = b"%d" % log.next_version()
        sent = ("EVAL", SCRIPT, 2, one, two, version)
        return log, Operation((sent,), (("SET", one, version), ("HSET", two, b"version", version)))


class Databases(Writer):
    """A key in two databases, which are swapped and sometimes emptied.

    The log's names are those keys with the databases' numbers before a slash.
    """

    def step(self) -> tuple[Log, Operation]:
        [log] = self.logs
        one, other = log.names
        (db, key), (other_db, _) = (name.split(b"/") for name in log.names)
        version = b"%d" % log.next_version()
        empty = self.rng.random() < 0.2
        flush = (("SELECT", other_db), ("FLUSHDB",)) if empty else ()
        changes = (("SELECT", db), ("SET", key, version), *flush, ("SWAPDB", db, other_db))
        return log, Operation(
            (("MULTI",), *changes, ("EXEC",)),
            (("SET", one, version), *([("DEL", other)] if empty else []), ("*SWAP", one, other)),
        )


async def increments(client: AsyncRespClient, rng: random.Random, counters: list[Counter]) -> None:
    while True:
        burst = [rng.choice(counters) for _ in range(rng.randint(1, BURST))]
        for counter in burst:
            counter.sent += 1
        client.send_all(("INCR", counter.name) for counter in burst)
        for counter in burst:
            counter.acknowledge(await answer(client), time.monotonic())


class Sender:
    """Makes messages that are unique over all lives of the broker."""

    def __init__(self, name: bytes, rng: random.Random) -> None:
        self.name = name
        self.rng = rng
        self.number = 0

    def message(self) -> bytes:
        self.number += 1
        tail = b"x" * self.rng.choice((0, 0, 50, 500, 5000))
        return b"%s:%012d:%s" % (self.name, self.number, tail)


async def list_pushes(client: AsyncRespClient, sender: Sender, queue: Queue) -> None:
    while True:
        await rest_until(client, lambda: queue.pending() <= ENOUGH_PENDING)
        messages = [sender.message() for _ in range(sender.rng.randint(1, 5))]
        for message in messages:
            queue.push(message)
        client.send("RPUSH", queue.name, *messages)
        await answer(client)
        for message in messages:
            queue.acknowledge(message, time.monotonic())


async def list_pops(client: AsyncRespClient, rng: random.Random, queue: Queue) -> None:
    while True:
        if rng.random() < 0.5:
            count = rng.randint(1, 4)
            command, several = ("LPOP", queue.name, count), True
        else:
            count, command, several = 1, ("BLPOP", queue.name, "0.05"), False
        queue.unanswered += count
        client.send(*command)
        reply = await answer(client)
        queue.unanswered -= count
        if isinstance(reply, Null):
            continue
        for message in reply if several else reply[1:]:
            queue.pop(message, time.monotonic())


async def sorted_pushes(client: AsyncRespClient, sender: Sender, queue: Queue) -> None:
    while True:
        await rest_until(client, lambda: queue.pending() <= ENOUGH_PENDING)
        message = sender.message()
        queue.push(message)
        client.send("ZADD", queue.name, sender.rng.randint(0, 100), message)
        await answer(client)
        queue.acknowledge(message, time.monotonic())


async def sorted_pops(client: AsyncRespClient, rng: random.Random, queue: Queue) -> None:
    while True:
        queue.unanswered += 1
        client.send(rng.choice(("BZPOPMIN", "BZPOPMAX")), queue.name, "0.05")
        reply = await answer(client)
        queue.unanswered -= 1
        if not isinstance(reply, Null):
            queue.pop(reply[1], time.monotonic())


async def channel_sends(client: AsyncRespClient, sender: Sender, queue: Queue) -> None:
    while True:
        await rest_until(client, lambda: queue.pending() <= ENOUGH_PENDING)
        message = sender.message()
        queue.push(message)
        client.send("CHANNEL.SEND", LAYER, queue.name, message)
        await answer(client)
        queue.acknowledge(message, time.monotonic())


async def channel_receives(client: AsyncRespClient, rng: random.Random, queue: Queue) -> None:
    while True:
        words = ("BLOCK", 50) if rng.random() < 0.5 else ()
        queue.unanswered += 1
        client.send("CHANNEL.RECEIVE", LAYER, queue.name, *words)
        reply = await answer(client)
        queue.unanswered -= 1
        if not isinstance(reply, Null):
            queue.pop(reply[1], time.monotonic())


async def group_sends(
    client: AsyncRespClient, sender: Sender, group: bytes, queues: list[Queue], mailbox: Mailbox
) -> None:
    """To general channels and a channel of the mailbox at once."""
    while True:
        await rest_until(client, lambda: max(queue.pending() for queue in queues) <= ENOUGH_PENDING)
        message = sender.message()
        for queue in queues:
            queue.push(message)
        mailbox.send(message)
        client.send("GROUP.SEND", LAYER, group, message)
        reply = await answer(client)
        if reply != [len(queues) + 1, 0]:
            raise Refused(f"GROUP.SEND answered {reply}")
        moment = time.monotonic()
        for queue in queues:
            queue.acknowledge(message, moment)
        mailbox.acknowledge(message, moment)


async def mailbox_sends(client: AsyncRespClient, sender: Sender, mailbox: Mailbox) -> None:
    channel = mailbox.name + b"a"
    while True:
        await rest_until(client, lambda: mailbox.outstanding() <= ENOUGH_PENDING)
        message = sender.message()
        mailbox.send(message)
        client.send("CHANNEL.SEND", LAYER, channel, message)
        await answer(client)
        mailbox.acknowledge(message, time.monotonic())


def take_event(mailbox: Mailbox, push: Push) -> bytes | None:
    """Notes an event of the mailbox; its message, if it is one."""
    kind, epoch, number, *rest = push
    mailbox.event(epoch, number)
    if kind not in (b"channel-message", b"group-message"):
        return None
    return rest[1]


async def mailbox_receives(client: AsyncRespClient, rng: random.Random, mailbox: Mailbox) -> None:
    """The connection has opened the mailbox."""
    while True:
        for _ in range(rng.randint(1, 15)):
            push = await client.read()
            if not isinstance(push, Push):
                if isinstance(push, Error):
                    raise Refused(push.text)
                continue  # the reply to an acknowledgement
            message = take_event(mailbox, push)
            if message is not None:
                mailbox.receive(message, time.monotonic())
        consumed = mailbox.received_in_epoch
        words = ("EPOCH", mailbox.epoch)
        client.send("MAILBOX.ACK", LAYER, mailbox.name, mailbox.number, consumed, *words)
