"""channels_chorale when connections break, the broker dies, or processes do."""

import asyncio
import random
import signal
import time
from collections import Counter

import pytest
import pytest_asyncio

from channels_chorale import ChoraleChannelLayer, ConnectionLost
from support.cutting_proxy import CuttingProxy
from support.layer_process import LayerProcess
from support.layers import receive
from support.observe import info_number
from support.waiting import scaled, wait_until_async

pytestmark = pytest.mark.chorale_only


@pytest_asyncio.fixture
async def make_layer(server):
    layers = []

    def make(**options):
        options.setdefault("hosts", [server.url()])
        layers.append(ChoraleChannelLayer(**options))
        return layers[-1]

    yield make
    for layer in layers:
        await layer.close_pools()


@pytest_asyncio.fixture
async def start_process(server):
    """Starts processes of an application; kills them at the end."""
    processes = []

    async def start(group, count, **config):
        config.setdefault("hosts", [server.url()])
        processes.append(await LayerProcess.start(config, group, count))
        return processes[-1]

    yield start
    for process in processes:
        await process.kill()


@pytest.mark.slow
@pytest.mark.sanitizer
@pytest.mark.timeout(300)
async def test_consumers_outlive_a_broker_that_is_killed_under_load(
    server, make_layer, start_process
):
    processes = await asyncio.gather(*(start_process("room", 50) for _ in range(4)))
    channels = [channel for process in processes for channel in process.channels]
    sender = make_layer()
    rng = random.Random(31)
    number = 0
    sent: dict[str, set[int]] = {channel: set() for channel in channels}  # acknowledged
    stop = asyncio.Event()

    async def send_one():
        """To the group, or to a channel; what is acknowledged is noted for whom it was."""
        nonlocal number
        number += 1
        mine = number
        try:
            if rng.random() < 0.5:
                reached = await sender.group_send("room", {"type": "chat", "number": mine})
                return mine, channels if reached == (200, 0) else []
            channel = rng.choice(channels)
            await sender.send(channel, {"type": "note", "number": mine})
        except ConnectionLost:  # its outcome is unknown
            return mine, []
        return mine, [channel]

    async def load():
        while not stop.is_set():
            await send_one()
            await asyncio.sleep(0.001)

    loading = [asyncio.create_task(load()) for _ in range(4)]
    await wait_until_async(lambda: number > 200, 30)
    for restart in range(1, 4):
        before = number
        server.kill()
        server.start()
        for process in processes:
            await process.event("reconnected", restart)
        await wait_until_async(lambda before=before: number > before + 200, 30)
    stop.set()
    await asyncio.gather(*loading)

    # All have reconnected: from here on everything that is acknowledged arrives.
    for _ in range(100):
        mine, receivers = await send_one()
        assert receivers
        for channel in receivers:
            sent[channel].add(mine)

    async def all_arrived() -> bool:
        reports = [await process.report() for process in processes]
        received = {channel: numbers for report in reports for channel, numbers in report.items()}
        twice = [numbers for numbers in received.values() if max(Counter(numbers).values()) > 1]
        assert not twice
        return all(sent[channel] <= set(received.get(channel, ())) for channel in channels)

    end = time.monotonic() + scaled(30)
    while not await all_arrived():
        assert time.monotonic() < end, "messages that were acknowledged have not arrived"
        await asyncio.sleep(0.1)
    assert all(process.count("gap") == 3 for process in processes)


@pytest.mark.slow
@pytest.mark.sanitizer
@pytest.mark.timeout(300)
@pytest.mark.parametrize("capacity_scope", ["mailbox", "channel"])
async def test_50_cut_connections_during_20000_group_messages_lose_nothing(
    server, make_layer, capacity_scope
):
    messages, cuts = 20_000, 50
    rng = random.Random(32)
    options = {"capacity": messages, "capacity_scope": capacity_scope}
    gaps = []
    async with CuttingProxy(server.address) as proxy:
        receivers = [make_layer(hosts=[proxy.url], on_gap=gaps.append, **options) for _ in range(3)]
        sender = make_layer(**options)
        received: dict[str, list[int]] = {}

        async def consume(layer, channel):
            numbers = received[channel] = []
            while len(numbers) < messages:
                numbers.append((await layer.receive(channel))["number"])

        consumers = []
        for layer in receivers:
            for _ in range(2):
                channel = await layer.new_channel()
                await layer.group_add("room", channel)
                consumers.append(asyncio.create_task(consume(layer, channel)))

        sent = allowed = 0

        def may_send():
            return sent < allowed

        async def send():
            nonlocal sent
            while sent < messages:
                await wait_until_async(may_send, 60)
                batch = range(sent, min(sent + 20, messages))
                replies = await asyncio.gather(
                    *(sender.group_send("room", {"type": "chat", "number": n}) for n in batch)
                )
                assert all(reply == (len(consumers), 0) for reply in replies)
                sent += len(batch)

        sending = asyncio.create_task(send())
        for cut in range(1, cuts + 1):
            # In the midst of that share of the messages, with all receivers connected.
            middle = allowed + messages // (cuts + 1) // 2
            allowed = cut * messages // (cuts + 1)
            await wait_until_async(
                lambda middle=middle: sent >= middle and proxy.connections == len(receivers), 60
            )
            for _ in range(rng.randrange(5)):
                await asyncio.sleep(0)
            proxy.cut()
        allowed = messages
        await sending
        await asyncio.wait_for(asyncio.gather(*consumers), scaled(60))
        assert proxy.accepted >= cuts * len(receivers)
        assert gaps == []
        for numbers in received.values():
            assert len(set(numbers)) == messages
            assert first_out_of_order(numbers) is None
        health = [layer.health() for layer in receivers]
        assert all(each.gaps == 0 for each in health)
        assert all(each.resumed > 0 for each in health)
        assert sum(each.resumed for each in health) < 3 * messages


