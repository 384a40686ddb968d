"""Commands that wait: who is served, in which order, when nobody is, and that nothing is lost."""

from __future__ import annotations

import random
import threading
import time

import pytest
import redis

from support.observe import client_row, wait_until_blocked
from support.resp import NULL, NULL_ARRAY, Double, Error, Null, Simple
from support.waiting import scaled, wait_until

# ---- order ----


@pytest.mark.sanitizer
def test_waiting_clients_are_served_first_come_first_served(connect):
    control = connect()
    waiting = [connect() for _ in range(12)]
    for number, client in enumerate(waiting):
        client.send("BLPOP", "queue", 0)
        wait_until_blocked(control, number + 1)
    for number in range(len(waiting)):
        control.ok("RPUSH", "queue", number)
    for number, client in enumerate(waiting):
        assert client.read() == [b"queue", b"%d" % number]


def test_one_push_of_many_elements_serves_many_clients_in_order(connect):
    control = connect()
    waiting = [connect() for _ in range(4)]
    for number, client in enumerate(waiting):
        client.send("BRPOP", "queue", 0)
        wait_until_blocked(control, number + 1)
    assert control.command("RPUSH", "queue", "a", "b", "c", "d", "e") == 5
    assert [client.read()[1] for client in waiting] == [b"e", b"d", b"c", b"b"]
    assert control.command("LRANGE", "queue", 0, -1) == [b"a"]


def test_a_client_that_was_served_waits_at_the_end_of_the_line_again(connect):
    control, first, second = connect(), connect(), connect()
    first.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 1)
    second.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 2)
    control.ok("RPUSH", "queue", "1")
    assert first.read() == [b"queue", b"1"]
    first.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 2)
    control.ok("RPUSH", "queue", "2")
    assert second.read() == [b"queue", b"2"]


def test_pipelined_commands_behind_a_waiting_one_are_answered_after_it(connect):
    control, client = connect(), connect()
    client.send("BLPOP", "queue", 0)
    client.send("PING")
    client.send("LLEN", "queue")
    wait_until_blocked(control, 1)
    assert client.is_quiet()
    control.ok("RPUSH", "queue", "element")
    assert [client.read() for _ in range(3)] == [[b"queue", b"element"], Simple("PONG"), 0]


def test_a_timeout_of_millions_of_years_is_waited_for(connect):
    control, client = connect(), connect()
    client.send("BLPOP", "queue", 4 * 10**15)
    wait_until_blocked(control, 1)
    assert client.is_quiet()
    control.ok("RPUSH", "queue", "element")
    assert client.read() == [b"queue", b"element"]


# ---- several keys ----


def test_the_first_key_named_that_has_elements_is_popped(connect):
    client = connect()
    client.pipeline([("RPUSH", "second", "2"), ("RPUSH", "third", "3")])
    assert client.command("BLPOP", "first", "third", "second", 0) == [b"third", b"3"]
    assert client.command("BRPOP", "first", "third", "second", 0) == [b"second", b"2"]


@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_a_client_waits_on_several_keys_at_once(connect, key):
    control, client = connect(), connect()
    client.send("BLPOP", "a", "b", "c", 0)
    wait_until_blocked(control, 1)
    control.ok("RPUSH", key, "element")
    assert client.read() == [key.encode(), b"element"]


def test_a_client_that_waits_on_two_keys_takes_one_element_only(connect):
    control, client = connect(), connect()
    client.send("BLPOP", "a", "b", 0)
    wait_until_blocked(control, 1)
    control.pipeline([("MULTI",), ("RPUSH", "b", "1"), ("RPUSH", "a", "2"), ("EXEC",)])
    key, element = client.read()
    assert (key, element) in [(b"a", b"2"), (b"b", b"1")]
    assert control.command("LLEN", "a") + control.command("LLEN", "b") == 1


def test_a_key_named_twice_is_waited_for_once(connect):
    control, client = connect(), connect()
    client.send("BLPOP", "queue", "queue", 0)
    wait_until_blocked(control, 1)
    control.ok("RPUSH", "queue", "1", "2")
    assert client.read() == [b"queue", b"1"]
    assert control.command("LRANGE", "queue", 0, -1) == [b"2"]


# ---- each command's reply when it is served later ----

