"""Channels, patterns and sharded channels; RESP2's subscribe mode and RESP3's pushes."""

from __future__ import annotations

import threading
import time

import pytest
import redis

from support.observe import info
from support.resp import NULL_BULK, Error, Push, Simple
from support.waiting import wait_until

MEGABYTE = 1 << 20


# ---- subscribing ----


@pytest.mark.parametrize(
    ("enter", "leave"),
    [
        ("SUBSCRIBE", "UNSUBSCRIBE"),
        ("PSUBSCRIBE", "PUNSUBSCRIBE"),
        ("SSUBSCRIBE", "SUNSUBSCRIBE"),
    ],
)
def test_each_channel_is_confirmed_with_the_number_of_subscriptions(connect, enter, leave):
    client = connect()
    client.send(enter, "a", "b", "a")
    word = enter.lower().encode()
    assert [client.read() for _ in range(3)] == [[word, b"a", 1], [word, b"b", 2], [word, b"a", 2]]
    client.send(leave, "b", "never")
    word = leave.lower().encode()
    assert [client.read() for _ in range(2)] == [[word, b"b", 1], [word, b"never", 1]]
    client.send(leave)
    assert client.read() == [word, b"a", 0]
    client.send(leave)
    assert client.read() == [word, NULL_BULK, 0]


def test_channels_and_patterns_share_one_count_and_shards_have_their_own(connect):
    client = connect()
    for command, expected in [
        (("SUBSCRIBE", "a"), 1),
        (("PSUBSCRIBE", "a*"), 2),
        (("SSUBSCRIBE", "a"), 1),
        (("UNSUBSCRIBE", "a"), 1),
        (("SUNSUBSCRIBE", "a"), 0),
        (("PUNSUBSCRIBE", "a*"), 0),
    ]:
        assert client.command(*command)[2] == expected, command


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "key"),
        ("PUBLISH", "a", "b"),
        ("MULTI",),
        ("CLIENT", "ID"),
        ("HELLO", 3),
        ("ECHO", 1),
    ],
    ids=lambda command: command[0],
)
def test_resp2_subscribers_may_run_only_subscribe_commands(connect, command):
    client = connect()
    client.command("SUBSCRIBE", "news")
    name = "client|id" if command[0] == "CLIENT" else command[0].lower()
    assert client.command(*command) == Error(
        f"ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
        "RESET are allowed in this context"
    )
    client.command("UNSUBSCRIBE", "news")
    assert client.command("ECHO", "back") == b"back"


def test_ping_answers_an_array_in_subscribe_mode_and_plainly_outside(connect):
    client = connect()
    assert client.command("PING") == Simple("PONG")
    assert client.command("PING", "x") == b"x"
    client.command("SUBSCRIBE", "news")
    assert client.command("PING") == [b"pong", b""]
    assert client.command("PING", "x") == [b"pong", b"x"]
    client.command("UNSUBSCRIBE")
    assert client.command("PING") == Simple("PONG")


def test_quit_and_reset_leave_subscribe_mode(connect):
    client, other = connect(), connect()
    client.command("SUBSCRIBE", "news")
    client.command("PSUBSCRIBE", "n*")
    assert client.command("RESET") == Simple("RESET")
    assert client.command("GET", "key") is NULL_BULK
    assert other.command("PUBLISH", "news", "x") == 0
    client.command("SUBSCRIBE", "news")
    assert client.command("QUIT") == Simple("OK")
    assert client.is_closed_by_server()


def test_resp3_subscribers_run_any_command(connect):
    client = connect(protocol=3)
    client.send("SUBSCRIBE", "news")
    assert client.read() == Push([b"subscribe", b"news", 1])
    assert client.command("SET", "key", "value") == Simple("OK")
    assert client.command("GET", "key") == b"value"
    assert client.command("PING") == Simple("PONG")
    assert client.command("PING", "x") == b"x"