def first_out_of_order(numbers: list[int]) -> list[int] | None:
    wrong = (i for i, number in enumerate(numbers) if number != i)
    return next((numbers[max(0, i - 3) : i + 4] for i in wrong), None)


@pytest.mark.sanitizer
async def test_what_is_sent_while_a_connection_is_cut_arrives_and_is_counted(server, make_layer):
    events = []
    async with CuttingProxy(server.address) as proxy:
        layer = make_layer(
            hosts=[proxy.url],
            on_disconnect=lambda host: events.append(("disconnect", host)),
            on_reconnect=lambda host: events.append(("reconnect", host)),
            on_gap=lambda host: events.append(("gap", host)),
        )
        sender = make_layer()
        channel = await layer.new_channel()
        await layer.group_add("room", channel)
        before = layer.health()
        assert before.connected
        assert before.since is not None
        with proxy.refusing():
            await wait_until_async(lambda: events)
            assert not layer.health().connected
            assert layer.health().since is None
            await sender.group_send("room", {"type": "chat", "number": 1})
            await sender.send(channel, {"type": "note", "number": 2})
        assert [(await receive(layer, channel))["number"] for _ in range(2)] == [1, 2]
        await wait_until_async(lambda: layer.health().resumed == 2 and layer.health().connected)
        health = layer.health()
        assert health.connected
        assert health.since > before.since
        assert health.gaps == 0
        host = f"127.0.0.1:{proxy.port}"
        assert events == [("disconnect", host), ("reconnect", host)]


@pytest.mark.sanitizer
async def test_a_restarted_broker_is_a_gap_and_the_memberships_come_back(server, make_layer):
    gaps = []

    async def on_gap(host):
        gaps.append(host)

    layer, other = make_layer(on_gap=on_gap), make_layer()
    channels = [await layer.new_channel() for _ in range(3)]
    for channel in channels:
        await layer.group_add("room", channel)
    # The owner keeps what others have added, too, once it has heard of it.
    await other.group_add("another", channels[0])
    await other.group_send("another", {"type": "chat"})
    await receive(layer, channels[0])
    await layer.group_discard("room", channels[2])
    waiting = [asyncio.create_task(receive(layer, channel)) for channel in channels[:2]]
    server.kill()
    server.start()
    await wait_until_async(lambda: gaps)
    assert gaps == [f"127.0.0.1:{server.port}"]
    assert layer.health().gaps == 1
    assert sorted(await other.group_channels("room")) == sorted(channels[:2])
    assert await other.group_channels("another") == channels[:1]
    assert await other.group_send("room", {"type": "chat"}) == (2, 0)
    assert await asyncio.gather(*waiting) == [{"type": "chat"}] * 2


@pytest.mark.sanitizer
async def test_memberships_come_back_however_often_the_connection_breaks_meanwhile(
    server, make_layer
):
    rng = random.Random(33)
    groups = [f"room{number}" for number in range(200)]
    gaps = []
    async with CuttingProxy(server.address) as proxy:
        layer, other = make_layer(hosts=[proxy.url], on_gap=gaps.append), make_layer()
        channel = await layer.new_channel()
        await asyncio.gather(*(layer.group_add(group, channel) for group in groups))
        for restart in range(1, 6):
            accepted = proxy.accepted
            server.kill()
            server.start()
            for _ in range(3):
                await wait_until_async(lambda seen=accepted: proxy.accepted > seen)
                accepted = proxy.accepted
                for _ in range(rng.randrange(60)):
                    await asyncio.sleep(0)
                proxy.cut()
            await wait_until_async(lambda n=restart: len(gaps) >= n and layer.health().connected)
            assert await other.groups() == sorted(groups)
    assert len(gaps) == 5


async def test_a_connection_can_be_closed_while_a_command_waits_for_the_broker(server, make_layer):
    layer = make_layer()
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    server.kill()
    discarding = asyncio.create_task(layer.group_discard("room", channel))
    await wait_until_async(lambda: not layer.health().connected)
    await asyncio.wait_for(layer.close_pools(), scaled(5))
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(discarding, scaled(5))
    server.start()


