"""Connection and server commands: handshakes, CLIENT, CONFIG, INFO, SLOWLOG, MONITOR, SHUTDOWN."""

from __future__ import annotations

import re
import resource
import time

import pytest
import redis

from support.observe import client_row, info, info_number, wait_until_blocked
from support.resp import (
    NULL,
    NULL_ARRAY,
    NULL_BULK,
    Error,
    Map,
    Push,
    RespClient,
    Set,
    Simple,
    Verbatim,
    encode,
)
from support.waiting import scaled, wait_until

OK = Simple("OK")
PONG = Simple("PONG")


def _id(client: RespClient) -> int:
    return client.ok("CLIENT", "ID")


# ---- HELLO, AUTH, RESET, QUIT ----


def test_hello_describes_the_server_in_the_protocol_it_chose(connect):
    client = connect()
    flat = client.command("HELLO")
    assert type(flat) is list
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    assert fields[b"proto"] == 2
    three = client.command("HELLO", 3)
    assert type(three) is Map
    assert three.get(b"server") == b"redis"
    assert re.fullmatch(rb"\d+\.\d+\.\d+", three.get(b"version"))
    assert three.get(b"proto") == 3
    assert three.get(b"id") == _id(client)
    assert three.get(b"mode") == b"standalone"
    assert three.get(b"role") == b"master"
    assert three.get(b"modules") == []
    assert type(client.command("HELLO", 2)) is list


def test_hello_refuses_an_unknown_protocol_and_changes_nothing(connect):
    client = connect()
    assert client.command("HELLO", 4) == Error("NOPROTO unsupported protocol version")
    assert client.command("GET", "missing") is NULL_BULK


def test_hello_authenticates_and_names_in_one_command(server_factory):
    server = server_factory(requirepass="secret")
    with RespClient(server.address) as client:
        assert client.command("HELLO", 3).code == "NOAUTH"
        assert client.command("HELLO", 3, "AUTH", "default", "wrong").code == "WRONGPASS"
        assert client.command("GET", "key").code == "NOAUTH"
        reply = client.command("HELLO", 3, "AUTH", "default", "secret", "SETNAME", "worker")
        assert type(reply) is Map
        assert client.command("CLIENT", "GETNAME") == b"worker"
        assert client.command("GET", "key") is NULL


def test_auth_takes_a_password_or_a_user_and_a_password(server_factory):
    server = server_factory(requirepass="secret")
    wrong = Error("WRONGPASS invalid username-password pair or user is disabled.")
    for good in [("secret",), ("default", "secret")]:
        with RespClient(server.address) as client:
            assert client.command("AUTH", "wrong") == wrong
            assert client.command("AUTH", "default", "wrong") == wrong
            assert client.command("AUTH", "nobody", "secret") == wrong
            assert client.command("GET", "k") == Error("NOAUTH Authentication required.")
            assert client.command("AUTH", *good) == OK
            assert client.command("GET", "k") is NULL_BULK


def test_before_auth_only_the_handshake_is_answered(server_factory):
    server = server_factory(requirepass="secret")
    with RespClient(server.address) as client:
        for command in [("PING",), ("SELECT", 1), ("CLIENT", "ID"), ("MULTI",), ("EVAL", "x", 0)]:
            assert client.command(*command).code == "NOAUTH", command
        assert client.command("RESET") == Simple("RESET")
        assert client.command("QUIT") == OK


def test_a_connection_stays_authenticated_when_the_password_changes(server_factory):
    server = server_factory(requirepass="first")
    with server.connect() as client, RespClient(server.address) as late:
        assert client.command("CONFIG", "SET", "requirepass", "second") == OK
        assert client.command("PING") == PONG
        assert late.command("AUTH", "first").code == "WRONGPASS"
        assert late.command("AUTH", "second") == OK


def test_reset_returns_a_connection_to_its_first_state(connect):
    client = connect(protocol=3)
    client.pipeline([("CLIENT", "SETNAME", "worker"), ("SELECT", 3), ("WATCH", "k"), ("MULTI",)])
    assert client.command("RESET") == Simple("RESET")
    assert client.command("EXEC") == Error("ERR EXEC without MULTI")
    assert client.command("GET", "missing") is NULL_BULK, "RESP2 again"
    assert client.command("CLIENT", "GETNAME") is NULL_BULK
    row = client_row(client, _id(client))
    assert row
    assert row["db"] == "0"


def test_reset_asks_for_the_password_again(server_factory):
    server = server_factory(requirepass="secret")
    with server.connect() as client:
        assert client.command("RESET") == Simple("RESET")
        assert client.command("GET", "key").code == "NOAUTH"


def test_quit_answers_what_came_before_it_and_closes(connect):
    client = connect()
    client.send_raw(encode("SET", "k", "v") + encode("QUIT") + encode("SET", "k", "after"))
    assert client.read() == OK
    assert client.read() == OK
    assert client.is_closed_by_server()
    assert connect().command("GET", "k") == b"v"


def test_commands_are_found_in_any_letter_case(connect):
    client = connect()
    assert client.command("sEt", "k", "v") == OK
    assert client.command("client", "id") > 0
    assert client.command("Config", "gEt", "MAXMEMORY")


# ---- CLIENT ----


