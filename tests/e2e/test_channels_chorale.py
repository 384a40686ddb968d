"""What channels_chorale has beyond a channel layer's specification, and beyond channels_redis."""

import asyncio
import gc
import multiprocessing
import os
import signal
import ssl
import subprocess
import sys
import threading
import warnings

import pytest
import pytest_asyncio
import uvloop
from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull, MessageTooLarge

import channels_chorale
from channels_chorale import ChoraleChannelLayer, ConnectionLost, ServerError
from channels_chorale.hosts import home_of, parse_hosts
from channels_chorale.serializers import registry
from support.cutting_proxy import CuttingProxy
from support.layers import nothing_arrives, receive, receive_all
from support.observe import info_number
from support.waiting import scaled, wait_until, wait_until_async

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
async def layer(make_layer):
    return make_layer()


# ---- back-pressure ----


@pytest.mark.sanitizer
@pytest.mark.parametrize("capacity_scope", ["mailbox", "channel"])
async def test_message_101_is_refused_and_counted_and_a_read_makes_room_for_one(
    make_layer, capacity_scope
):
    layer = make_layer(capacity=100, capacity_scope=capacity_scope)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    for number in range(100):
        await layer.send(channel, {"type": "note", "number": number})
    for refused in range(1, 4):
        with pytest.raises(ChannelFull):
            await layer.send(channel, {"type": "note"})
        assert await layer.group_send("room", {"type": "chat"}) == (0, 1)
        stats = await layer.stats()
        assert (stats["full"], stats["group_full"]) == (refused, refused)
    for number in range(10):
        assert (await receive(layer, channel))["number"] == number
        await layer.send(channel, {"type": "note", "number": 100 + number})
        with pytest.raises(ChannelFull):
            await layer.send(channel, {"type": "note"})
    messages = await receive_all(layer, channel, 100)
    assert [message["number"] for message in messages] == list(range(10, 110))
    assert await layer.group_send("room", {"type": "chat"}) == (1, 0)


@pytest.mark.sanitizer
async def test_room_that_a_reader_makes_is_room_for_other_processes(make_layer):
    layer, sender = make_layer(capacity=10), make_layer(capacity=10)
    channel = await layer.new_channel()
    for _ in range(10):
        await sender.send(channel, {"type": "note"})
    with pytest.raises(ChannelFull):
        await sender.send(channel, {"type": "note"})
    await receive(layer, channel)

    async def there_is_room():
        try:
            await sender.send(channel, {"type": "note"})
        except ChannelFull:
            return False
        return True

    async with asyncio.timeout(scaled(10)):
        while not await there_is_room():
            await asyncio.sleep(0.01)
    with pytest.raises(ChannelFull):
        await sender.send(channel, {"type": "note"})


@pytest.mark.sanitizer
async def test_with_the_channel_scope_a_consumer_that_does_not_read_holds_up_no_other(make_layer):
    options = {"capacity": 5, "capacity_scope": "channel"}
    layer, sender = make_layer(**options), make_layer(**options)
    stuck, reading = await layer.new_channel(), await layer.new_channel()
    for channel in (stuck, reading):
        await layer.group_add("room", channel)
    for number in range(20):
        expected = (2, 0) if number < 5 else (1, 1)
        assert await sender.group_send("room", {"type": "chat", "number": number}) == expected
        assert (await receive(layer, reading))["number"] == number
    messages = await receive_all(layer, stuck, 5)
    assert [message["number"] for message in messages] == list(range(5))
    assert await nothing_arrives(layer, stuck, 0.1)


@pytest.mark.sanitizer
async def test_a_consumer_that_keeps_up_is_never_full(make_layer):
    layer = make_layer(capacity=100)
    channels = [await layer.new_channel() for _ in range(20)]
    for channel in channels:
        await layer.group_add("room", channel)

    async def consume(channel):
        return [(await layer.receive(channel))["number"] for _ in range(2000)]

    consumers = [asyncio.create_task(consume(channel)) for channel in channels]
    for number in range(2000):
        sent = await layer.group_send("room", {"type": "chat", "number": number})
        assert sent == (20, 0)
    for numbers in await asyncio.wait_for(asyncio.gather(*consumers), scaled(30)):
        assert numbers == list(range(2000))