async def test_a_receive_that_waits_goes_on_when_the_connections_are_closed(make_layer):
    layer, sender = make_layer(), make_layer()
    channel = await layer.new_channel()
    waiting = [asyncio.create_task(receive(layer, name)) for name in (channel, "tasks")]
    await layer.group_add("room", channel)
    await layer.close_pools()
    await sender.group_send("room", {"type": "chat"})
    await sender.send("tasks", {"type": "work"})
    assert await asyncio.gather(*waiting) == [{"type": "chat"}, {"type": "work"}]


def test_a_process_ends_although_the_broker_hangs(server):
    layer = ChoraleChannelLayer(hosts=[server.url()])

    async def work():
        asyncio.ensure_future(layer.receive("tasks"))
        await layer.new_channel()
        await layer.send("other", {"type": "work"})
        with server.connect() as raw:
            await wait_until_async(lambda: info_number(raw, "clients", "blocked_clients") == 1)
        server.signal(signal.SIGSTOP)

    start = time.monotonic()
    try:
        asyncio.run(work())
        assert time.monotonic() - start < scaled(10)
    finally:
        server.signal(signal.SIGCONT)


async def test_a_worker_goes_on_after_the_broker_was_restarted(server, make_layer):
    worker, sender = make_layer(), make_layer()
    waiting = asyncio.create_task(receive(worker, "tasks", 30))
    await sender.send("other", {"type": "work"})
    server.kill()
    server.start()
    await sender.send("tasks", {"type": "work", "number": 1})
    assert (await waiting)["number"] == 1


async def test_a_sender_waits_for_a_broker_that_is_away(server, make_layer):
    layer = make_layer()
    await layer.send("tasks", {"type": "work", "number": 0})
    server.kill()
    waiting = [
        asyncio.create_task(layer.send("tasks", {"type": "work", "number": 1})),
        asyncio.create_task(layer.group_add("room", "tasks")),
        asyncio.create_task(layer.group_count("room")),
    ]
    done, _ = await asyncio.wait(waiting, timeout=0.3)
    # A command that was under way when the connection ended may fail; no other does.
    assert all(isinstance(task.exception(), ConnectionLost) for task in done)
    server.start()
    await asyncio.gather(*waiting, return_exceptions=True)
    await layer.send("tasks", {"type": "work", "number": 2})
    numbers = [(await receive(layer, "tasks"))["number"]]
    while numbers[-1] != 2:
        numbers.append((await receive(layer, "tasks"))["number"])
    assert 0 not in numbers  # it was in memory only


async def test_a_broker_that_stays_away_is_an_error_after_a_bounded_wait(make_layer, monkeypatch):
    monkeypatch.setattr("channels_chorale.loops.PATIENCE", 0.2)
    layer = make_layer(hosts=["redis://127.0.0.1:1"])
    for call in (
        lambda: layer.send("tasks", {"type": "work"}),
        lambda: layer.group_send("room", {"type": "chat"}),
        lambda: layer.group_add("room", "tasks"),
        lambda: layer.stats(),
    ):
        with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:1 is away: .*Errno 111"):
            await asyncio.wait_for(call(), scaled(5))
    assert not layer.health().connected


@pytest.mark.slow
@pytest.mark.sanitizer
async def test_a_killed_process_leaves_no_member_behind_and_a_live_one_stays(
    make_layer, start_process
):
    grace = 1.0
    living = await start_process("room", 5, grace=grace)
    dying = await start_process("room", 5, grace=grace)
    layer = make_layer(grace=grace)
    assert await layer.group_count("room") == 10
    await dying.kill()
    end = time.monotonic() + 2 * grace + 0.5
    counts = set()
    while time.monotonic() < end or 10 in counts:
        assert time.monotonic() < end + scaled(10)
        await asyncio.sleep(0.05)
        counts = {await layer.group_count("room")}
        assert counts <= {5, 10}
    assert sorted(await layer.group_channels("room")) == sorted(living.channels)
    assert await layer.group_send("room", {"type": "chat", "number": 1}) == (5, 0)

    async def received() -> bool:
        return await living.report() == {channel: [1] for channel in living.channels}

    while not await received():
        assert time.monotonic() < end + scaled(20)
        await asyncio.sleep(0.05)


async def test_a_member_that_nobody_receives_from_yet_stays_while_its_process_lives(make_layer):
    layer = make_layer(grace=0.3)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        assert await layer.group_count("room") == 1
        await asyncio.sleep(0.1)
    await layer.group_send("room", {"type": "chat"})
    assert await receive(layer, channel) == {"type": "chat"}


async def test_a_mailbox_that_another_connection_has_taken_does_not_come_back(server, make_layer):
    """The newer one wins: otherwise the two would take it from each other for ever."""
    layer = make_layer()
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    with server.connect(protocol=3) as thief:
        thief.ok("MAILBOX.OPEN", "asgi", channel.split("!")[0] + "!")
        await layer.send(channel, {"type": "note"})
        push = thief.read_push()
        while push[0] != b"channel-message":
            push = thief.read_push()
        assert push[3] == channel.encode()
