"""What channels_redis's core layer, unmodified, leaves in the server.

How it behaves is in test_layer_behaviour.py, together with the other layers.

The same file runs with redis-py 8 (RESP3), 7 and 5 (RESP2); see test_redis_py_versions.py.
"""

import json

import pytest
import pytest_asyncio
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
async def test_group_memberships_expire(make_layer, server):
    layer = make_layer(group_expiry=1)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    with server.connect() as raw:
        assert raw.command("ZCARD", "asgi:group:room") == 1
        await wait_until_async(lambda: raw.command("EXISTS", "asgi:group:room") == 0, what="expiry")
    await layer.group_send("room", {"type": "chat"})
    assert await nothing_arrives(layer, channel)


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
