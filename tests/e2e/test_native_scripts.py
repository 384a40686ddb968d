"""channels_redis's scripts, which the broker recognises and runs without Lua.

They must be an optimisation and nothing else: with one byte changed the same script runs in Lua,
and both must answer and change the same.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import random
import re
from pathlib import Path

import channels_redis.core
import pytest

from support.observe import client_row, clients_on_two_threads, wait_until_blocked
from support.resp import Error, RespClient, Simple
from support.waiting import wait_until

pytestmark = pytest.mark.chorale_only

SOURCE = Path(__file__).parents[2] / "broker" / "scripting" / "native_scripts.cc"
KEYS = ["queue", "queue$inflight", "asgi:a", "asgi:b", "other"]
ROUNDS = 400


def installed_scripts() -> dict[str, str]:
    """Every string of channels_redis that is a script, by the name of its variable."""
    tree = ast.parse(inspect.getsource(channels_redis.core))
    return {
        node.targets[0].id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and "redis.call" in str(node.value.value)
    }


SCRIPTS = installed_scripts()


def test_the_broker_knows_every_script_of_the_installed_release():
    known = set(re.findall(r'"([0-9a-f]{40})"', SOURCE.read_text()))
    installed = {
        hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        for script in SCRIPTS.values()
    }
    assert known == installed


def fill(client: RespClient, choices: random.Random) -> None:
    """Gives each key a random value or none; the same for the same state of `choices`."""
    for key in KEYS:
        kind = choices.choice(["absent", "zset", "zset", "zset", "string", "list"])
        if kind == "zset":
            for _ in range(choices.randint(1, 5)):
                score = choices.choice(["1", "2", "-1.5", "1e10", "inf", "-inf", "0.1"])
                client.command("ZADD", key, score, f"member{choices.randint(0, 6)}")
        elif kind == "string":
            client.command("SET", key, "text")
        elif kind == "list":
            client.command("RPUSH", key, "a", "b")
        if choices.random() < 0.3:
            client.command("EXPIRE", key, 1000)


def contents(client: RespClient) -> dict[bytes, object]:
    """What the selected database holds; expiries in whole hundreds of seconds."""
    found = {}
    for key in client.command("KEYS", "*"):
        kind = client.command("TYPE", key)
        if bytes(kind) == b"zset":
            value = client.command("ZRANGE", key, 0, -1, "WITHSCORES")
        elif bytes(kind) == b"list":
            value = client.command("LRANGE", key, 0, -1)
        else:
            value = client.command("GET", key)
        found[key] = (bytes(kind), value, round(client.command("TTL", key) / 100))
    return found


def recovery_arguments(choices: random.Random) -> list[str]:
    keys = choices.choices(KEYS, k=choices.choice([0, 0, 0, 1, 2]))
    arguments = choices.choices(KEYS, k=choices.choice([0, 1, 2, 2, 2, 2, 2, 3]))
    return [str(len(keys)), *keys, *arguments]


def group_send_arguments(choices: random.Random) -> list[str]:
    keys = choices.choices(KEYS, k=choices.randint(0, 4))
    usual = choices.random() < 0.6
    unusual = ["", "x", "1e2", "0x10", " 5 ", "-1", "0", "nan", "inf", "9" * 20, "2.5"]

    def number(*values: str) -> str:
        return choices.choice(values if usual or choices.random() < 0.7 else unusual)

    arguments = [f"message{choices.randint(0, 9)}" for _ in keys]
    arguments += [number("1", "3", "100") for _ in keys]
    arguments += [number("1700000000.25", "5"), number("60", "1000")]
    if not usual and choices.random() < 0.4:
        arguments = arguments[: choices.randint(0, len(arguments))]
    return [str(len(keys)), *keys, *arguments]


def flush_arguments(choices: random.Random) -> list[str]:
    return choices.choice(
        [["0", "asgi*"], ["0", "*"], ["0", "queue"], ["0", "none*"], ["0"], ["1", "k", "asgi:?"]]
    )


def run(client: RespClient, script: str, arguments: list[str]) -> object:
    reply = client.command("EVAL", script, *arguments)
    if isinstance(reply, Error):
        return re.sub(rb"script: [0-9a-f]{40}", b"script: <sha>", bytes(reply))
    return reply


@pytest.mark.parametrize(
    ("name", "arguments_for"),
    [
        ("cleanup_script", recovery_arguments),
        ("group_send_lua", group_send_arguments),
        ("delete_prefix", flush_arguments),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3])
def test_a_native_script_does_what_its_source_does_in_lua(connect, name, arguments_for, protocol):
    native, lua = connect(protocol), connect(protocol)
    lua.ok("SELECT", 1)
    errors = 0
    for seed in range(ROUNDS):
        arguments = arguments_for(random.Random(f"{name} {seed}"))
        for client in (native, lua):
            client.ok("FLUSHDB")
            fill(client, random.Random(seed))
        answers = [run(native, SCRIPTS[name], arguments), run(lua, SCRIPTS[name] + " ", arguments)]
        assert answers[0] == answers[1], f"seed {seed}: {arguments}"
        assert contents(native) == contents(lua), f"seed {seed}: {arguments}"
        errors += isinstance(answers[0], bytes)
    if name != "delete_prefix":
        assert 0.1 < errors / ROUNDS < 0.9, "both ways out of the script are tried"


def test_native_scripts_run_inside_a_transaction_and_by_digest(connect):
    client = connect()
    client.command("ZADD", "backup", 1, "a", 2, "b")
    client.pipeline([("MULTI",), ("EVAL", SCRIPTS["cleanup_script"], 0, "queue", "backup")])
    assert client.command("EXEC") == [client.command("GET", "missing")]
    assert client.command("ZRANGE", "queue", 0, -1) == [b"a", b"b"]
    sha = hashlib.sha1(SCRIPTS["group_send_lua"].encode(), usedforsecurity=False).hexdigest()
    client.command("SCRIPT", "LOAD", SCRIPTS["group_send_lua"])
    assert client.command("EVALSHA", sha, 1, "queue", "c", 2, 3, 60) == 1
    assert client.command("EVALSHA", sha, 1, "queue", "c", 3, 3, 60) == 0
    assert client.command("ZRANGE", "queue", 0, -1) == [b"a", b"b", b"c"]


def test_a_message_that_recovery_puts_back_reaches_a_blocked_client(connect):
    waiting, client = connect(), connect()
    client.command("ZADD", "backup", 1, "message")
    waiting.send("BZPOPMIN", "queue", 10)
    wait_until_blocked(client, 1)
    client.ok("EVAL", SCRIPTS["cleanup_script"], 0, "queue", "backup")
    assert waiting.read() == [b"queue", b"message", b"1"]


@pytest.mark.parametrize("by", ["the consumer's connection", "another connection"])
def test_recovery_finds_a_backup_that_was_sent_before_it_to_a_busy_thread(server_factory, by):
    """On redis-server the order of sending decides; here the two are on different threads."""
    server = server_factory(threads=2, enable_debug_command="yes")
    (consumer, other, sleeper, *_), (next_consumer, *_) = clients_on_two_threads(server, 3).values()
    recovery = ("EVAL", SCRIPTS["cleanup_script"], 0, "queue", "queue$inflight")
    consumer.command("ZADD", "queue", 1, "message")
    consumer.command(*recovery)
    assert consumer.command("BZPOPMIN", "queue", 1) == [b"queue", b"message", b"1"]
    sleeper.send("DEBUG", "SLEEP", 1)
    wait_until(lambda: b"cmd=debug" in next_consumer.command("CLIENT", "LIST"))
    sender = consumer if by == "the consumer's connection" else other
    sender.send("ZADD", "queue$inflight", 1, "message")
    sender.close()
    next_consumer.command(*recovery)
    assert next_consumer.command("ZRANGE", "queue$inflight", 0, -1) == []
    assert next_consumer.command("ZRANGE", "queue", 0, -1) == [b"message"]
    assert sleeper.read() == Simple("OK")


def test_a_message_whose_backup_a_pause_held_is_back_in_its_queue_when_its_consumer_goes(
    server_factory,
):
    """The ZADD was sent and never ran; the lease must last until it has."""
    server = server_factory()
    consumer, control = server.connect(), server.connect()
    number = consumer.ok("CLIENT", "ID")  # now, since a lease ends with the next command
    control.ok("ZADD", "queue", 5, "message", 6, "later")
    consumer.command("EVAL", SCRIPTS["cleanup_script"], 0, "queue", "queue$inflight")
    assert consumer.command("BZPOPMIN", "queue", 1) == [b"queue", b"message", b"5"]
    assert control.command("CLIENT", "PAUSE", 60_000, "WRITE") == Simple("OK")
    consumer.send("ZADD", "queue$inflight", 5, "message")
    wait_until_blocked(control, 1)
    consumer.close()
    wait_until(lambda: client_row(control, number) is None, what="the consumer is gone")
    assert control.command("CLIENT", "UNPAUSE") == Simple("OK")
    wait_until(
        lambda: control.command("ZRANGE", "queue", 0, -1) == [b"message", b"later"],
        what="the message is back at the head of its queue",
    )
    assert control.command("ZSCORE", "queue", "message") == b"5"
    assert control.command("ZCARD", "queue$inflight") == 0


def test_the_recovery_of_a_consumer_that_hung_up_meanwhile_is_left_to_the_next(server_factory):
    """It would come after commands that were sent later, and bring back what they have handled."""
    server = server_factory(threads=2, enable_debug_command="yes")
    (consumer, sleeper, *_), (cancelled, control, *_) = clients_on_two_threads(server).values()
    recovery = ("EVAL", SCRIPTS["cleanup_script"], 0, "queue", "queue$inflight")
    number = cancelled.ok("CLIENT", "ID")
    consumer.command("ZADD", "queue", 1, "message")
    consumer.command(*recovery)
    assert consumer.command("BZPOPMIN", "queue", 1) == [b"queue", b"message", b"1"]
    sleeper.send("DEBUG", "SLEEP", 1)
    wait_until(lambda: b"cmd=debug" in control.command("CLIENT", "LIST"))
    cancelled.send(*recovery)
    wait_until_blocked(control, 1)
    cancelled.close()
    assert consumer.command("ZADD", "queue$inflight", 1, "message") == 1
    wait_until(lambda: client_row(control, number) is None, what="the consumer is gone")
    assert control.command("ZRANGE", "queue$inflight", 0, -1) == [b"message"]
    assert control.command("EXISTS", "queue") == 0


def test_the_recovery_of_a_consumer_that_hung_up_before_a_busy_thread_read_it_is_left_to_the_next(
    server_factory,
):
    server = server_factory(threads=2, enable_debug_command="yes")
    (cancelled, sleeper, *_), (consumer, *_) = clients_on_two_threads(server).values()
    number = cancelled.ok("CLIENT", "ID")
    sleeper.send("DEBUG", "SLEEP", 1)
    wait_until(lambda: b"cmd=debug" in consumer.command("CLIENT", "LIST"))
    cancelled.send("EVAL", SCRIPTS["cleanup_script"], 0, "queue", "queue$inflight")
    cancelled.close()
    assert consumer.command("ZADD", "queue$inflight", 1, "message") == 1
    wait_until(lambda: client_row(consumer, number) is None, what="the connection is gone")
    assert consumer.command("ZRANGE", "queue$inflight", 0, -1) == [b"message"]