async def test_messages_that_nobody_reads_expire_in_the_process_too(make_layer):
    layer = make_layer(capacity=3, expiry=0.5)
    channel = await layer.new_channel()
    for _ in range(3):
        await layer.send(channel, {"type": "note"})
    with pytest.raises(ChannelFull):
        await layer.send(channel, {"type": "note"})

    async with asyncio.timeout(scaled(10)):
        while (await layer.stats())["mailbox_messages"]:
            await asyncio.sleep(0.05)
    await layer.send(channel, {"type": "fresh"})
    assert (await receive(layer, channel))["type"] == "fresh"


async def test_a_message_that_is_too_large_is_refused(server_factory, make_layer):
    server = server_factory(layer_message_limit=2000)
    layer = make_layer(hosts=[server.url()])
    for call in (layer.send, layer.group_send):
        with pytest.raises(MessageTooLarge, match="layer-message-limit"):
            await call("name", {"type": "work", "text": "x" * 2000})


async def test_an_error_of_the_broker_is_raised_with_its_code(server_factory, make_layer):
    layer = make_layer(hosts=[server_factory(requirepass="right").url().replace("right", "wrong")])
    with pytest.raises(ServerError) as raised:
        await layer.send("tasks", {"type": "work"})
    assert raised.value.code == "WRONGPASS"


# ---- introspection ----


@pytest.mark.sanitizer
async def test_the_layer_tells_who_is_in_which_group(make_layer):
    here, there = make_layer(), make_layer()
    channels = [await here.new_channel(), await there.new_channel(), "tasks"]
    for channel in channels:
        await here.group_add("room", channel)
    await there.group_add("lobby", channels[1])
    assert sorted(await there.group_channels("room")) == sorted(channels)
    assert await there.group_count("room") == 3
    assert await here.groups() == ["lobby", "room"]
    assert await here.groups("r*") == ["room"]
    assert await here.group_channels("nobody") == []
    assert await here.group_count("nobody") == 0


async def test_the_layer_counts_what_it_has_done(make_layer):
    layer = make_layer(capacity=2)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await layer.group_send("room", {"type": "chat"})
    await layer.send(channel, {"type": "note"})
    await layer.send("tasks", {"type": "work"})
    await receive(layer, "tasks")
    stats = await layer.stats()
    expected = {
        "sent": 2,
        "group_sends": 1,
        "group_messages": 1,
        "full": 0,
        "mailboxes_open": 1,
        "mailbox_messages": 2,
        "groups": 1,
    }
    assert {name: stats[name] for name in expected} == expected


# ---- messages ----


async def test_a_message_that_cannot_be_read_is_logged_and_left_out(server, layer, caplog):
    channel = await layer.new_channel()
    with server.connect() as raw:
        for name in ("tasks", channel):
            raw.ok("CHANNEL.SEND", "asgi", name, b"\xc1 no MessagePack")
            await layer.send(name, {"type": "fine"})
            assert await receive(layer, name) == {"type": "fine"}
            assert f"a message to {name} cannot be read" in caplog.text


async def test_encrypted_messages_are_unreadable_on_the_wire(server, make_layer):
    layer = make_layer(symmetric_encryption_keys=["key"])
    await layer.send("tasks", {"type": "secret", "text": "eyes only"})
    with server.connect() as raw:
        _, stored = raw.ok("CHANNEL.RECEIVE", "asgi", "tasks")
    assert b"eyes only" not in stored
    assert b"secret" not in stored


class Shouting:
    """A format of the project's own: any class with serialize and deserialize."""

    def __init__(self, symmetric_encryption_keys, random_prefix_length, expiry):
        self.expiry = expiry

    def serialize(self, message):
        return message["type"].upper().encode()

    def deserialize(self, message):
        return {"type": message.decode().lower()}