SERVED = [
    (("BLPOP", "l", 0), ("RPUSH", "l", "a", "b"), [b"l", b"a"], [b"l", b"a"]),
    (("BRPOP", "l", 0), ("RPUSH", "l", "a", "b"), [b"l", b"b"], [b"l", b"b"]),
    (("BLMOVE", "l", "d", "LEFT", "RIGHT", 0), ("RPUSH", "l", "a"), b"a", b"a"),
    (("BRPOPLPUSH", "l", "d", 0), ("RPUSH", "l", "a"), b"a", b"a"),
    (
        ("BLMPOP", 0, 2, "x", "l", "LEFT", "COUNT", 2),
        ("RPUSH", "l", "a", "b", "c"),
        [b"l", [b"a", b"b"]],
        [b"l", [b"a", b"b"]],
    ),
    (
        ("BZPOPMIN", "z", 0),
        ("ZADD", "z", "1.5", "a", "2", "b"),
        [b"z", b"a", b"1.5"],
        [b"z", b"a", Double("1.5")],
    ),
    (
        ("BZPOPMAX", "z", 0),
        ("ZADD", "z", "1.5", "a", "2", "b"),
        [b"z", b"b", b"2"],
        [b"z", b"b", Double("2")],
    ),
    (
        ("BZMPOP", 0, 2, "x", "z", "MIN", "COUNT", 2),
        ("ZADD", "z", 1, "a", 2, "b", 3, "c"),
        [b"z", [[b"a", b"1"], [b"b", b"2"]]],
        [b"z", [[b"a", Double("1")], [b"b", Double("2")]]],
    ),
]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    ("command", "push", "resp2", "resp3"), SERVED, ids=[row[0][0] for row in SERVED]
)
def test_a_client_served_later_gets_the_reply_it_would_have_got_at_once(
    connect, command, push, resp2, resp3, protocol
):
    control, client = connect(), connect(protocol)
    expected = resp2 if protocol == 2 else resp3
    client.send(*command)
    wait_until_blocked(control, 1)
    control.ok(*push)
    assert client.read() == expected
    control.pipeline([("FLUSHALL",), push])
    assert client.command(*command) == expected


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "command",
    [
        ("BLPOP", "l", "0.2"),
        ("BRPOP", "l", "0.2"),
        ("BLMOVE", "l", "d", "LEFT", "RIGHT", "0.2"),
        ("BRPOPLPUSH", "l", "d", "0.2"),
        ("BLMPOP", "0.2", 1, "l", "LEFT"),
        ("BZPOPMIN", "z", "0.2"),
        ("BZPOPMAX", "z", "0.2"),
        ("BZMPOP", "0.2", 1, "z", "MIN"),
    ],
    ids=lambda command: command[0],
)
def test_a_wait_that_times_out_answers_null(connect, command, protocol):
    client = connect(protocol)
    start = time.monotonic()
    assert client.command(*command) is (NULL_ARRAY if protocol == 2 else NULL)
    assert 0.09 < time.monotonic() - start < scaled(5)
    assert client.command("PING") == Simple("PONG")


# ---- what wakes and what does not ----

WAKES_A_LIST = [
    [("LPUSH", "queue", "element")],
    [("RPUSH", "source", "element"), ("RENAME", "source", "queue")],
    [("RPUSH", "source", "element"), ("COPY", "source", "queue")],
    [("RPUSH", "source", "element"), ("LMOVE", "source", "queue", "LEFT", "RIGHT")],
    [("RPUSH", "source", "element"), ("RPOPLPUSH", "source", "queue")],
    [("SELECT", 1), ("RPUSH", "queue", "element"), ("MOVE", "queue", 0), ("SELECT", 0)],
    [("SELECT", 1), ("RPUSH", "queue", "element"), ("SWAPDB", 0, 1), ("SELECT", 0)],
    [("EVAL", "return redis.call('RPUSH', KEYS[1], 'element')", 1, "queue")],
    [("MULTI",), ("RPUSH", "queue", "element"), ("EXEC",)],
    [("SET", "queue", "a string"), ("DEL", "queue"), ("RPUSH", "queue", "element")],
]


@pytest.mark.parametrize("commands", WAKES_A_LIST, ids=lambda c: "+".join(row[0] for row in c))
def test_a_list_that_appears_in_any_way_wakes(connect, commands):
    control, client = connect(), connect()
    client.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 1)
    control.pipeline(commands)
    assert client.read() == [b"queue", b"element"]


WAKES_A_SORTED_SET = [
    [("ZADD", "scores", 1, "member")],
    [("ZINCRBY", "scores", 1, "member")],
    [("ZADD", "source", 1, "member"), ("ZUNIONSTORE", "scores", 1, "source")],
    [("ZADD", "source", 1, "member"), ("ZRANGESTORE", "scores", "source", 0, -1)],
    [("ZADD", "source", 1, "member"), ("RENAME", "source", "scores")],
]


