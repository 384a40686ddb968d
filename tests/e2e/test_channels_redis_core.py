"""channels_redis's core layer, unmodified, on the server: what a Django Channels project uses.

The same file runs with redis-py 8 (RESP3), 7 and 5 (RESP2); see test_redis_py_versions.py.
"""

import asyncio
import json

import pytest
import pytest_asyncio
from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from cryptography.fernet import InvalidToken

from support.layers import nothing_arrives, receive, receive_all
from support.resp import RespClient
from support.waiting import wait_until_async


@pytest_asyncio.fixture
async def make_layer(server):
    """Builds layers on the test's server (or on other hosts) and closes them."""
    layers = []

    def make(**options):
        options.setdefault("hosts", [server.url()])
        layers.append(RedisChannelLayer(**options))
        return layers[-1]

    yield make
    for layer in layers:
        await layer.close_pools()


@pytest_asyncio.fixture
async def layer(make_layer):
    return make_layer()


@pytest.mark.sanitizer
async def test_a_message_sent_to_a_general_channel_is_received(layer):
    await layer.send("tasks", {"type": "work", "payload": b"\x00\xff", "count": 3})
    assert await receive(layer, "tasks") == {"type": "work", "payload": b"\x00\xff", "count": 3}


@pytest.mark.sanitizer
async def test_messages_arrive_in_the_order_they_were_sent(layer):
    for number in range(50):
        await layer.send("tasks", {"type": "work", "number": number})
    messages = await receive_all(layer, "tasks", 50)
    assert [message["number"] for message in messages] == list(range(50))


@pytest.mark.sanitizer
async def test_a_waiting_consumer_gets_what_another_process_sends(make_layer):
    here, there = make_layer(), make_layer()
    channel = await here.new_channel()
    waiting = asyncio.create_task(receive(here, channel))
    await there.send(channel, {"type": "greeting", "text": "hello"})
    assert await waiting == {"type": "greeting", "text": "hello"}


@pytest.mark.sanitizer
async def test_channels_of_one_process_keep_their_messages_apart(layer):
    channels = [await layer.new_channel() for _ in range(20)]
    waiting = [asyncio.create_task(receive(layer, channel)) for channel in channels]
    for channel in reversed(channels):
        await layer.send(channel, {"type": "note", "to": channel})
    for channel, message in zip(channels, await asyncio.gather(*waiting), strict=True):
        assert message["to"] == channel


async def test_a_channel_of_another_process_cannot_be_received(make_layer):
    here, there = make_layer(), make_layer()
    with pytest.raises(AssertionError, match="Wrong client prefix"):
        await there.receive(await here.new_channel())


@pytest.mark.sanitizer
async def test_a_full_channel_refuses_messages_until_one_is_received(make_layer):
    layer = make_layer(capacity=3)
    for number in range(3):
        await layer.send("tasks", {"type": "work", "number": number})
    with pytest.raises(ChannelFull):
        await layer.send("tasks", {"type": "work", "number": 3})
    assert (await receive(layer, "tasks"))["number"] == 0
    await layer.send("tasks", {"type": "work", "number": 4})
    messages = await receive_all(layer, "tasks", 3)
    assert [message["number"] for message in messages] == [1, 2, 4]


async def test_a_capacity_can_be_set_per_channel_pattern(make_layer):
    layer = make_layer(capacity=1, channel_capacity={"bulk.*": 5})
    for _ in range(5):
        await layer.send("bulk.import", {"type": "work"})
    with pytest.raises(ChannelFull):
        await layer.send("bulk.import", {"type": "work"})
    await layer.send("tasks", {"type": "work"})
    with pytest.raises(ChannelFull):
        await layer.send("tasks", {"type": "work"})


@pytest.mark.sanitizer
async def test_a_message_expires(make_layer, server):
    layer = make_layer(expiry=1)
    await layer.send("tasks", {"type": "work"})
    with server.connect() as raw:
        assert raw.command("ZCARD", "asgitasks") == 1
        await wait_until_async(lambda: raw.command("EXISTS", "asgitasks") == 0, what="expiry")
    assert await nothing_arrives(layer, "tasks")