async def test_a_format_can_be_registered_with_channels_chorale(make_layer):
    registry.register_serializer("shouting", Shouting)
    layer = make_layer(serializer_format="shouting")
    await layer.send("tasks", {"type": "work"})
    assert await receive(layer, "tasks") == {"type": "work"}
    with pytest.raises(TypeError):
        registry.register_serializer("nothing", object)


# ---- configuration ----


async def test_a_wrong_configuration_is_refused(make_layer):
    for options, text in [
        ({"capacity_scope": "everything"}, "capacity_scope"),
        ({"hosts": ["http://localhost"]}, "redis://"),
        ({"hosts": [("localhost", 1, 2)]}, "pair"),
        ({"hosts": [{"master_name": "m", "sentinels": []}]}, "Sentinel"),
        ({"symmetric_encryption_keys": "one key"}, "list"),
    ]:
        with pytest.raises(ValueError, match=text):
            make_layer(**options)
    with pytest.raises(TypeError):
        make_layer(prefix=7)
    with pytest.raises(TypeError):
        make_layer(no_such_key=1)


async def test_the_layers_policy_is_that_of_the_configuration(server, make_layer):
    layer = make_layer(
        prefix="mine",
        expiry=7,
        group_expiry=70,
        capacity=8,
        channel_capacity={"a[!b]*": 9},
        grace=10,
        capacity_scope="channel",
    )
    await layer.send("tasks", {"type": "work"})
    with server.connect(protocol=3) as raw:
        policy = raw.ok("LAYER.GET", "mine").dict()
    assert float(policy[b"expiry"].text) == 7
    assert float(policy[b"group_expiry"].text) == 70
    assert float(policy[b"grace"].text) == 10
    assert policy[b"capacity"] == 8
    assert policy[b"scope"] == b"channel"
    assert policy[b"channel_capacity"] == [[b"a[^b]*", 9]]


def test_callbacks_can_be_named_by_their_dotted_paths(server):
    layer = ChoraleChannelLayer(hosts=[server.url()], on_gap="os.path.join")
    assert layer._reports[0]._callbacks.on_gap is os.path.join
    with pytest.raises(ImportError):
        ChoraleChannelLayer(on_gap="no.such.function")


def test_hosts_are_parsed_as_channels_redis_does():
    (host,) = parse_hosts(None)
    assert (host.host, host.port, host.database) == ("localhost", 6379, 0)
    (host,) = parse_hosts(["redis://user:p%40ss@example:7000/3"])
    assert (host.host, host.port, host.database) == ("example", 7000, 3)
    assert (host.username, host.password) == ("user", "p@ss")
    assert host.name == "example:7000/3"
    assert "p@ss" not in repr(host)
    (host,) = parse_hosts(["unix://:secret@/run/chorale.sock?db=2"])
    assert (host.path, host.password, host.database) == ("/run/chorale.sock", "secret", 2)
    (host,) = parse_hosts([{"host": "example", "port": "7001", "password": "p", "db": 1}])
    assert (host.host, host.port, host.password, host.database) == ("example", 7001, "p", 1)
    (host,) = parse_hosts(["rediss://example"])
    assert host.tls is not None
    assert host.tls.check_hostname
    (host,) = parse_hosts(["rediss://example?ssl_check_hostname=false"])
    assert not host.tls.check_hostname
    with pytest.raises(ValueError, match="twice"):
        parse_hosts(["redis://example", ("example", 6379)])
    assert len(parse_hosts(["redis://example/0", "redis://example/1"])) == 2
    (host,) = parse_hosts(["rediss://example?ssl_cert_reqs=none"])
    assert not host.tls.check_hostname


def test_another_host_takes_only_its_share_of_the_names():
    hosts = parse_hosts([f"redis://host{number}" for number in range(4)])
    names = [f"group{number}" for number in range(4000)]
    before = {name: home_of(name, hosts[:3]) for name in names}
    after = {name: home_of(name, hosts) for name in names}
    moved = [name for name in names if after[name] != before[name]]
    assert all(after[name] == 3 for name in moved)
    assert 0.2 < len(moved) / len(names) < 0.3
    for index in range(4):
        assert 0.2 < sum(home == index for home in after.values()) / len(names) < 0.3
    backwards = hosts[::-1]
    assert all(backwards[home_of(name, backwards)] == hosts[after[name]] for name in names)