def test_subscriptions_survive_a_change_of_protocol(connect):
    client, other = connect(protocol=3), connect()
    client.send("SUBSCRIBE", "news")
    client.read_push()
    other.ok("PUBLISH", "news", "push")
    assert client.read_push() == Push([b"message", b"news", b"push"])
    assert client.command("HELLO", 2)
    other.ok("PUBLISH", "news", "array")
    assert client.read() == [b"message", b"news", b"array"]


# ---- publishing ----


@pytest.mark.sanitizer
def test_publish_counts_and_reaches_every_subscriber(connect):
    publisher = connect()
    subscribers = [connect(protocol) for protocol in (2, 3, 2, 3, 2, 3, 2, 3)]
    for client in subscribers:
        client.send("SUBSCRIBE", "news")
        client.read()
    assert publisher.command("PUBLISH", "news", "hello") == len(subscribers)
    for number, client in enumerate(subscribers):
        kind = list if number % 2 == 0 else Push
        assert client.read() == kind([b"message", b"news", b"hello"])
    assert publisher.command("PUBLISH", "other", "hello") == 0


def test_a_channel_and_each_matching_pattern_deliver_once(connect):
    publisher, client = connect(), connect()
    client.command("SUBSCRIBE", "news")
    client.command("PSUBSCRIBE", "n*")
    client.command("PSUBSCRIBE", "?ews")
    client.command("PSUBSCRIBE", "x*")
    assert publisher.command("PUBLISH", "news", "hello") == 3
    heard = sorted(client.read() for _ in range(3))
    assert heard == [
        [b"message", b"news", b"hello"],
        [b"pmessage", b"?ews", b"news", b"hello"],
        [b"pmessage", b"n*", b"news", b"hello"],
    ]
    assert client.is_quiet()


def test_sharded_channels_are_apart_from_plain_ones(connect):
    publisher, plain, sharded = connect(), connect(), connect()
    plain.command("SUBSCRIBE", "news")
    plain.command("PSUBSCRIBE", "*")
    sharded.command("SSUBSCRIBE", "news")
    assert publisher.command("SPUBLISH", "news", "to shards") == 1
    assert sharded.read() == [b"smessage", b"news", b"to shards"]
    assert publisher.command("PUBLISH", "news", "to channels") == 2
    assert sharded.is_quiet()
    assert plain.read() == [b"message", b"news", b"to channels"]


def test_a_resp3_client_hears_its_own_messages(connect):
    client = connect(protocol=3)
    client.send("SUBSCRIBE", "news")
    client.read_push()
    assert client.command("PUBLISH", "news", "to myself") == 1
    assert client.read_push() == Push([b"message", b"news", b"to myself"])


@pytest.mark.parametrize(
    ("enter", "publish", "kind"),
    [("SUBSCRIBE", "PUBLISH", b"message"), ("SSUBSCRIBE", "SPUBLISH", b"smessage")],
)
def test_a_resp3_client_hears_its_own_message_next_to_the_reply_of_publish(
    shared_server, connect, enter, publish, kind
):
    client = connect(protocol=3)
    client.send(enter, "news")
    client.read_push()
    message = Push([kind, b"news", b"to myself"])
    client.send(publish, "news", "to myself")
    heard = [client.read(), client.read()]
    # Redis 7.0 sends the push first, 7.2 and later (pull request 12326) the reply.
    assert heard == ([message, 1] if shared_server.is_redis else [1, message])
    assert client.command("PING") == Simple("PONG")


PUBLISH_BOTH = """
redis.call('PUBLISH', 'news', 'one')
redis.call('PUBLISH', 'news', 'two')
return 'done'
"""


@pytest.mark.chorale_only  # Redis 7.0 breaks EXEC's array with pushes inside; 7.2 and later do not
@pytest.mark.parametrize(
    ("queued", "replies"),
    [
        ([("PUBLISH", "news", "one"), ("PUBLISH", "news", "two")], [1, 1]),
        ([("EVAL", PUBLISH_BOTH, 0)], [b"done"]),
        (
            [("ECHO", "before"), ("EVAL", PUBLISH_BOTH, 0), ("ECHO", "after")],
            [b"before", b"done", b"after"],
        ),
    ],
)
def test_ones_own_messages_never_come_inside_the_reply_of_exec(connect, queued, replies):
    client = connect(protocol=3)
    client.send("SUBSCRIBE", "news")
    client.read_push()
    client.pipeline([("MULTI",), *queued])
    client.send("EXEC")
    assert client.read() == replies
    assert client.read() == Push([b"message", b"news", b"one"])
    assert client.read() == Push([b"message", b"news", b"two"])
    assert client.command("PING") == Simple("PONG")