def test_client_ids_grow_and_belong_to_one_connection(connect):
    first, second = connect(), connect()
    assert _id(first) == _id(first)
    assert _id(second) > _id(first)


def test_a_client_keeps_its_name(connect):
    client, other = connect(), connect()
    assert client.command("CLIENT", "GETNAME") is NULL_BULK
    assert client.command("CLIENT", "SETNAME", "worker:1") == OK
    assert client.command("CLIENT", "GETNAME") == b"worker:1"
    row = client_row(other, _id(client))
    assert row
    assert row["name"] == "worker:1"
    for bad in ("with space", "new\nline", "\x01"):
        assert isinstance(client.command("CLIENT", "SETNAME", bad), Error)
    assert client.command("CLIENT", "SETNAME", "") == OK
    assert client.command("CLIENT", "GETNAME") is NULL_BULK


CLIENT_LIST_FIELDS = (
    "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem "
    "rbs rbp obl oll omem tot-mem events cmd user redir resp"
)


def test_client_list_has_the_fields_that_tools_read(connect):
    client = connect(protocol=3)
    client.pipeline([("SELECT", 2), ("MULTI",), ("PING",)])
    other = connect()
    row = client_row(other, _id_of_other(other, client))
    assert row
    assert row.keys() >= set(CLIENT_LIST_FIELDS.split())
    assert (row["db"], row["multi"], row["resp"], row["cmd"]) == ("2", "1", "3", "ping")
    assert row["flags"] == "x"
    assert row["user"] == "default"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", row["addr"])


def _id_of_other(asking: RespClient, client: RespClient) -> int:
    address = "{}:{}".format(*client.socket.getsockname())
    listing = asking.ok("CLIENT", "LIST").decode()
    line = next(line for line in listing.splitlines() if f" addr={address} " in line)
    return int(line.split(" ")[0].removeprefix("id="))


def test_client_list_counts_input_that_waits_and_none_of_an_idle_client(connect):
    client, control = connect(), connect()
    number = _id(client)
    # Also after a large command, of which a buffer may be left over.
    for length in (1, 100_000):
        client.ok("SET", "key", b"x" * length)
        row = client_row(control, number)
        assert row
        assert row["qbuf"] == "0"
    behind = encode("SET", "key", b"y" * 10_000)
    client.send_raw(encode("BLPOP", "queue", 0) + behind)
    wait_until(lambda: int(client_row(control, number)["qbuf"]) >= len(behind))
    control.ok("RPUSH", "queue", "element")
    assert [client.read(), client.read()] == [[b"queue", b"element"], OK]
    assert client_row(control, number)["qbuf"] == "0"


def test_client_info_is_ones_own_row(connect):
    client = connect()
    text = client.command("CLIENT", "INFO").decode()
    assert text.startswith(f"id={_id(client)} ")
    assert "cmd=client|info" in text
    assert type(connect(protocol=3).command("CLIENT", "INFO")) is Verbatim


def test_client_list_selects_by_id_and_type(connect):
    first, second, third = connect(), connect(), connect()
    wanted = f"{_id(first)},{_id(third)}".split(",")
    listing = second.ok("CLIENT", "LIST", "ID", *wanted).decode().splitlines()
    assert [line.split(" ")[0] for line in listing] == [f"id={number}" for number in wanted]
    first.command("SUBSCRIBE", "c")
    assert len(second.ok("CLIENT", "LIST", "TYPE", "pubsub").splitlines()) == 1
    assert second.ok("CLIENT", "LIST", "TYPE", "replica") == b""
    assert len(second.ok("CLIENT", "LIST", "TYPE", "normal").splitlines()) >= 2


def test_client_kill_by_id_address_and_type(connect):
    control = connect()
    by_id, by_address, by_type = connect(), connect(), connect()
    assert control.command("CLIENT", "KILL", "ID", _id(by_id)) == 1
    assert by_id.is_closed_by_server()
    address = "{}:{}".format(*by_address.socket.getsockname())
    assert control.command("CLIENT", "KILL", address) == OK
    assert by_address.is_closed_by_server()
    assert control.command("CLIENT", "KILL", address) == Error("ERR No such client")
    by_type.command("SUBSCRIBE", "c")
    assert control.command("CLIENT", "KILL", "TYPE", "pubsub") == 1
    assert by_type.is_closed_by_server()
    assert control.command("PING") == PONG


def test_client_kill_spares_the_asking_connection_unless_told_otherwise(connect):
    control = connect()
    own = _id(control)
    assert control.command("CLIENT", "KILL", "ID", own) == 0
    assert control.command("CLIENT", "KILL", "ID", own, "SKIPME", "no") == 1
    assert control.is_closed_by_server()


def test_client_reply_skip_and_off_answer_nothing(connect):
    client = connect()
    client.send("CLIENT", "REPLY", "SKIP")
    client.send("SET", "skipped", "1")
    assert client.command("GET", "skipped") == b"1"
    client.send("CLIENT", "REPLY", "OFF")
    client.send("SET", "off", "1")
    client.send("NOSUCHCOMMAND")
    client.send("CLIENT", "REPLY", "ON")
    assert client.read() == OK, "the answer to ON"
    assert client.command("GET", "off") == b"1"