@pytest.mark.parametrize(
    "commands", WAKES_A_SORTED_SET, ids=lambda c: "+".join(row[0] for row in c)
)
def test_a_sorted_set_that_appears_in_any_way_wakes(connect, commands):
    control, client = connect(), connect()
    client.send("BZPOPMIN", "scores", 0)
    wait_until_blocked(control, 1)
    control.pipeline(commands)
    assert client.read() == [b"scores", b"member", b"1"]


DOES_NOT_WAKE = [
    [("SET", "queue", "a string"), ("DEL", "queue")],
    [("ZADD", "queue", 1, "member"), ("DEL", "queue")],
    [("RPUSHX", "queue", "element")],
    [("RPUSH", "other", "element")],
    [("SELECT", 1), ("RPUSH", "queue", "element"), ("SELECT", 0)],
    [("MULTI",), ("RPUSH", "queue", "element"), ("DEL", "queue"), ("EXEC",)],
    [
        (
            "EVAL",
            "redis.call('RPUSH', KEYS[1], 'x') return redis.call('DEL', KEYS[1])",
            1,
            "queue",
        )
    ],
    [("FLUSHALL",)],
]


@pytest.mark.parametrize("commands", DOES_NOT_WAKE, ids=lambda c: "+".join(row[0] for row in c))
def test_what_leaves_no_list_wakes_nobody(connect, commands):
    control, client = connect(), connect()
    client.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 1)
    control.pipeline(commands)
    assert client.is_quiet()
    control.ok("RPUSH", "queue", "element")
    assert client.read() == [b"queue", b"element"]


def test_a_transaction_serves_waiting_clients_when_it_is_done(connect):
    control, client = connect(), connect()
    client.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 1)
    control.pipeline(
        [("MULTI",), ("RPUSH", "queue", "a"), ("LPUSH", "queue", "b"), ("LLEN", "queue")]
    )
    assert control.command("EXEC") == [1, 2, 2]
    assert client.read() == [b"queue", b"b"]


# ---- chains ----


@pytest.mark.sanitizer
def test_an_element_travels_through_a_chain_of_blmoves(connect):
    control = connect()
    hops = [connect() for _ in range(5)]
    for number, client in enumerate(hops):
        client.send("BLMOVE", f"stage{number}", f"stage{number + 1}", "LEFT", "RIGHT", 0)
        wait_until_blocked(control, number + 1)
    last = connect()
    last.send("BLPOP", "stage5", 0)
    wait_until_blocked(control, 6)
    control.ok("RPUSH", "stage0", "parcel")
    assert [client.read() for client in hops] == [b"parcel"] * 5
    assert last.read() == [b"stage5", b"parcel"]
    assert control.command("DBSIZE") == 0


def test_a_blmove_onto_its_own_key_rotates_it(connect):
    control, client = connect(), connect()
    client.send("BLMOVE", "ring", "ring", "LEFT", "RIGHT", 0)
    wait_until_blocked(control, 1)
    control.ok("RPUSH", "ring", "1", "2", "3")
    assert client.read() == b"1"
    assert control.command("LRANGE", "ring", 0, -1) == [b"2", b"3", b"1"]


def test_a_blmove_onto_a_wrong_type_gets_the_error_and_takes_nothing(connect):
    control, client = connect(), connect()
    control.ok("SET", "target", "a string")
    client.send("BLMOVE", "source", "target", "LEFT", "RIGHT", 0)
    wait_until_blocked(control, 1)
    control.ok("RPUSH", "source", "element")
    assert client.read().code == "WRONGTYPE"
    assert control.command("LRANGE", "source", 0, -1) == [b"element"]


# ---- inside transactions and scripts ----


def test_inside_a_transaction_nothing_waits(connect):
    client = connect()
    client.pipeline(
        [
            ("MULTI",),
            ("BLPOP", "l", 0),
            ("BLMOVE", "l", "d", "LEFT", "RIGHT", 0),
            ("BZPOPMIN", "z", 0),
            ("BZMPOP", 0, 1, "z", "MIN"),
        ]
    )
    start = time.monotonic()
    assert len(client.command("EXEC")) == 4
    assert time.monotonic() - start < scaled(2)


def test_inside_a_script_nothing_waits(connect):
    client = connect()
    script = "return redis.call('BLPOP', KEYS[1], 0)"
    reply = client.command("EVAL", script, 1, "queue")
    # Redis 7.0 does not let scripts call it, later ones answer null as inside a transaction.
    assert isinstance(reply, Null) or "not allowed from script" in reply.text


