"""MULTI, EXEC, DISCARD and WATCH, seen from several connections."""

from __future__ import annotations

import threading

import pytest
import redis

from support.observe import wait_until_blocked
from support.resp import NULL, NULL_ARRAY, Double, Error, Map, Push, Set, Simple
from support.waiting import wait_until

OK = Simple("OK")
QUEUED = Simple("QUEUED")


def test_exec_answers_every_queued_command_in_order(connect):
    client = connect()
    assert client.command("MULTI") == OK
    assert client.command("SET", "key", "1") == QUEUED
    assert client.command("INCR", "key") == QUEUED
    assert client.command("LRANGE", "missing", 0, -1) == QUEUED
    assert client.command("EXEC") == [OK, 2, []]


def test_queued_commands_do_nothing_before_exec(connect):
    client, other = connect(), connect()
    client.pipeline([("MULTI",), ("SET", "key", "value")])
    assert other.command("EXISTS", "key") == 0
    client.ok("EXEC")
    assert other.command("EXISTS", "key") == 1


def test_exec_of_nothing_is_an_empty_array(connect):
    client = connect()
    assert client.pipeline([("MULTI",), ("EXEC",)]) == [OK, []]


def test_a_command_that_fails_in_exec_does_not_stop_the_others(connect):
    client = connect()
    client.pipeline([("SET", "text", "abc"), ("MULTI",), ("INCR", "text"), ("SET", "after", "1")])
    failed, after = client.command("EXEC")
    assert failed == Error("ERR value is not an integer or out of range")
    assert after == OK
    assert client.command("GET", "after") == b"1"


@pytest.mark.parametrize(
    "bad", [("NOSUCHCOMMAND", "x"), ("GET",), ("GET", "a", "b"), ("CLIENT", "NOSUCH")]
)
def test_a_command_refused_while_queueing_aborts_the_transaction(connect, bad):
    client = connect()
    client.pipeline([("MULTI",), ("SET", "key", "value")])
    assert isinstance(client.command(*bad), Error)
    assert client.command("EXEC") == Error(
        "EXECABORT Transaction discarded because of previous errors."
    )
    assert client.command("EXISTS", "key") == 0
    assert client.command("MULTI") == OK, "the connection is out of the transaction"


def test_discard_forgets_the_queue(connect):
    client = connect()
    replies = client.pipeline([("MULTI",), ("SET", "key", "value"), ("DISCARD",), ("GET", "key")])
    assert replies[2] == OK
    assert not replies[3]
    assert client.command("EXEC") == Error("ERR EXEC without MULTI")


def test_a_connection_that_closes_in_multi_leaves_nothing_behind(connect):
    client, other = connect(), connect()
    client.pipeline([("MULTI",), ("SET", "key", "value")])
    client.close()
    assert other.command("EXISTS", "key") == 0


def test_select_inside_a_transaction_lasts(connect):
    client, other = connect(), connect()
    client.pipeline([("MULTI",), ("SELECT", 5), ("SET", "key", "five"), ("EXEC",)])
    assert client.command("GET", "key") == b"five"
    assert not other.command("GET", "key")


def test_replies_inside_exec_have_their_resp3_types(connect):
    client = connect(protocol=3)
    client.pipeline([("HSET", "h", "f", "v"), ("SADD", "s", "m"), ("ZADD", "z", "1.5", "m")])
    client.pipeline(
        [("MULTI",), ("HGETALL", "h"), ("SMEMBERS", "s"), ("ZSCORE", "z", "m"), ("GET", "none")]
    )
    assert client.command("EXEC") == [Map([(b"f", b"v")]), Set([b"m"]), Double("1.5"), NULL]


def test_a_long_transaction_runs_whole(connect):
    client = connect(deadline=30)
    count = 10_000
    client.pipeline([("MULTI",), *(("INCR", "counter") for _ in range(count))])
    assert client.command("EXEC") == list(range(1, count + 1))