@pytest.mark.parametrize("mode", ["OFF", "SKIP"])
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("end", ["served", "timed out", "unblocked", "unblocked with an error"])
def test_a_blocking_command_that_nobody_wants_to_hear_of_ends_unheard(connect, mode, protocol, end):
    client, control = connect(protocol), connect()
    number = _id(client)
    client.send("CLIENT", "REPLY", mode)
    client.send("BLPOP", "queue", 0.5 if end == "timed out" else 0)
    wait_until_blocked(control, 1)
    match end:
        case "served":
            assert control.command("RPUSH", "queue", "element") == 1
        case "unblocked":
            assert control.command("CLIENT", "UNBLOCK", number) == 1
        case "unblocked with an error":
            assert control.command("CLIENT", "UNBLOCK", number, "ERROR") == 1
    wait_until_blocked(control, 0)
    assert control.command("LLEN", "queue") == 0
    assert client.command("CLIENT", "REPLY", "ON") == OK, "the first that it hears"
    assert client.command("ECHO", "next") == b"next"


def _kinds_of(pushes: list) -> list:
    return [(push[0].decode(), push[1].decode()) for push in pushes]


@pytest.mark.parametrize("protocol", [2, 3])
def test_confirmations_and_messages_come_although_replies_are_off(connect, protocol):
    client, control = connect(protocol), connect()
    client.send("CLIENT", "REPLY", "OFF")
    client.send("SUBSCRIBE", "channel", "other")
    client.send("PSUBSCRIBE", "chan*")
    client.send("SSUBSCRIBE", "shard")
    heard = [client.read() for _ in range(4)]
    control.ok("PUBLISH", "channel", "message")
    control.ok("SPUBLISH", "shard", "message")
    heard += [client.read() for _ in range(3)]
    for command in ("UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"):
        client.send("PING")
        client.send("CLIENT", "NOSUCH")
        client.send(command)
    heard += [client.read() for _ in range(4)]
    assert all(type(each) is (Push if protocol == 3 else list) for each in heard)
    kinds = _kinds_of(heard)
    assert kinds[:7] == [
        ("subscribe", "channel"),
        ("subscribe", "other"),
        ("psubscribe", "chan*"),
        ("ssubscribe", "shard"),
        ("message", "channel"),
        ("pmessage", "chan*"),
        ("smessage", "shard"),
    ]
    # All channels at once are left in no order.
    assert sorted(kinds[7:9]) == [("unsubscribe", "channel"), ("unsubscribe", "other")]
    assert kinds[9:] == [("punsubscribe", "chan*"), ("sunsubscribe", "shard")]
    assert client.command("CLIENT", "REPLY", "ON") == OK


@pytest.mark.parametrize("protocol", [2, 3])
def test_skip_hides_no_confirmation_and_no_reply_after_it(connect, protocol):
    client, control = connect(protocol), connect()
    client.send("CLIENT", "REPLY", "SKIP")
    client.send("SUBSCRIBE", "one", "two")
    assert _kinds_of([client.read(), client.read()]) == [("subscribe", "one"), ("subscribe", "two")]
    assert control.command("PUBLISH", "two", "message") == 1
    assert _kinds_of([client.read()]) == [("message", "two")]
    assert client.command("PING") == (PONG if protocol == 3 else [b"pong", b""])


def test_a_resp3_subscriber_hears_messages_between_replies_that_it_does_not_want(connect):
    client, control = connect(protocol=3), connect()
    client.send("SUBSCRIBE", "channel")
    client.read_push()
    client.send("CLIENT", "REPLY", "OFF")
    client.send("SET", "key", "value")
    wait_until(lambda: control.command("EXISTS", "key") == 1)
    assert control.command("PUBLISH", "channel", "message") == 1
    assert client.read() == Push([b"message", b"channel", b"message"])
    client.send("PUBLISH", "channel", "to myself")
    assert client.read() == Push([b"message", b"channel", b"to myself"])
    client.send("CLIENT", "REPLY", "ON")
    assert client.read() == OK


def test_client_pause_holds_commands_until_it_ends(server_factory):
    server = server_factory()
    with server.connect() as control, server.connect() as client:
        start = time.monotonic()
        assert control.command("CLIENT", "PAUSE", 400) == OK
        client.send("PING")
        assert client.is_quiet(0.1)
        assert client.read() == PONG
        assert time.monotonic() - start > 0.35


def test_client_pause_write_lets_readers_go_on(server_factory):
    server = server_factory()
    with server.connect() as control, server.connect() as writer, server.connect() as transaction:
        control.ok("SET", "k", "v")
        transaction.pipeline([("MULTI",), ("SET", "k", "newer")])
        assert control.command("CLIENT", "PAUSE", 60_000, "WRITE") == OK
        writer.send("SET", "k", "new")
        transaction.send("EXEC")
        assert writer.is_quiet(0.1)
        assert transaction.is_quiet(0.1)
        assert control.command("GET", "k") == b"v"
        assert control.command("CLIENT", "UNPAUSE") == OK
        assert writer.read() == OK
        assert transaction.read() == [OK]