def test_messages_cross_databases(connect):
    publisher, client = connect(), connect()
    client.pipeline([("SELECT", 3)])
    client.command("SUBSCRIBE", "news")
    publisher.pipeline([("SELECT", 7)])
    assert publisher.command("PUBLISH", "news", "hello") == 1
    assert client.read() == [b"message", b"news", b"hello"]


@pytest.mark.parametrize("payload", [b"", b"\x00\r\n\xff*1\r\n", b"x" * (5 * MEGABYTE)])
def test_any_bytes_are_a_channel_and_a_message(connect, payload):
    publisher, client = connect(), connect()
    channel = payload[:1000] or b"\r\n"
    client.command("SUBSCRIBE", channel)
    assert publisher.command("PUBLISH", channel, payload) == 1
    assert client.read() == [b"message", channel, payload]


@pytest.mark.sanitizer
def test_messages_of_each_publisher_arrive_in_its_order(connect):
    publishers, messages = 4, 250
    subscribers = [connect(protocol=3, deadline=30) for _ in range(6)]
    for client in subscribers:
        client.send("PSUBSCRIBE", "topic*")
        client.read()

    def publish(client, number: int) -> None:
        client.pipeline([("PUBLISH", f"topic{number}", index) for index in range(messages)])

    threads = [threading.Thread(target=publish, args=(connect(), n)) for n in range(publishers)]
    for thread in threads:
        thread.start()
    for client in subscribers:
        heard: dict[bytes, list[int]] = {}
        for _ in range(publishers * messages):
            _, _, channel, payload = client.read()
            heard.setdefault(channel, []).append(int(payload))
        assert all(numbers == list(range(messages)) for numbers in heard.values())
        assert len(heard) == publishers
    for thread in threads:
        thread.join()


def test_a_subscriber_that_leaves_is_forgotten(connect):
    publisher, client = connect(), connect()
    client.command("SUBSCRIBE", "news")
    client.command("PSUBSCRIBE", "n*")
    client.close()
    wait_until(lambda: publisher.command("PUBLISH", "news", "x") == 0)
    assert publisher.command("PUBSUB", "CHANNELS") == []
    assert publisher.command("PUBSUB", "NUMPAT") == 0


# ---- asking ----


def test_pubsub_tells_who_listens(connect):
    client, other, asking = connect(), connect(), connect()
    client.command("SUBSCRIBE", "news")
    client.command("SUBSCRIBE", "sport")
    other.command("SUBSCRIBE", "news")
    other.command("PSUBSCRIBE", "n*")
    client.command("PSUBSCRIBE", "n*")
    client.command("PSUBSCRIBE", "s*")
    other.command("SSUBSCRIBE", "shard")
    assert sorted(asking.command("PUBSUB", "CHANNELS")) == [b"news", b"sport"]
    assert asking.command("PUBSUB", "CHANNELS", "s*") == [b"sport"]
    assert asking.command("PUBSUB", "NUMSUB", "news", "sport", "none") == [
        *(b"news", 2),
        *(b"sport", 1),
        *(b"none", 0),
    ]
    assert asking.command("PUBSUB", "NUMSUB") == []
    assert asking.command("PUBSUB", "NUMPAT") == 2, "each pattern counts once"
    assert asking.command("PUBSUB", "SHARDCHANNELS") == [b"shard"]
    assert asking.command("PUBSUB", "SHARDNUMSUB", "shard", "news") == [b"shard", 1, b"news", 0]