def test_nobody_sees_a_transaction_half_done(connect):
    writer, reader = connect(), connect()
    rounds = 500
    done = threading.Event()

    def write() -> None:
        for _ in range(rounds):
            writer.pipeline([("MULTI",), ("INCR", "{a}1"), ("INCR", "b2"), ("EXEC",)])
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    torn = 0
    while not done.is_set():
        first, second = reader.command("MGET", "{a}1", "b2")
        torn += first != second
        *_, (first, second) = reader.pipeline(
            [("MULTI",), ("GET", "{a}1"), ("GET", "b2"), ("EXEC",)]
        )
        torn += first != second
    thread.join()
    assert torn == 0
    assert reader.command("MGET", "{a}1", "b2") == [b"%d" % rounds] * 2


def test_a_publish_inside_a_transaction_is_delivered_at_exec(connect):
    subscriber, client = connect(), connect()
    subscriber.command("SUBSCRIBE", "news")
    client.pipeline([("MULTI",), ("PUBLISH", "news", "hello")])
    assert subscriber.is_quiet()
    assert client.command("EXEC") == [1]
    assert subscriber.read() == [b"message", b"news", b"hello"]


def test_subscribing_inside_a_transaction_works_in_resp3(connect):
    subscriber, client = connect(protocol=3), connect()
    subscriber.pipeline([("MULTI",), ("SUBSCRIBE", "news"), ("SET", "key", "value")])
    subscriber.send("EXEC")
    wait_until(lambda: client.ok("PUBSUB", "NUMSUB", "news") == [b"news", 1])
    client.ok("PUBLISH", "news", "hello")
    heard = b""
    subscriber.socket.settimeout(5)
    while b"hello" not in heard:
        heard += subscriber.socket.recv(4096)
    assert b"subscribe" in heard


def test_a_script_inside_a_transaction_sees_what_came_before(connect):
    client = connect()
    client.pipeline(
        [
            ("MULTI",),
            ("SET", "key", "1"),
            ("EVAL", "return redis.call('INCR', KEYS[1])", 1, "key"),
            ("GET", "key"),
        ]
    )
    assert client.command("EXEC") == [OK, 2, b"2"]


# ---- WATCH ----

CONFLICTS = [
    ("SET", "key", "other"),
    ("SET", "key", "value"),
    ("APPEND", "key", ""),
    ("DEL", "key"),
    ("RENAME", "key", "elsewhere"),
    ("RENAME", "source", "key"),
    ("COPY", "source", "key", "REPLACE"),
    ("EXPIRE", "key", "100"),
    ("PERSIST", "volatile"),
    ("MOVE", "key", "1"),
    ("FLUSHDB",),
    ("FLUSHALL",),
    ("SWAPDB", "0", "1"),
    ("BITOP", "NOT", "key", "source"),
    ("EVAL", "return redis.call('SET', 'key', 'x')", "0"),
]
NO_CONFLICTS = [
    ("GET", "key"),
    ("SET", "another", "x"),
    ("LPUSH", "key", "wrong type"),
    ("DEL", "missing"),
    ("SETNX", "key", "x"),
    ("TOUCH", "key"),
    ("RENAMENX", "source", "key"),
    ("OBJECT", "ENCODING", "key"),
    ("EXPIRE", "missing", "100"),
    ("SREM", "missing", "x"),
]


def _watch(client):
    client.pipeline(
        [("SET", "key", "value"), ("SET", "source", "x"), ("SET", "volatile", "x", "EX", "100")]
    )
    assert client.command("WATCH", "key", "volatile", "missing") == OK


@pytest.mark.parametrize("change", CONFLICTS, ids=" ".join)
def test_exec_does_nothing_after_another_connection_changed_a_watched_key(connect, change):
    client, other = connect(), connect()
    _watch(client)
    other.ok(*change)
    client.pipeline([("MULTI",), ("SET", "result", "done")])
    assert client.command("EXEC") is NULL_ARRAY
    assert client.command("EXISTS", "result") == 0


@pytest.mark.parametrize("change", NO_CONFLICTS, ids=" ".join)
def test_exec_goes_ahead_when_no_watched_key_changed(connect, change):
    client, other = connect(), connect()
    _watch(client)
    other.command(*change)
    client.pipeline([("MULTI",), ("SET", "result", "done")])
    assert client.command("EXEC") == [OK]