def test_a_push_held_by_a_pause_serves_its_waiter_afterwards(server_factory):
    server = server_factory()
    with server.connect() as control, server.connect() as waiter, server.connect() as writer:
        waiter.send("BLPOP", "queue", 0)
        wait_until_blocked(control, 1)
        assert control.command("CLIENT", "PAUSE", 60_000, "WRITE") == OK
        writer.send("RPUSH", "queue", "element")
        assert waiter.is_quiet(0.1)
        assert control.command("CLIENT", "UNPAUSE") == OK
        assert waiter.read() == [b"queue", b"element"]


def test_client_no_evict_is_accepted(connect):
    client = connect()
    assert client.command("CLIENT", "NO-EVICT", "ON") == OK
    row = client_row(client, _id(client))
    assert row
    assert "e" in row["flags"]
    assert client.command("CLIENT", "NO-EVICT", "OFF") == OK


@pytest.mark.chorale_only
def test_client_no_touch_is_accepted(connect):
    client = connect()
    assert client.command("CLIENT", "NO-TOUCH", "ON") == OK
    assert client.command("CLIENT", "NO-TOUCH", "OFF") == OK


@pytest.mark.chorale_only
def test_client_tracking_is_refused_clearly(connect):
    client = connect(protocol=3)
    reply = client.command("CLIENT", "TRACKING", "ON")
    assert isinstance(reply, Error)
    assert "tracking" in reply.text.lower()
    assert client.command("PING") == PONG


@pytest.mark.chorale_only
def test_client_setinfo_is_shown_in_the_list(connect):
    client = connect()
    assert client.command("CLIENT", "SETINFO", "LIB-NAME", "redis-py") == OK
    assert client.command("CLIENT", "SETINFO", "lib-ver", "8.1.0") == OK
    row = client_row(client, _id(client))
    assert row
    assert (row["lib-name"], row["lib-ver"]) == ("redis-py", "8.1.0")
    assert isinstance(client.command("CLIENT", "SETINFO", "LIB-NAME", "a b"), Error)