@pytest.mark.sanitizer
async def test_several_hosts_hold_what_is_theirs(server, server_factory, make_layer):
    servers = [server, server_factory(), server_factory()]
    hosts = [each.url() for each in servers]
    here, there = make_layer(hosts=hosts), make_layer(hosts=hosts[::-1])
    channels = [await here.new_channel() for _ in range(5)]
    groups = [f"room{number}" for number in range(30)]
    for group in groups:
        await there.group_add(group, channels[0])
        assert await there.group_send(group, {"type": "chat", "group": group}) == (1, 0)
        assert (await receive(here, channels[0]))["group"] == group
    for channel in channels:
        await there.send(channel, {"type": "note"})
        assert await receive(here, channel) == {"type": "note"}
    assert await here.groups() == sorted(groups)
    on_each = []
    for each in servers:
        with each.connect() as raw:
            on_each.append(len(raw.ok("GROUP.LIST", "asgi")))
    assert sum(on_each) == len(groups)
    assert min(on_each) > 0
    await here.group_add("workers", "tasks")  # a general channel away from its group's home
    for _ in range(3):
        await there.group_send("workers", {"type": "work"})
        await there.send("tasks", {"type": "work"})
    assert len(await receive_all(here, "tasks", 6)) == 6


def self_signed(directory):
    """A certificate for localhost, and the server's context with it."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *name]
        + ["-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


async def test_rediss_is_tls_and_only_with_a_broker_that_is_trusted(
    server, make_layer, tmp_path, monkeypatch
):
    certificate, context = self_signed(tmp_path)
    async with CuttingProxy(server.address, tls=context) as proxy:
        url = f"rediss://localhost:{proxy.port}"
        layer = make_layer(hosts=[f"{url}?ssl_ca_certs={certificate}"])
        channel = await layer.new_channel()
        await layer.send(channel, {"type": "note", "text": "x" * 100_000})
        assert len((await receive(layer, channel))["text"]) == 100_000
        proxy.cut()
        assert await layer.group_count("room") == 0
        unverified = {"host": "localhost", "port": proxy.port, "ssl": True, "ssl_cert_reqs": "none"}
        with channels_chorale.Client(hosts=[unverified]) as client:
            await asyncio.to_thread(client.send, "tasks", {"type": "work"})
        assert await receive(layer, "tasks") == {"type": "work"}
        monkeypatch.setattr("channels_chorale.loops.PATIENCE", 0.5)
        stranger = make_layer(hosts=[url])
        with pytest.raises(ConnectionLost, match="(?i)certificate"):
            await stranger.send("tasks", {"type": "work"})


# ---- event loops, threads and processes ----


@pytest.mark.sanitizer
@pytest.mark.timeout(300)
def test_a_thousand_synchronous_calls_from_8_threads_use_few_connections(server):
    layer = ChoraleChannelLayer(hosts=[server.url()])
    failed = []

    def calls():
        try:
            for _ in range(125):
                async_to_sync(layer.group_send)("room", {"type": "chat"})
        except Exception as error:
            failed.append(error)

    with server.connect() as raw:
        raw.ok("GROUP.ADD", "asgi", "room", "tasks")
        raw.ok("LAYER.SET", "asgi", "CAPACITY", 10_000)
        before = info_number(raw, "stats", "total_connections_received")
        threads = [threading.Thread(target=calls) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        opened = info_number(raw, "stats", "total_connections_received") - before
        assert 1 <= opened <= 10
        wait_until(lambda: info_number(raw, "clients", "connected_clients") == 1)
        stats = raw.ok("LAYER.STATS", "asgi")
        assert dict(zip(stats[::2], stats[1::2], strict=True))[b"group_sends"] == 1000
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "channels_chorale"])


@pytest.mark.sanitizer
def test_an_event_loop_that_ends_leaves_no_connection_and_no_warning(server):
    async def use(layer):
        channel = await layer.new_channel()
        await layer.send(channel, {"type": "note"})
        await layer.receive(channel)
        waiting = asyncio.create_task(layer.receive("tasks"))
        for _ in range(20):
            await layer.send(channel, {"type": "note"})
        waiting.cancel()

    with server.connect() as raw, warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = ChoraleChannelLayer(hosts=[server.url()])
        for _ in range(5):
            asyncio.run(use(layer), debug=True)
            wait_until(lambda: info_number(raw, "clients", "connected_clients") == 1)
        del layer
        gc.collect()


@pytest.mark.sanitizer
def test_it_works_in_uvloop_as_uvicorn_has_it(server):
    layer = ChoraleChannelLayer(hosts=[server.url()])

    async def use():
        channel = await layer.new_channel()
        await layer.group_add("room", channel)
        working = asyncio.create_task(receive(layer, "tasks"))
        for number in range(20):
            await layer.group_send("room", {"type": "chat", "number": number})
            assert (await receive(layer, channel))["number"] == number
        await layer.send("tasks", {"type": "work"})
        assert (await working)["type"] == "work"
        server.kill()
        server.start()
        await wait_until_async(lambda: layer.health().gaps == 1)
        await layer.group_send("room", {"type": "chat", "number": 20})
        assert (await receive(layer, channel))["number"] == 20

    uvloop.run(use())
    with server.connect() as raw:
        wait_until(lambda: info_number(raw, "clients", "connected_clients") == 1)


def test_what_a_loop_has_not_read_is_read_by_the_next(server):
    layer = ChoraleChannelLayer(hosts=[server.url()])
    channel = asyncio.run(layer.new_channel())
    asyncio.run(layer.group_add("room", channel))

    async def send_and_read_one():
        for number in range(3):
            await layer.group_send("room", {"type": "chat", "number": number})
        return (await receive(layer, channel))["number"]

    assert asyncio.run(send_and_read_one()) == 0
    for number in (1, 2):
        assert asyncio.run(receive(layer, channel))["number"] == number

    async def send_while_waiting():
        waiting = asyncio.create_task(receive(layer, channel))
        await layer.group_send("room", {"type": "chat", "number": 3})
        return (await waiting)["number"]

    assert asyncio.run(send_while_waiting()) == 3
    assert layer.health().gaps == 0


async def test_a_channel_of_a_loop_that_runs_cannot_be_received_in_another(layer):
    channel = await layer.new_channel()
    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(layer.receive(channel)))


async def test_a_loop_may_close_its_connections_a_thousand_times(make_layer):
    layer = make_layer()
    loop = asyncio.new_event_loop()

    def use():
        for _ in range(1100):
            loop.run_until_complete(layer.new_channel())
            loop.run_until_complete(layer.close_pools())
        loop.close()

    await asyncio.to_thread(use)
    assert loop.is_closed()


async def test_a_message_that_was_taken_for_a_worker_that_left_goes_to_another(server, make_layer):
    leaving, staying = make_layer(), make_layer()
    waiting = asyncio.create_task(leaving.receive("tasks"))
    with server.connect() as raw:
        await wait_until_async(lambda: info_number(raw, "clients", "blocked_clients") == 1)
        raw.ok("CHANNEL.SEND", "asgi", "tasks", b"\x81\xa4type\xa4work")
    while not leaving._own_sessions().general.count(b"tasks"):  # it has come
        await asyncio.sleep(0)
        waiting.cancel()
    assert (await receive(staying, "tasks")) == {"type": "work"}


async def test_messages_that_were_taken_for_a_worker_that_left_go_back(server, make_layer):
    leaving, staying = make_layer(), make_layer()
    with server.connect() as raw:
        for number in range(40):
            waiting = asyncio.create_task(leaving.receive("tasks"))
            await wait_until_async(lambda: info_number(raw, "clients", "blocked_clients") == 1)
            sending = asyncio.create_task(staying.send("tasks", {"type": "work", "number": number}))
            for _ in range(number % 10):
                await asyncio.sleep(0)
            waiting.cancel()
            result = (await asyncio.gather(waiting, return_exceptions=True))[0]
            await sending
            await leaving.close_pools()
            if isinstance(result, asyncio.CancelledError):
                result = await receive(staying, "tasks")
            assert result["number"] == number
            await wait_until_async(lambda: info_number(raw, "clients", "blocked_clients") == 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork in a process with threads
def test_a_forked_process_has_channels_and_connections_of_its_own(server):
    layer = ChoraleChannelLayer(hosts=[server.url()])
    client = channels_chorale.Client(hosts=[server.url()])
    async_to_sync(layer.send)("tasks", {"type": "parent"})
    client.send("tasks", {"type": "parent"})
    parents = asyncio.run(layer.new_channel())

    def child(queue):
        async_to_sync(layer.send)("tasks", {"type": "child"})
        client.send("tasks", {"type": "child"})
        queue.put(asyncio.run(layer.new_channel()))

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    childs = queue.get(timeout=scaled(20))
    process.join(scaled(20))
    assert process.exitcode == 0
    assert childs.split("!")[0] != parents.split("!")[0]
    client.send("tasks", {"type": "parent again"})
    types = [asyncio.run(receive(layer, "tasks"))["type"] for _ in range(5)]
    assert sorted(types) == ["child", "child", "parent", "parent", "parent again"]
    client.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_connection_ends_with_the_process_that_made_it_and_not_with_its_children(
    server, make_layer
):
    layer = make_layer(grace=0.5)
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:  # makes a member, forks a child that stays, and dies
        os.close(reading)
        dying = ChoraleChannelLayer(hosts=[server.url()], grace=0.5)

        async def join():
            await dying.group_add("room", await dying.new_channel())
            with channels_chorale.Client(hosts=[server.url()]) as client:
                assert client.group_count("room") == 1
                child = os.fork()
                if child == 0:
                    signal.pause()
                os.write(writing, str(child).encode())
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.new_event_loop().run_until_complete(asyncio.to_thread(asyncio.run, join()))
    os.close(writing)
    os.waitpid(parent, 0)
    child = int(os.read(reading, 20))
    os.close(reading)
    try:
        async with asyncio.timeout(scaled(10)):
            while await layer.group_count("room"):
                await asyncio.sleep(0.05)
    finally:
        os.kill(child, signal.SIGKILL)


# ---- the synchronous client ----


@pytest.fixture
def client(server):
    with channels_chorale.Client(hosts=[server.url()], capacity=3) as client:
        yield client


async def test_the_synchronous_client_sends_to_channels_and_groups(client, make_layer):
    layer = make_layer(capacity=3)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    client.send(channel, {"type": "note"})
    assert client.group_send("room", {"type": "chat"}) == (1, 0)
    assert [m["type"] for m in await receive_all(layer, channel, 2)] == ["note", "chat"]
    assert client.group_members("room") == [channel]
    assert client.group_count("room") == 1
    assert client.groups() == ["room"]
    client.group_add("room", "tasks")
    client.group_discard("room", channel)
    assert client.group_members("room") == ["tasks"]
    assert client.stats()["group_sends"] == 1


def test_the_synchronous_client_raises_what_the_layer_raises(client, server_factory):
    for _ in range(3):
        client.send("tasks", {"type": "work"})
    with pytest.raises(ChannelFull):
        client.send("tasks", {"type": "work"})
    for bad in ("not a name", "n" * 100):
        with pytest.raises(TypeError):
            client.send(bad, {"type": "work"})
        with pytest.raises(TypeError):
            client.group_send(bad, {"type": "work"})
    with pytest.raises(TypeError):
        client.send("tasks", ["no dict"])
    small = server_factory(layer_message_limit=2000)
    with (
        channels_chorale.Client(hosts=[small.url()]) as other,
        pytest.raises(MessageTooLarge),
    ):
        other.send("tasks", {"type": "x" * 2000})


def test_the_synchronous_client_needs_no_event_loop_and_one_connection(server, client):
    with server.connect() as raw:
        before = info_number(raw, "stats", "total_connections_received")
        threads = [
            threading.Thread(
                target=lambda: [client.group_send("room", {"type": "chat"}) for _ in range(50)]
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.stats()["group_sends"] == 200
        assert info_number(raw, "stats", "total_connections_received") == before + 1
        client.close()
        wait_until(lambda: info_number(raw, "clients", "connected_clients") == 1)


def test_the_synchronous_client_reconnects(server, client):
    client.send("tasks", {"type": "work"})
    server.kill()
    server.start()
    client.send("tasks", {"type": "work"})
    assert client.stats()["sent"] == 1


def test_the_synchronous_client_waits_a_bounded_time_for_a_broker(server, client, monkeypatch):
    server.kill()
    late = threading.Timer(0.3, server.start)
    late.start()
    client.send("tasks", {"type": "work"})
    late.join()
    monkeypatch.setattr("channels_chorale.wire.PATIENCE", 0.2)
    server.kill()
    with pytest.raises(ConnectionLost, match="is away"):
        client.send("tasks", {"type": "work"})
    server.start()


# ---- python -m channels_chorale check ----


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "channels_chorale", "check", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=scaled(30),
    )


async def test_check_tells_what_a_developer_wants_to_know(server, make_layer):
    first = check(server.url())
    assert first.returncode == 0, first.stderr
    assert "asgi: no process has used it yet" in first.stdout
    layer = make_layer(expiry=33, capacity=44)
    await layer.group_add("room", await layer.new_channel())
    done = check(server.url())
    assert done.returncode == 0, done.stderr
    for text in (
        f"127.0.0.1:{server.port} is reachable",
        "Chorale ",
        "expiry 33",
        "capacity 44",
        "processes 1, groups 1, members 1",
        "round trip",
        " ms ",
    ):
        assert text in done.stdout
    assert len(done.stdout.splitlines()) < 24


def test_check_says_what_is_wrong(server, redis_server, server_factory):
    away = check("redis://127.0.0.1:1")
    assert away.returncode == 1
    assert "cannot be used: the broker 127.0.0.1:1 is away" in away.stdout
    redis = check(redis_server.url())
    assert redis.returncode == 1
    assert "is Redis 7" in redis.stdout
    secured = check(server_factory(requirepass="secret").url().replace("secret", "wrong"))
    assert secured.returncode == 1
    assert "WRONGPASS" in secured.stdout
    assert check("http://127.0.0.1").returncode == 2
    both = check(server.url(), "redis://127.0.0.1:1")
    assert both.returncode == 1
    assert "is reachable" in both.stdout


async def test_the_layer_says_that_it_is_not_for_redis(redis_server, make_layer):
    layer = make_layer(hosts=[redis_server.url()])
    with pytest.raises(ServerError, match="is not a Chorale broker"):
        await layer.send("tasks", {"type": "work"})


def test_django_takes_the_layer_from_its_settings(server):
    script = """
import asyncio, sys
from django.conf import settings
settings.configure(CHANNEL_LAYERS={"default": {
    "BACKEND": "channels_chorale.ChoraleChannelLayer",
    "CONFIG": {"hosts": [sys.argv[1]], "capacity": 7},
}})
from channels.layers import get_channel_layer
from channels_chorale import Client
Client.from_settings().send("tasks", {"type": "work"})
print(asyncio.run(get_channel_layer().receive("tasks")), get_channel_layer().capacity)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, server.url()],
        check=True,
        capture_output=True,
        text=True,
        timeout=scaled(30),
    )
    assert done.stdout.strip() == "{'type': 'work'} 7"


async def test_a_flush_is_no_gap_and_ends_the_memberships_for_good(server, make_layer):
    layer, other = make_layer(), make_layer()
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await layer.send(channel, {"type": "old"})
    await other.flush()
    await wait_until_async(lambda: not layer._own_sessions().queues.count(channel.encode()))
    await layer.send(channel, {"type": "new"})
    assert (await receive(layer, channel))["type"] == "new"
    server.kill()
    server.start()
    await wait_until_async(lambda: layer.health().gaps == 1)  # for the restart only
    assert await layer.group_count("room") == 0