def test_info_counts_channels_and_patterns(connect):
    client, asking = connect(), connect()
    client.command("SUBSCRIBE", "news")
    client.command("PSUBSCRIBE", "n*")
    client.command("PSUBSCRIBE", "s*")
    stats = info(asking, "stats")
    assert (stats["pubsub_channels"], stats["pubsub_patterns"]) == ("1", "2")


def test_client_list_shows_subscriptions(connect):
    client, asking = connect(protocol=3), connect()
    client.send("SUBSCRIBE", "a", "b")
    client.send("PSUBSCRIBE", "p*")
    number = client.ok("CLIENT", "ID")
    rows = asking.ok("CLIENT", "LIST", "TYPE", "pubsub").decode().splitlines()
    assert len(rows) == 1
    assert f"id={number} " in rows[0]
    assert " sub=2 psub=1 " in rows[0]
    assert "P" in rows[0].split("flags=")[1].split(" ")[0]


# ---- slow readers ----


def _publish_until_dropped(publisher, subscriber_count: int, payload: bytes) -> int:
    sent = 0
    deadline = time.monotonic() + 20
    while publisher.command("PUBLISH", "news", payload) == subscriber_count:
        sent += 1
        assert time.monotonic() < deadline, "the slow reader is still there"
    return sent


@pytest.mark.sanitizer
def test_a_reader_past_the_hard_limit_is_dropped_and_the_others_are_not(server_factory):
    server = server_factory(client_output_buffer_limit="pubsub 4mb 0 0")
    with server.connect() as publisher, server.connect() as slow, server.connect() as quick:
        slow.command("SUBSCRIBE", "news")
        quick.command("SUBSCRIBE", "news")
        payload, sent = b"x" * MEGABYTE, 0
        while publisher.command("PUBLISH", "news", payload) == 2:
            assert quick.read() == [b"message", b"news", payload]
            sent += 1
            assert sent < 100, "the slow reader is still there"
        assert quick.read() == [b"message", b"news", payload]
        assert slow.is_closed_by_server()
        assert publisher.command("PUBSUB", "NUMSUB", "news") == [b"news", 1]
        if not server.is_redis:  # 7.0 does not count them yet.
            stats = info(publisher, "stats")
            assert stats["client_output_buffer_limit_disconnections"] == "1"


def test_a_reader_above_the_soft_limit_for_its_time_is_dropped(server_factory):
    server = server_factory(client_output_buffer_limit="pubsub 0 256kb 1")
    with server.connect() as publisher, server.connect() as slow:
        slow.command("SUBSCRIBE", "news")
        _publish_until_dropped(publisher, 1, b"x" * 65536)
        assert slow.is_closed_by_server()


def test_a_reader_that_catches_up_within_the_soft_limits_time_stays(server_factory):
    server = server_factory(client_output_buffer_limit="pubsub 0 256kb 60")
    with server.connect() as publisher, server.connect() as slow:
        slow.command("SUBSCRIBE", "news")
        for number in range(64):
            assert publisher.command("PUBLISH", "news", b"%d" % number + b"x" * 65536) == 1
        assert [slow.read()[2].rstrip(b"x") for _ in range(64)] == [
            b"%d" % number for number in range(64)
        ]


# ---- through redis-py ----


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_subscribes_to_channels_and_patterns(shared_server, connect, protocol):
    client = redis.Redis(port=shared_server.port, protocol=protocol)
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("news")
    listener.psubscribe("sport.*")
    listener.ssubscribe("shard")
    wait_until(lambda: client.pubsub_numsub("news")[0][1] == 1)
    wait_until(lambda: client.pubsub_numpat() == 1)
    wait_until(lambda: client.pubsub_shardnumsub("shard")[0][1] == 1)
    client.publish("news", "one")
    client.publish("sport.tennis", "two")
    client.spublish("shard", "three")
    heard: dict[str, bytes] = {}

    def listen() -> bool:
        message = listener.get_message(timeout=1)
        if message:
            heard[message["type"]] = message["data"]
        return len(heard) == 3

    wait_until(listen)
    assert heard == {"message": b"one", "pmessage": b"two", "smessage": b"three"}
    listener.close()
    client.close()
