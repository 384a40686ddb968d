"""channels_redis's pub/sub layer, unmodified, on the server."""

import asyncio

import pytest
import pytest_asyncio
from channels_redis.pubsub import RedisPubSubChannelLayer
from cryptography.fernet import InvalidToken

from support.layers import nothing_arrives, receive, receive_all
from support.waiting import wait_until_async


@pytest_asyncio.fixture
async def make_layer(server):
    """Builds layers on the test's server (or on other hosts) and closes them."""
    layers = []

    def make(**options):
        options.setdefault("hosts", [server.url()])
        layers.append(RedisPubSubChannelLayer(**options))
        return layers[-1]

    yield make
    for layer in layers:
        await layer.flush()


@pytest_asyncio.fixture
async def layer(make_layer):
    return make_layer()


async def subscribed(raw, count):
    """Waits until the server knows that many subscriptions."""
    await wait_until_async(
        lambda: len(raw.command("PUBSUB", "CHANNELS")) == count, what=f"{count} subscriptions"
    )


@pytest.mark.sanitizer
async def test_a_message_reaches_the_channel_of_another_process(make_layer):
    here, there = make_layer(), make_layer()
    channel = await here.new_channel()
    await there.send(channel, {"type": "greeting", "payload": b"\x00\xff"})
    assert await receive(here, channel) == {"type": "greeting", "payload": b"\x00\xff"}


@pytest.mark.sanitizer
async def test_messages_arrive_in_the_order_they_were_sent(make_layer):
    here, there = make_layer(), make_layer()
    channel = await here.new_channel()
    for number in range(200):
        await there.send(channel, {"type": "work", "number": number})
    messages = await receive_all(here, channel, 200)
    assert [message["number"] for message in messages] == list(range(200))


@pytest.mark.sanitizer
async def test_a_group_send_reaches_members_in_every_process(make_layer):
    layers = [make_layer() for _ in range(3)]
    members = [(layer, await layer.new_channel()) for layer in layers for _ in range(4)]
    for layer, channel in members:
        await layer.group_add("room", channel)
    await layers[0].group_send("room", {"type": "chat", "text": "hello all"})
    received = await asyncio.gather(*(receive(layer, channel) for layer, channel in members))
    assert received == [{"type": "chat", "text": "hello all"}] * len(members)


async def test_a_discarded_member_receives_nothing_more(layer):
    staying, leaving = await layer.new_channel(), await layer.new_channel()
    for channel in (staying, leaving):
        await layer.group_add("room", channel)
    await layer.group_discard("room", leaving)
    await layer.group_send("room", {"type": "chat"})
    assert (await receive(layer, staying))["type"] == "chat"
    assert await nothing_arrives(layer, leaving)


@pytest.mark.sanitizer
async def test_a_cancelled_consumer_unsubscribes_its_channel(layer, server):
    with server.connect() as raw:
        channel = await layer.new_channel()
        await subscribed(raw, 1)
        waiting = asyncio.ensure_future(layer.receive(channel))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await subscribed(raw, 0)


async def test_a_flush_forgets_every_subscription_and_the_layer_works_on(layer, server):
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    with server.connect() as raw:
        await subscribed(raw, 2)
        await layer.flush()
        await subscribed(raw, 0)
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "again"})
    assert (await receive(layer, channel))["type"] == "again"


@pytest.mark.sanitizer
async def test_encrypted_messages_are_unreadable_without_the_key(make_layer):
    reader = make_layer(symmetric_encryption_keys=["new key", "old key"])
    stranger = make_layer(symmetric_encryption_keys=["another key"])
    writer = make_layer(symmetric_encryption_keys=["old key"])
    channel, strange_channel = await reader.new_channel(), await stranger.new_channel()
    await writer.send(channel, {"type": "secret"})
    assert (await receive(reader, channel))["type"] == "secret"
    await writer.send(strange_channel, {"type": "secret"})
    with pytest.raises(InvalidToken):
        await receive(stranger, strange_channel)


async def test_several_hosts_share_channels_and_groups(make_layer, server, server_factory):
    second = server_factory()
    hosts = [server.url(), second.url()]
    sender, receiver = make_layer(hosts=hosts), make_layer(hosts=hosts)
    channels = [await receiver.new_channel() for _ in range(16)]
    for number, channel in enumerate(channels):
        await receiver.group_add(f"room{number}", channel)
    with server.connect() as first_raw, second.connect() as second_raw:
        assert len(first_raw.command("PUBSUB", "CHANNELS")) > 0
        assert len(second_raw.command("PUBSUB", "CHANNELS")) > 0
    for number, channel in enumerate(channels):
        await sender.send(channel, {"type": "direct"})
        assert (await receive(receiver, channel))["type"] == "direct"
        await sender.group_send(f"room{number}", {"type": "chat"})
        assert (await receive(receiver, channel))["type"] == "chat"


@pytest.mark.sanitizer
async def test_a_password_in_the_url_is_used(make_layer, server_factory):
    layer = make_layer(hosts=[server_factory(requirepass="p4ssword").url()])
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "work"})
    assert (await receive(layer, channel))["type"] == "work"


@pytest.mark.sanitizer
async def test_a_unix_socket_is_used(make_layer, server_factory, tmp_path):
    path = tmp_path / "server.sock"
    server_factory(unixsocket=path)
    layer = make_layer(hosts=[f"unix://{path}"])
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await layer.group_send("room", {"type": "chat"})
    assert (await receive(layer, channel))["type"] == "chat"


@pytest.mark.slow
async def test_a_consumer_that_waits_12_seconds_then_receives(layer):
    channel = await layer.new_channel()
    waiting = asyncio.create_task(layer.receive(channel))
    done, _ = await asyncio.wait([waiting], timeout=12)
    assert not done, waiting.exception()
    await layer.send(channel, {"type": "work"})
    assert (await asyncio.wait_for(waiting, 5))["type"] == "work"
