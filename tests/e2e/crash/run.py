"""One broker that is loaded, killed, started again and judged, over and over."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable

from differential.state import read_state
from support.async_resp import AsyncRespClient
from support.resp import Null, Push, RespClient
from support.server import Server

from . import workloads
from .history import Counter, Crash, Log, Recovered, unknown_keys
from .messages import Mailbox, Queue
from .values import entry_read, expired_meanwhile
from .workloads import LAYER, Sender, take_event

GROUP = b"group"
SENTINEL = b"sentinel"
# So many of the kills are followed by others while the broker reads its data.
AGAIN_SHARE = 0.4


def logs(*stems: str, each: int = 1) -> list[Log]:
    """A log for each key."""
    return [Log((f"{stem}:{n}".encode(),)) for stem in stems for n in range(each)]


def log_of(*names: str) -> list[Log]:
    """One log that all these keys share."""
    return [Log(tuple(name.encode() for name in names))]


class CrashTest:
    """Owned by one thread. `allowance` is how many seconds of writes a crash may take."""

    def __init__(self, server: Server, seed: int, allowance: float) -> None:
        self.server = server
        self.rng = random.Random(seed)
        self.allowance = allowance
        self.promised = 0
        rng = self.rng
        self.writers = [
            workloads.Strings(rng, logs("string", each=20)),
            workloads.Strings(rng, logs("text", each=5)),
            workloads.Expiries(rng, logs("expiring", each=20)),
            workloads.Collections(rng, logs("hash", "set", "zset", each=2)),
            workloads.Lists(rng, logs("list", each=3)),
            workloads.Moves(rng, log_of("moves:a", "moves:b") + log_of("rename:a", "rename:b")),
            workloads.Transactions(rng, log_of(*(f"transaction:{n}" for n in range(4)))),
            workloads.Transactions(rng, log_of(*(f"other transaction:{n}" for n in range(4)))),
            workloads.ManyKeys(rng, log_of(*(f"many:{n}" for n in range(8)))),
            workloads.Scripts(rng, log_of("script:a", "script:b")),
            workloads.Databases(rng, log_of("7/key", "8/key")),
        ]
        self.counters = [Counter(f"counter:{n}".encode()) for n in range(3)]
        self.queues = [Queue(b"queue:0"), Queue(b"queue:1")]
        self.sorted_queue = Queue(b"sorted queue", in_order=False)
        self.channels = [Queue(b"jobs"), Queue(b"mails")]
        self.mailbox = Mailbox(b"p.owner!", keeps_epoch=allowance == 0)
        names = ("l0", "l1", "l2", "s0", "c0", "c1", "g0", "m0")
        self.senders = {name: Sender(name.encode(), rng) for name in names}

    # ---- one life and its end ----

    def prepare(self) -> None:
        """What the load takes for granted. To be called once, before the first life."""
        if self.server.is_redis:
            return
        with self.server.connect(protocol=3) as client:
            client.ok("LAYER.SET", LAYER, "EXPIRY", 100_000, "GRACE", 100_000, "CAPACITY", 10**9)
            members = [queue.name for queue in self.channels] + [self.mailbox.name + b"b"]
            client.ok("GROUP.ADD", LAYER, GROUP, *members)
            reply = client.ok("MAILBOX.OPEN", LAYER, self.mailbox.name)
            self.mailbox.epoch, self.mailbox.number = reply
            self._read_events(client)
            client.ok("SAVE")

    def live(self, seconds: float) -> Crash:
        """Loads the broker for so long and kills it."""
        return asyncio.run(self._live(seconds))

    async def _live(self, seconds: float) -> Crash:
        tasks = []
        for work in self._work():
            client = await AsyncRespClient.connect(self.server.address)
            tasks.append(asyncio.ensure_future(_until_cut(work, client)))
        done, _ = await asyncio.wait(tasks, timeout=seconds)
        crash = Crash(time.monotonic(), self.allowance)
        self.server.signal(signal.SIGKILL)
        for task in done:
            task.result()
        assert not done, "a connection was cut before the kill"
        await asyncio.gather(*tasks)
        self.server.kill()
        return crash

    def _work(self) -> list[Callable[[AsyncRespClient], Awaitable[None]]]:
        rng, senders = self.rng, self.senders
        work: list[Callable[[AsyncRespClient], Awaitable[None]]] = []
        work += [writer.run for writer in self.writers]
        work += [lambda client: workloads.increments(client, rng, self.counters)] * 3
        for name, queue in (("l0", 0), ("l1", 0), ("l2", 1)):
            work.append(
                lambda client, name=name, queue=queue: workloads.list_pushes(
                    client, senders[name], self.queues[queue]
                )
            )
        for queue in self.queues:
            pops = lambda client, queue=queue: workloads.list_pops(client, rng, queue)  # noqa: E731
            work += [pops, pops]
        work.append(lambda c: workloads.sorted_pushes(c, senders["s0"], self.sorted_queue))
        work.append(lambda c: workloads.sorted_pops(c, rng, self.sorted_queue))
        work.append(self._operator)
        if not self.server.is_redis:
            work += self._native_work()
        return work

    def _native_work(self) -> list[Callable[[AsyncRespClient], Awaitable[None]]]:
        rng, senders, (jobs, mails) = self.rng, self.senders, self.channels
        return [
            lambda c: workloads.channel_sends(c, senders["c0"], jobs),
            lambda c: workloads.channel_sends(c, senders["c1"], mails),
            lambda c: workloads.channel_receives(c, rng, jobs),
            lambda c: workloads.channel_receives(c, rng, mails),
            lambda c: workloads.group_sends(c, senders["g0"], GROUP, self.channels, self.mailbox),
            lambda c: workloads.mailbox_sends(c, senders["m0"], self.mailbox),
            self._own_mailbox,
        ]

    async def _operator(self, client: AsyncRespClient) -> None:
        while True:
            moment = time.monotonic() + self.rng.uniform(0.1, 0.6)
            await workloads.rest_until(client, lambda moment=moment: time.monotonic() >= moment)
            await client.command("BGSAVE")

    async def _own_mailbox(self, client: AsyncRespClient) -> None:
        await client.command("HELLO", 3)
        words = ("RESUME", self.mailbox.epoch, self.mailbox.number)
        reply = await client.command("MAILBOX.OPEN", LAYER, self.mailbox.name, *words)
        assert reply == [self.mailbox.epoch, self.mailbox.number], reply
        await workloads.mailbox_receives(client, self.rng, self.mailbox)

    # ---- after the kill ----

    def start_again(self) -> None:
        """Some of the starts are cut short by another kill."""
        while self.rng.random() < AGAIN_SHARE:
            self.server.launch()
            time.sleep(self.rng.uniform(0, 0.1))  # any instant of the start
            self.server.kill()
        self.server.start()

    def judge(self, crash: Crash) -> list[str]:
        """What is wrong with what the broker holds; every history begins anew with it."""
        with self.server.connect(deadline=60) as client:
            began = int(time.time() * 1000)
            state = read_state(client, 16)
            recovered = Recovered(
                {
                    (b"%d/%b" % (database, key) if database else key): entry_read(*row)
                    for (database, key), row in state.items()
                    if not expired_meanwhile(*row)
                },
                began,
                int(time.time() * 1000),
            )
        every_log = [log for writer in self.writers for log in writer.logs]
        every_queue = [*self.queues, self.sorted_queue]
        names = [name for log in every_log for name in log.names]
        names += [counter.name for counter in self.counters]
        names += [queue.name for queue in every_queue]
        problems = unknown_keys(recovered, names)
        for judged in (*every_log, *self.counters):
            self.promised += judged.promised(crash)
            problems += judged.judge(crash, recovered)
        for queue in every_queue:
            entry = recovered.keys.get(queue.name)
            self.promised += queue.promised(crash)
            problems += queue.judge(crash, list(entry.content) if entry else [])
        if not self.server.is_redis:
            problems += self._judge_channels(crash) + self._judge_mailbox(crash)
        return problems

    def _judge_channels(self, crash: Crash) -> list[str]:
        problems = []
        with self.server.connect(deadline=60) as client:
            for queue in self.channels:
                length = client.ok("CHANNEL.LEN", LAYER, queue.name)
                drained = []
                while not isinstance(
                    reply := client.ok("CHANNEL.RECEIVE", LAYER, queue.name), Null
                ):
                    drained.append((reply[1], time.monotonic()))
                self.promised += queue.promised(crash)
                problems += queue.judge(crash, [message for message, _ in drained])
                if length != len(drained):
                    problems.append(f"{queue.name!r} said {length} and had {len(drained)} messages")
                for message, moment in drained:
                    queue.pop(message, moment)
        return problems

    def _judge_mailbox(self, crash: Crash) -> list[str]:
        mailbox = self.mailbox
        with self.server.connect(protocol=3, deadline=60) as client:
            words = ("RESUME", mailbox.epoch, mailbox.number)
            epoch, number = client.ok("MAILBOX.OPEN", LAYER, mailbox.name, *words)
            mailbox.opened(epoch, number, crash)
            self.promised += mailbox.promised(crash)
            self._read_events(client)
            return mailbox.judge(crash)

    def _read_events(self, client: RespClient) -> None:
        """All that are there: a last message of our own comes after them."""
        mailbox = self.mailbox
        client.ok("CHANNEL.SEND", LAYER, mailbox.name + b"z", SENTINEL)
        while True:
            push = client.read_push()
            assert isinstance(push, Push)
            message = take_event(mailbox, push)
            if message == SENTINEL:
                break
            if message is not None:
                mailbox.receive(message, time.monotonic())
        mailbox.received_in_epoch += 1
        consumed = mailbox.received_in_epoch
        client.ok("MAILBOX.ACK", LAYER, mailbox.name, mailbox.number, consumed)


async def _until_cut(
    work: Callable[[AsyncRespClient], Awaitable[None]], client: AsyncRespClient
) -> None:
    with contextlib.suppress(ConnectionError):
        await work(client)