def test_a_failed_exec_is_a_null_in_resp3(connect):
    client, other = connect(protocol=3), connect()
    _watch(client)
    other.ok("SET", "key", "other")
    client.pipeline([("MULTI",), ("PING",)])
    assert client.command("EXEC") is NULL


def test_a_watched_key_conflicts_with_a_change_after_multi_too(connect):
    client, other = connect(), connect()
    _watch(client)
    client.pipeline([("MULTI",), ("SET", "result", "done")])
    other.ok("SET", "missing", "created")
    assert client.command("EXEC") is NULL_ARRAY


def test_ones_own_change_before_multi_conflicts(connect):
    client = connect()
    _watch(client)
    client.ok("SET", "key", "mine")
    client.pipeline([("MULTI",), ("PING",)])
    assert client.command("EXEC") is NULL_ARRAY


@pytest.mark.parametrize("end", [("UNWATCH",), ("EXEC",), ("DISCARD",)], ids=" ".join)
def test_watching_ends_with(connect, end):
    client, other = connect(), connect()
    _watch(client)
    client.pipeline([end] if end == ("UNWATCH",) else [("MULTI",), end])
    other.ok("SET", "key", "other")
    client.pipeline([("MULTI",), ("PING",)])
    assert client.command("EXEC") == [Simple("PONG")]


def test_a_watched_key_is_watched_in_its_database_only(connect):
    client, other = connect(), connect()
    _watch(client)
    other.pipeline([("SELECT", 1), ("SET", "key", "other")])
    client.pipeline([("MULTI",), ("PING",)])
    assert client.command("EXEC") == [Simple("PONG")]


def test_a_watched_key_that_expires_conflicts(connect):
    client, other = connect(), connect()
    client.ok("SET", "key", "value", "PX", 30)
    client.ok("WATCH", "key")
    wait_until(lambda: other.ok("EXISTS", "key") == 0)
    client.pipeline([("MULTI",), ("PING",)])
    assert client.command("EXEC") is NULL_ARRAY


def test_a_push_served_to_a_waiting_client_conflicts(connect):
    client, waiting, other = connect(), connect(), connect()
    client.ok("WATCH", "queue")
    waiting.send("BLPOP", "queue", 0)
    wait_until_blocked(other, 1)
    other.ok("RPUSH", "queue", "element")
    assert waiting.read() == [b"queue", b"element"]
    client.pipeline([("MULTI",), ("PING",)])
    assert client.command("EXEC") is NULL_ARRAY


def test_watch_inside_multi_is_refused(connect):
    client = connect()
    client.ok("MULTI")
    assert client.command("WATCH", "key") == Error("ERR WATCH inside MULTI is not allowed")
    assert client.command("EXEC") == []


@pytest.mark.parametrize("protocol", [2, 3])
def test_optimistic_counters_of_redis_py_add_up(shared_server, connect, protocol):
    workers, rounds = 4, 25
    client = redis.Redis(port=shared_server.port, protocol=protocol)

    def increment(pipeline: redis.client.Pipeline) -> None:
        value = int(pipeline.get("counter") or 0)
        pipeline.multi()
        pipeline.set("counter", value + 1)

    def work() -> None:
        for _ in range(rounds):
            client.transaction(increment, "counter")

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connect().command("GET", "counter") == b"%d" % (workers * rounds)
    client.close()


def test_a_reset_leaves_the_transaction_and_forgets_watched_keys(connect):
    client, other = connect(), connect()
    _watch(client)
    client.ok("MULTI")
    assert client.command("RESET") == Simple("RESET")
    other.ok("SET", "key", "other")
    assert client.pipeline([("MULTI",), ("PING",), ("EXEC",)])[-1] == [Simple("PONG")]


def test_pushes_arrive_between_the_replies_of_a_transaction_not_inside_exec(connect):
    subscriber, publisher = connect(protocol=3), connect()
    subscriber.send("SUBSCRIBE", "news")
    assert subscriber.read_push() == Push([b"subscribe", b"news", 1])
    subscriber.ok("MULTI")
    publisher.ok("PUBLISH", "news", "between")
    assert subscriber.command("GET", "key") == QUEUED
    assert subscriber.command("EXEC") == [NULL]
    assert subscriber.read_push() == Push([b"message", b"news", b"between"])