async def test_expired_messages_make_room_in_a_full_channel(make_layer, server):
    layer = make_layer(expiry=60, capacity=1)
    with server.connect() as raw:
        # A leftover of another process, older than the expiry, in a queue that is still used.
        raw.ok("ZADD", "asgitasks", 1000.5, "stale")
        await layer.send("tasks", {"type": "fresh"})
        assert raw.command("ZCARD", "asgitasks") == 1
    assert (await receive(layer, "tasks"))["type"] == "fresh"


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
    await layer.group_add("room", staying)
    await layer.group_add("room", leaving)
    await layer.group_discard("room", leaving)
    await layer.group_send("room", {"type": "chat"})
    assert (await receive(layer, staying))["type"] == "chat"
    assert await nothing_arrives(layer, leaving)


async def test_a_group_without_members_swallows_messages(layer):
    await layer.group_send("nobody", {"type": "chat"})


@pytest.mark.sanitizer
async def test_group_memberships_expire(make_layer, server):
    layer = make_layer(group_expiry=1)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    with server.connect() as raw:
        assert raw.command("ZCARD", "asgi:group:room") == 1
        await wait_until_async(lambda: raw.command("EXISTS", "asgi:group:room") == 0, what="expiry")
    await layer.group_send("room", {"type": "chat"})
    assert await nothing_arrives(layer, channel)


@pytest.mark.sanitizer
async def test_a_group_send_skips_full_members_and_reaches_the_others(make_layer):
    layer, full_layer = make_layer(capacity=2), make_layer(capacity=2)
    reached, full = await layer.new_channel(), await full_layer.new_channel()
    for channel in (reached, full):
        await layer.group_add("room", channel)
    for _ in range(2):
        await full_layer.send(full, {"type": "backlog"})
    await layer.group_send("room", {"type": "chat"})
    assert (await receive(layer, reached))["type"] == "chat"
    backlog = await receive_all(full_layer, full, 2)
    assert [message["type"] for message in backlog] == ["backlog", "backlog"]
    assert await nothing_arrives(full_layer, full)


async def test_a_flush_removes_this_prefix_and_no_other(make_layer):
    layer, other = make_layer(prefix="mine"), make_layer(prefix="yours")
    for each in (layer, other):
        await each.send("tasks", {"type": "work"})
        await each.group_add("room", await each.new_channel())
    await layer.flush()
    assert await nothing_arrives(layer, "tasks")
    assert (await receive(other, "tasks"))["type"] == "work"


async def test_a_flush_deletes_thousands_of_keys(make_layer, server):
    layer = make_layer(prefix="mine")
    with server.connect() as raw:
        raw.pipeline(("SET", f"mine:{number}", "x") for number in range(12_000))
        raw.ok("SET", "other", "x")
        await layer.flush()
        assert raw.command("DBSIZE") == 1


@pytest.mark.sanitizer
async def test_encrypted_messages_are_unreadable_without_the_key(make_layer, server):
    layer = make_layer(symmetric_encryption_keys=["new key", "old key"])
    reader_with_old_key = make_layer(symmetric_encryption_keys=["new key"])
    stranger = make_layer(symmetric_encryption_keys=["another key"])
    await layer.send("tasks", {"type": "secret", "text": "eyes only"})
    with server.connect() as raw:
        (stored,) = raw.command("ZRANGE", "asgitasks", 0, -1)
    assert b"eyes only" not in stored
    assert (await receive(reader_with_old_key, "tasks"))["text"] == "eyes only"
    await layer.send("tasks", {"type": "secret"})
    with pytest.raises(InvalidToken):
        await receive(stranger, "tasks")


async def test_an_old_encryption_key_still_reads(make_layer):
    writer = make_layer(symmetric_encryption_keys=["old key"])
    reader = make_layer(symmetric_encryption_keys=["new key", "old key"])
    await writer.send("tasks", {"type": "secret"})
    assert (await receive(reader, "tasks"))["type"] == "secret"