# ---- leaving ----


@pytest.mark.sanitizer
def test_a_client_that_closes_while_waiting_takes_nothing(connect):
    control, gone, patient = connect(), connect(), connect()
    gone.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 1)
    patient.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 2)
    gone.close()
    wait_until_blocked(control, 1)
    control.ok("RPUSH", "queue", "element")
    assert patient.read() == [b"queue", b"element"]


def test_client_unblock_ends_a_wait_like_a_timeout(connect):
    control, client = connect(), connect()
    number = client.ok("CLIENT", "ID")
    client.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 1)
    assert control.command("CLIENT", "UNBLOCK", number) == 1
    assert client.read() is NULL_ARRAY
    wait_until_blocked(control, 0)
    assert control.command("CLIENT", "UNBLOCK", number) == 0


def test_client_unblock_can_end_a_wait_with_an_error(connect):
    control, client = connect(), connect()
    number = client.ok("CLIENT", "ID")
    client.send("BZPOPMIN", "scores", 0)
    wait_until_blocked(control, 1)
    assert control.command("CLIENT", "UNBLOCK", number, "ERROR") == 1
    assert client.read() == Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
    control.ok("ZADD", "scores", 1, "member")
    assert client.command("ZCARD", "scores") == 1, "the waiter is gone"


def test_client_kill_ends_a_waiting_client(connect):
    control, client = connect(), connect()
    number = client.ok("CLIENT", "ID")
    client.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 1)
    assert control.command("CLIENT", "KILL", "ID", number) == 1
    assert client.is_closed_by_server()
    wait_until_blocked(control, 0)
    assert control.command("RPUSH", "queue", "element") == 1
    assert control.command("LLEN", "queue") == 1


def test_client_list_marks_a_waiting_client(connect):
    control, client = connect(), connect()
    number = client.ok("CLIENT", "ID")
    client.send("BLPOP", "queue", 0)
    wait_until_blocked(control, 1)
    row = client_row(control, number)
    assert row
    assert "b" in row["flags"]
    assert row["cmd"] == "blpop"


# ---- nothing is lost, nothing is given twice ----


@pytest.mark.sanitizer
def test_every_element_pushed_is_popped_exactly_once(connect):
    poppers, pushers, each = 8, 4, 300
    queues = [f"queue{number}" for number in range(3)]
    taken: list[list[bytes]] = [[] for _ in range(poppers)]

    def pop(client, mine: list[bytes]) -> None:
        while True:
            _, element = client.command("BLPOP", *queues, 0)
            if element == b"stop":
                return
            mine.append(element)

    def push(client, number: int) -> None:
        rng = random.Random(number)
        for index in range(each):
            client.ok("RPUSH", rng.choice(queues), f"{number}-{index}")

    popping = [threading.Thread(target=pop, args=(connect(), mine)) for mine in taken]
    pushing = [threading.Thread(target=push, args=(connect(), n)) for n in range(pushers)]
    for thread in popping + pushing:
        thread.start()
    for thread in pushing:
        thread.join()
    control = connect()
    wait_until(lambda: control.command("EXISTS", *queues) == 0)
    for _ in popping:
        control.ok("RPUSH", queues[0], "stop")
    for thread in popping:
        thread.join()
    expected = sorted(b"%d-%d" % (n, i) for n in range(pushers) for i in range(each))
    assert sorted(sum(taken, [])) == expected


@pytest.mark.sanitizer
def test_a_timeout_that_races_with_a_push_loses_nothing(connect):
    control, client = connect(), connect()
    rng = random.Random(7)
    rounds, received = 60, 0
    for number in range(rounds):
        client.send("BLPOP", "queue", "0.01")
        time.sleep(rng.uniform(0.0, 0.012))  # Around the deadline is where the race is.
        control.ok("RPUSH", "queue", number)
        received += bool(client.read())
    assert received + control.command("LLEN", "queue") == rounds


def test_redis_py_threads_share_a_queue(shared_server, connect):
    client = redis.Redis(port=shared_server.port, protocol=3, socket_timeout=20)
    results: list[bytes] = []

    def work() -> None:
        while (item := client.blpop(["jobs"], timeout=10)[1]) != b"stop":
            results.append(item)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30):
        client.rpush("jobs", number)
    client.rpush("jobs", "stop", "stop", "stop")
    for thread in threads:
        thread.join()
    assert sorted(results, key=int) == [b"%d" % number for number in range(30)]
    client.close()