@pytest.mark.parametrize(
    "command",
    [
        ("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "internal-ip"),
        ("CLIENT", "SETINFO", "LIB-NAME", "x"),
        ("CLIENT", "CAPA", "redirect"),
        ("SENTINEL", "MASTERS"),
        ("CLUSTER", "NODES"),
        ("CLUSTER", "SLOTS"),
        ("MODULE", "LIST"),
        ("ACL", "WHOAMI"),
        ("NOSUCHCOMMAND",),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_every_handshake_question_gets_exactly_one_answer(connect, command):
    client = connect()
    replies = client.pipeline([command, ("ECHO", "next")])
    assert replies[1] == b"next"


def test_the_pipelined_handshake_of_stackexchange_redis_is_answered(connect):
    client = connect()
    replies = client.pipeline(
        [
            ("CLIENT", "SETNAME", "app"),
            ("CLIENT", "SETINFO", "lib-name", "SE.Redis"),
            ("CLIENT", "ID"),
            ("CONFIG", "GET", "timeout"),
            ("CONFIG", "GET", "replica-read-only"),
            ("CONFIG", "GET", "databases"),
            ("SENTINEL", "MASTERS"),
            ("INFO", "replication"),
            ("INFO", "server"),
            ("CLUSTER", "NODES"),
            ("GET", "__Booksleeve_TieBreak"),
            ("ECHO", b"\x01\x02"),
        ]
    )
    assert replies[0] == OK
    assert replies[3] == [b"timeout", b"0"]
    assert replies[4] in ([b"replica-read-only", b"yes"], [])
    assert replies[5] == [b"databases", b"16"]
    assert isinstance(replies[6], Error)
    assert b"role:master" in replies[7]
    assert b"redis_version:" in replies[8]
    assert b"redis_mode:standalone" in replies[8]
    assert isinstance(replies[9], Error)
    assert replies[10:] == [NULL_BULK, b"\x01\x02"]


# ---- COMMAND ----


def test_command_count_list_and_rows_agree(connect):
    client = connect()
    count = client.command("COMMAND", "COUNT")
    names = client.command("COMMAND", "LIST")
    rows = client.command("COMMAND")
    assert len(rows) == count > 150
    assert {row[0] for row in rows} == {name for name in names if b"|" not in name}
    assert all(len(row) == 10 for row in rows)


def test_command_info_describes_a_command(connect):
    client = connect()
    get, missing, client_id = client.command("COMMAND", "INFO", "GET", "nosuch", "client|id")
    assert get[0] == b"get"
    assert get[1] == 2
    assert {Simple("readonly"), Simple("fast")} <= set(get[2])
    assert get[3:6] == [1, 1, 1]
    assert Simple("@read") in get[6]
    assert get[8], "key specifications"
    assert missing in (NULL_ARRAY, NULL_BULK)
    assert client_id[0] == b"client|id"


def test_command_info_is_typed_in_resp3(connect):
    client = connect(protocol=3)
    get, missing = client.command("COMMAND", "INFO", "get", "nosuch")
    assert type(get[2]) is Set
    assert type(get[6]) is Set
    assert missing is NULL


IMPORTANT_FLAGS = {
    Simple(name)
    for name in ("write", "readonly", "pubsub", "noscript", "blocking", "denyoom", "admin", "fast")
}


def test_rows_agree_with_those_of_redis(pair):
    """Keys' positions and the flags that clients and proxies act on."""
    reference, tested = (
        {row[0]: row for row in control.ok("COMMAND")} for control in pair.controls
    )
    problems = []
    for name in sorted(reference.keys() & tested.keys()):
        expected, actual = reference[name], tested[name]
        if expected[3:6] != actual[3:6]:
            problems.append(f"{name!r} keys: {expected[3:6]} became {actual[3:6]}")
        flags = [set(row[2]) & IMPORTANT_FLAGS for row in (expected, actual)]
        if Simple("blocking") in flags[0]:  # Scripts may run them since 7.2.
            flags = [names - {Simple("noscript")} for names in flags]
        if flags[0] != flags[1]:
            missing, extra = flags[0] - flags[1], flags[1] - flags[0]
            problems.append(f"{name!r} flags: lacks {missing or '{}'}, has {extra or '{}'} more")
    assert not problems, "\n".join(problems)


def test_command_list_filters(connect):
    client = connect()
    assert set(client.command("COMMAND", "LIST", "FILTERBY", "PATTERN", "hget*")) == {
        b"hget",
        b"hgetall",
    }
    hashes = client.command("COMMAND", "LIST", "FILTERBY", "ACLCAT", "hash")
    assert b"hset" in hashes
    assert b"get" not in hashes
    assert client.command("COMMAND", "LIST", "FILTERBY", "MODULE", "none") == []


def test_command_docs_satisfies_redis_cli(connect):
    client = connect(protocol=3)
    docs = client.command("COMMAND", "DOCS", "GET", "nosuch")
    assert [name for name, _ in docs] == [b"get"]
    fields = docs[0][1].dict()
    assert {b"summary", b"group"} <= fields.keys()
    assert fields[b"group"] == b"string"
    assert len(client.command("COMMAND", "DOCS")) == client.command("COMMAND", "COUNT")


# ---- CONFIG ----


def test_config_get_takes_patterns_and_several_names(connect):
    client = connect()
    assert client.command("CONFIG", "GET", "databases") == [b"databases", b"16"]
    flat = client.command("CONFIG", "GET", "slowlog-*", "MAXMEMORY", "nosuch")
    assert {name.lower() for name in flat[::2]} == {
        b"slowlog-log-slower-than",
        b"slowlog-max-len",
        b"maxmemory",
    }
    assert type(connect(protocol=3).command("CONFIG", "GET", "*")) is Map


CONFIG_NAMES = (
    "port bind timeout databases maxclients maxmemory requirepass save appendonly dir logfile "
    "proto-max-bulk-len client-output-buffer-limit slowlog-max-len latency-monitor-threshold "
    "tcp-keepalive protected-mode unixsocket loglevel hz"
)


@pytest.mark.parametrize("name", CONFIG_NAMES.split())
def test_config_get_knows_what_tools_ask_for(connect, name):
    reply = connect().command("CONFIG", "GET", name)
    assert reply[:1] == [name.encode()]


def test_config_set_takes_effect_and_reads_back(server_factory):
    with server_factory().connect() as client:
        for name, value in [
            ("maxmemory", b"104857600"),
            ("slowlog-log-slower-than", b"5"),
            ("slowlog-max-len", b"7"),
            ("timeout", b"300"),
            ("maxclients", b"500"),
            ("requirepass", b""),
        ]:
            assert client.command("CONFIG", "SET", name, value) == OK
            assert client.command("CONFIG", "GET", name) == [name.encode(), value]
        assert client.command("CONFIG", "SET", "maxmemory", "64mb") == OK
        assert client.command("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"67108864"]


def test_config_set_of_several_options_is_all_or_nothing(server_factory):
    with server_factory().connect() as client:
        before = client.command("CONFIG", "GET", "timeout", "slowlog-max-len")
        bad = client.command("CONFIG", "SET", "timeout", 77, "slowlog-max-len", "abc")
        assert isinstance(bad, Error)
        assert client.command("CONFIG", "GET", "timeout", "slowlog-max-len") == before
        assert client.command("CONFIG", "SET", "timeout", 77, "slowlog-max-len", 9) == OK
        assert sorted(client.command("CONFIG", "GET", "timeout", "slowlog-max-len")) == [
            b"77",
            b"9",
            b"slowlog-max-len",
            b"timeout",
        ]


def test_config_set_refuses_what_only_a_start_can_change(connect):
    reply = connect().command("CONFIG", "SET", "databases", 4)
    assert isinstance(reply, Error)
    assert "immutable config" in reply.text


def test_config_resetstat_starts_the_counters_again(connect):
    client = connect()
    client.pipeline([("SET", "k", "v"), ("GET", "k"), ("GET", "missing"), ("NOSUCHCOMMAND",)])
    assert info_number(client, "stats", "keyspace_hits") >= 1
    assert client.command("CONFIG", "RESETSTAT") == OK
    stats = info(client, "stats")
    assert (stats["keyspace_hits"], stats["keyspace_misses"]) == ("0", "0")
    assert int(stats["total_commands_processed"]) <= 2


def test_config_rewrite_without_a_file_is_an_error(connect):
    assert connect().command("CONFIG", "REWRITE") == Error(
        "ERR The server is running without a config file"
    )


def test_an_idle_client_is_closed_after_the_timeout(server_factory):
    server = server_factory(timeout=1)
    with server.connect() as idle, server.connect() as subscriber, server.connect() as waiting:
        subscriber.command("SUBSCRIBE", "c")
        waiting.send("BLPOP", "queue", 0)
        assert idle.is_closed_by_server(scaled(10))
        assert subscriber.command("PING", "still") == [b"pong", b"still"]
        with server.connect() as pusher:
            pusher.ok("RPUSH", "queue", "x")
        assert waiting.read() == [b"queue", b"x"]


@pytest.mark.chorale_only
def test_more_clients_than_descriptors_are_refused(server_factory):
    server = server_factory()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (12000, 12000))
    with server.connect() as client:
        client.ok("CONFIG", "SET", "maxclients", 11000)
        refused = client.command("CONFIG", "SET", "maxclients", 4294967295)
        words = "The operating system is not able to handle the specified number of clients, try "
        assert words in refused.text
        assert client.ok("CONFIG", "GET", "maxclients") == [b"maxclients", b"11000"]
        # As many as the answer names are possible.
        possible = int(refused.text.rsplit(" ", 1)[1])
        client.ok("CONFIG", "SET", "maxclients", possible)
        assert possible > 11000


def test_past_maxclients_a_connection_is_refused_with_an_error(server_factory):
    server = server_factory(maxclients=5)
    clients = [server.connect() for _ in range(5)]
    for client in clients:
        assert client.command("PING") == PONG
    with RespClient(server.address) as refused:
        assert refused.read() == Error("ERR max number of clients reached")
        assert refused.is_closed_by_server()
    clients[0].close()

    def accepted() -> bool:
        try:
            with RespClient(server.address) as again:
                return again.command("PING") == PONG
        except ConnectionError:
            return False

    wait_until(accepted)
    assert info_number(clients[1], "stats", "rejected_connections") >= 1
    for client in clients[1:]:
        client.close()


# ---- INFO ----

# What redis_exporter, StackExchange.Redis, ioredis, RQ and redis-cli read.
INFO_FIELDS = {
    "server": "redis_version redis_mode os arch_bits process_id run_id tcp_port "
    "uptime_in_seconds uptime_in_days hz executable config_file server_time_usec",
    "clients": "connected_clients maxclients blocked_clients tracking_clients "
    "client_recent_max_input_buffer client_recent_max_output_buffer",
    "memory": "used_memory used_memory_human used_memory_rss used_memory_peak used_memory_overhead "
    "used_memory_dataset maxmemory maxmemory_policy mem_fragmentation_ratio used_memory_lua "
    "used_memory_startup mem_allocator total_system_memory",
    "persistence": "loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time "
    "rdb_last_bgsave_status aof_enabled aof_rewrite_in_progress",
    "stats": "total_connections_received total_commands_processed instantaneous_ops_per_sec "
    "total_net_input_bytes total_net_output_bytes instantaneous_input_kbps "
    "instantaneous_output_kbps rejected_connections expired_keys evicted_keys keyspace_hits "
    "keyspace_misses pubsub_channels pubsub_patterns pubsubshard_channels latest_fork_usec "
    "total_error_replies sync_full sync_partial_ok sync_partial_err",
    "replication": "role connected_slaves master_repl_offset master_replid repl_backlog_active "
    "repl_backlog_size",
    "cpu": "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children",
    "cluster": "cluster_enabled",
}


@pytest.mark.parametrize("section", INFO_FIELDS)
def test_info_has_the_fields_that_clients_and_exporters_read(connect, section):
    fields = info(connect(), section)
    assert set(INFO_FIELDS[section].split()) <= fields.keys()


def test_info_reports_values_that_are_true(connect, shared_server):
    client, other = connect(), connect()
    fields = info(client)
    assert fields["tcp_port"] == str(shared_server.port)
    assert fields["process_id"] == str(shared_server.pid)
    assert fields["loading"] == "0"
    assert fields["role"] == "master"
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["redis_version"])
    assert int(fields["connected_clients"]) >= 2
    assert int(fields["used_memory"]) > 100_000
    assert int(fields["used_memory_rss"]) > 1_000_000
    assert float(fields["used_cpu_user"]) >= 0
    other.pipeline([("SET", "k", "v"), ("GET", "k"), ("GET", "missing")])
    after = info(client)
    for field, least in [
        ("keyspace_hits", 1),
        ("keyspace_misses", 1),
        ("total_commands_processed", 4),
        ("total_net_input_bytes", 50),
        ("total_net_output_bytes", 50),
    ]:
        assert int(after[field]) - int(fields[field]) >= least, field
    other.close()
    wait_until(
        lambda: (
            info_number(client, "clients", "connected_clients") < int(after["connected_clients"])
        )
    )


def test_used_memory_follows_the_data(connect):
    client = connect()
    before = info_number(client, "memory", "used_memory")
    client.ok("SET", "big", b"x" * 20_000_000)
    wait_until(lambda: info_number(client, "memory", "used_memory") > before + 19_000_000)
    client.ok("DEL", "big")
    wait_until(lambda: info_number(client, "memory", "used_memory") < before + 10_000_000)


def test_info_selects_sections(connect):
    client = connect()
    assert b"# Server" in client.command("INFO", "server")
    assert b"# Clients" not in client.command("INFO", "server")
    two = client.command("INFO", "CLIENTS", "memory")
    assert b"# Clients" in two
    assert b"# Memory" in two
    assert client.command("INFO", "nosuchsection") == b""
    plain = client.command("INFO")
    assert b"# Keyspace" in plain
    assert b"# Commandstats" not in plain
    for word in ("all", "everything"):
        assert b"# Commandstats" in client.command("INFO", word)
    assert type(connect(protocol=3).command("INFO")) is Verbatim


def test_info_counts_calls_and_errors_by_command(connect):
    client = connect()
    client.ok("CONFIG", "RESETSTAT")
    client.pipeline(
        [("SET", "text", "x"), ("SET", "text", "y"), ("INCR", "text"), ("LPUSH", "text", "x")]
    )
    stats = info(client, "commandstats")
    calls = dict(part.split("=") for part in stats["cmdstat_set"].split(","))
    assert calls["calls"] == "2"
    assert float(calls["usec_per_call"]) >= 0
    failed = dict(part.split("=") for part in stats["cmdstat_incr"].split(","))
    assert failed["failed_calls"] == "1"
    errors = info(client, "errorstats")
    assert errors["errorstat_WRONGTYPE"] == "count=1"
    assert errors["errorstat_ERR"] == "count=1"


@pytest.mark.chorale_only
def test_info_tells_chorales_own_version_and_a_redis_version_to_compare_with(connect):
    fields = info(connect(), "server")
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", fields["chorale_version"])
    assert fields["redis_version"] == "7.4.0"


def test_redis_py_reads_info_and_lists_clients(shared_server, connect):
    client = redis.Redis(port=shared_server.port, protocol=3, client_name="reader")
    assert client.info()["redis_mode"] == "standalone"
    assert client.info("commandstats")
    assert any(row["name"] == "reader" for row in client.client_list())
    assert client.command_count() > 150
    assert client.config_get("maxmemory") == {"maxmemory": "0"}
    assert client.slowlog_get(1) is not None
    client.close()


# ---- SLOWLOG, LATENCY, MEMORY, MONITOR ----


def test_slowlog_keeps_what_was_slow(server_factory):
    server = server_factory(slowlog_log_slower_than=0, slowlog_max_len=5)
    with server.connect() as client:
        client.pipeline(
            [("CLIENT", "SETNAME", "me"), ("SLOWLOG", "RESET"), ("SET", "key", "value")]
        )
        entries = client.command("SLOWLOG", "GET", 10)
        entry = next(entry for entry in entries if entry[3] == [b"SET", b"key", b"value"])
        number, at, micros, _, address, name = entry
        assert abs(at - time.time()) < 60
        assert micros >= 0
        assert number >= 0
        assert re.fullmatch(rb"127\.0\.0\.1:\d+", address)
        assert name == b"me"
        client.pipeline([("SET", "k", n) for n in range(20)])
        assert client.command("SLOWLOG", "LEN") == 5
        numbers = [entry[0] for entry in client.command("SLOWLOG", "GET", -1)]
        assert numbers == sorted(numbers, reverse=True)
        assert len(client.command("SLOWLOG", "GET", 2)) == 2
        client.pipeline([("CONFIG", "SET", "slowlog-log-slower-than", -1), ("SLOWLOG", "RESET")])
        client.pipeline([("SET", "k", "v"), ("GET", "k")])
        assert client.command("SLOWLOG", "LEN") == 0


def test_slowlog_shortens_long_commands(server_factory):
    server = server_factory(slowlog_log_slower_than=0)
    with server.connect() as client:
        client.ok("SLOWLOG", "RESET")
        client.ok("RPUSH", "list", *["x"] * 100)
        client.ok("SET", "key", "y" * 1000)
        entries = {entry[3][0]: entry[3] for entry in client.command("SLOWLOG", "GET", 10)}
        assert len(entries[b"RPUSH"]) == 32
        assert entries[b"RPUSH"][-1] == b"... (71 more arguments)"
        assert entries[b"SET"][2] == b"y" * 128 + b"... (872 more bytes)"


def test_acl_log_tells_who_gave_a_wrong_password(server_factory):
    server = server_factory(requirepass="sesame")
    with server.connect(protocol=3) as client, RespClient(server.address) as stranger:
        for _ in range(3):
            assert stranger.command("AUTH", "open").code == "WRONGPASS"
        assert stranger.command("HELLO", "3", "AUTH", "ali", "open").code == "WRONGPASS"
        address = b" addr=127.0.0.1:%d " % stranger.socket.getsockname()[1]
        hello, auth = (entry.dict() for entry in client.ok("ACL", "LOG"))
        assert (auth[b"count"], auth[b"object"], auth[b"username"]) == (3, b"AUTH", b"default")
        assert (hello[b"count"], hello[b"object"], hello[b"username"]) == (1, b"HELLO", b"ali")
        for entry in (hello, auth):
            assert (entry[b"reason"], entry[b"context"]) == (b"auth", b"toplevel")
            assert 0 <= float(entry[b"age-seconds"]) < 60
            assert address in entry[b"client-info"]
            assert b"sesame" not in entry[b"client-info"]
        assert len(client.ok("ACL", "LOG", 1)) == 1
        client.ok("ACL", "LOG", "RESET")
        assert client.ok("ACL", "LOG") == []


def test_acl_genpass_makes_another_password_each_time(connect):
    client = connect()
    made = {client.ok("ACL", "GENPASS") for _ in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch(rb"[0-9a-f]{64}", password) for password in made)
    assert [len(client.ok("ACL", "GENPASS", bits)) for bits in (1, 4, 5, 4096)] == [1, 1, 2, 1024]


def test_latency_graph_draws_what_was_slow(server_factory):
    server = server_factory(enable_debug_command="yes", latency_monitor_threshold=5)
    with server.connect() as client:
        client.ok("DEBUG", "SLEEP", "0.02")
        drawn = client.ok("LATENCY", "GRAPH", "command")
    assert drawn.startswith(b"command")
    assert re.search(rb"\b2\d ms\b", drawn)


def test_latency_answers(connect):
    client = connect()
    assert client.command("LATENCY", "LATEST") == []
    assert client.command("LATENCY", "HISTORY", "command") == []
    assert client.command("LATENCY", "RESET") == 0
    assert isinstance(client.command("LATENCY", "DOCTOR"), (bytes, Error))


def test_memory_usage_grows_with_the_value(connect):
    client = connect()
    client.pipeline(
        [("SET", "small", "x"), ("SET", "big", "x" * 100_000), ("RPUSH", "list", *range(1000))]
    )
    small, big, items = (client.command("MEMORY", "USAGE", key) for key in ("small", "big", "list"))
    assert 10 < small < 1000
    assert 100_000 <= big < 200_000
    assert 1000 <= items < 100_000
    assert client.command("MEMORY", "USAGE", "missing") is NULL_BULK


def test_monitor_shows_what_others_run(connect):
    watching, client = connect(), connect()
    assert watching.command("MONITOR") == OK
    client.pipeline([("SELECT", 3), ("SET", 'a"b', b"\x00\n\xff"), ("GET", "missing")])
    seen = [watching.read().text for _ in range(3)]
    assert re.fullmatch(r'\d+\.\d{6} \[[03] 127\.0\.0\.1:\d+\] "SELECT" "3"', seen[0])
    assert re.search(r'\[3 .*\] "SET" "a\\"b" "\\x00\\n\\xff"$', seen[1])
    assert re.search(r'\[3 .*\] "GET" "missing"$', seen[2])
    assert watching.command("RESET") == Simple("RESET")
    client.ok("SET", "k", "v")
    assert watching.is_quiet()


def test_monitor_shows_commands_of_scripts_and_hides_passwords(server_factory):
    server = server_factory(requirepass="secret")
    with server.connect() as watching, RespClient(server.address) as client:
        watching.command("MONITOR")
        client.command("AUTH", "secret")
        client.ok("EVAL", "return redis.call('SET', KEYS[1], 'x')", 1, "k")
        lines = []
        while not lines or '"SET"' not in lines[-1]:
            lines.append(watching.read().text)
        assert " lua] " in lines[-1]
        assert not any("secret" in line for line in lines)


# ---- TIME, ROLE, LASTSAVE, WAIT, DEBUG, SHUTDOWN ----


def test_time_is_the_time(connect):
    seconds, micros = connect().command("TIME")
    assert abs(int(seconds) - time.time()) < 5
    assert 0 <= int(micros) < 1_000_000


def test_role_lastsave_and_wait_answer_as_a_lone_master(connect):
    client = connect()
    assert client.command("ROLE") == [b"master", 0, []]
    assert client.command("LASTSAVE") > 1_600_000_000
    assert client.command("WAIT", 0, 0) == 0
    start = time.monotonic()
    assert client.command("WAIT", 1, 100) == 0
    assert time.monotonic() - start < scaled(5)


def test_debug_is_off_unless_allowed(connect):
    reply = connect().command("DEBUG", "SLEEP", "0")
    assert isinstance(reply, Error)
    assert "DEBUG command not allowed" in reply.text
    assert "enable-debug-command" in reply.text


def test_debug_sleep_works_when_allowed(server_factory):
    with server_factory(enable_debug_command="yes").connect() as client:
        start = time.monotonic()
        assert client.command("DEBUG", "SLEEP", "0.2") == OK
        assert time.monotonic() - start > 0.19


def test_lolwut_is_not_needed_but_answered(connect):
    assert connect().pipeline([("LOLWUT",), ("PING",)])[1] == PONG


@pytest.mark.parametrize("how", [(), ("NOSAVE",), ("NOW",)], ids=lambda how: " ".join(how) or "-")
def test_shutdown_ends_the_process_well(server_factory, how):
    server = server_factory()
    with server.connect() as client, server.connect() as other:
        other.command("SUBSCRIBE", "c")
        client.send("SHUTDOWN", *how)
        assert client.is_closed_by_server()
        assert other.is_closed_by_server()
    assert server.wait() == 0


def test_shutdown_abort_without_a_shutdown_is_an_error(connect):
    assert connect().command("SHUTDOWN", "ABORT") == Error("ERR No shutdown in progress.")