async def test_messages_can_be_json(make_layer, server):
    layer = make_layer(serializer_format="json")
    await layer.send("tasks", {"type": "work", "text": "näher"})
    with server.connect() as raw:
        (stored,) = raw.command("ZRANGE", "asgitasks", 0, -1)
    assert json.loads(stored[12:])["text"] == "näher"
    assert (await receive(layer, "tasks"))["text"] == "näher"


async def test_several_hosts_share_channels_and_groups(make_layer, server, server_factory):
    second = server_factory()
    hosts = [server.url(), second.url()]
    sender, receiver = make_layer(hosts=hosts), make_layer(hosts=hosts)
    for number in range(10):
        await sender.send("tasks", {"type": "work", "number": number})
    with server.connect() as first_raw, second.connect() as second_raw:
        assert first_raw.command("ZCARD", "asgitasks") == 5
        assert second_raw.command("ZCARD", "asgitasks") == 5
    numbers = [message["number"] for message in await receive_all(receiver, "tasks", 10)]
    assert sorted(numbers) == list(range(10))

    channel = await receiver.new_channel()
    groups = [f"room{number}" for number in range(16)]
    for group in groups:
        await receiver.group_add(group, channel)
    for group in groups:
        await sender.group_send(group, {"type": "chat", "group": group})
    messages = await receive_all(receiver, channel, len(groups))
    assert [message["group"] for message in messages] == groups
    with server.connect() as first_raw, second.connect() as second_raw:
        on_first = len(first_raw.command("KEYS", "asgi:group:*"))
        on_second = len(second_raw.command("KEYS", "asgi:group:*"))
    assert on_first + on_second == len(groups)
    assert min(on_first, on_second) > 0


@pytest.mark.sanitizer
async def test_a_password_in_the_url_is_used(make_layer, server_factory):
    secured = server_factory(requirepass="p4ssword")
    layer = make_layer(hosts=[secured.url()])
    await layer.send("tasks", {"type": "work"})
    assert (await receive(layer, "tasks"))["type"] == "work"
    intruder = make_layer(hosts=[f"redis://127.0.0.1:{secured.port}/0"])
    with pytest.raises(Exception, match="(?i)authenticat"):
        await intruder.send("tasks", {"type": "work"})


@pytest.mark.sanitizer
async def test_a_unix_socket_is_used(make_layer, server_factory, tmp_path):
    path = tmp_path / "server.sock"
    server_factory(unixsocket=path)
    layer = make_layer(hosts=[f"unix://{path}?db=2"])
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await layer.group_send("room", {"type": "chat"})
    assert (await receive(layer, channel))["type"] == "chat"
    await layer.send("tasks", {"type": "work"})
    with RespClient(str(path)) as raw:
        raw.ok("SELECT", 2)
        assert raw.command("EXISTS", "asgitasks") == 1


async def test_databases_are_separate_layers(make_layer, server):
    layers = [make_layer(hosts=[server.url(database)]) for database in range(10)]
    for number, layer in enumerate(layers):
        await layer.send("tasks", {"type": "work", "number": number})
    for number, layer in enumerate(layers):
        assert (await receive(layer, "tasks"))["number"] == number
        assert await nothing_arrives(layer, "tasks", 0.05)


def test_synchronous_code_sends_through_a_new_event_loop_each_time(server):
    layer = RedisChannelLayer(hosts=[server.url()])
    for number in range(10):
        async_to_sync(layer.send)("tasks", {"type": "work", "number": number})
    numbers = [async_to_sync(receive)(layer, "tasks")["number"] for _ in range(10)]
    assert numbers == list(range(10))


@pytest.mark.slow
@pytest.mark.chorale_only  # redis-py 8 gives up on redis-server after 5 s
@pytest.mark.parametrize("kind", ["general", "process-local"])
async def test_a_consumer_that_waits_12_seconds_then_receives(make_layer, kind):
    layer = make_layer()
    channel = "tasks" if kind == "general" else await layer.new_channel()
    waiting = asyncio.create_task(layer.receive(channel))
    done, _ = await asyncio.wait([waiting], timeout=12)
    assert not done, waiting.exception()
    await layer.send(channel, {"type": "work"})
    assert (await asyncio.wait_for(waiting, 5))["type"] == "work"
