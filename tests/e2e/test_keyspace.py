"""Databases, expiry, scans and big values."""

from __future__ import annotations

import hashlib
import threading

import pytest

from support.observe import info, info_number
from support.resp import NULL_BULK, Error, Simple
from support.waiting import wait_until

OK = Simple("OK")
MEGABYTE = 1 << 20


# ---- use ----


@pytest.mark.chorale_only  # the reference, a 7.0, has no CLIENT NO-TOUCH
def test_idle_time_is_since_the_last_use_and_a_no_touch_client_does_not_count(connect):
    client, silent = connect(), connect()
    silent.ok("CLIENT", "NO-TOUCH", "ON")
    client.ok("SET", "key", "value")
    assert client.command("OBJECT", "IDLETIME", "key") == 0

    def idle():
        for command in (("GET", "key"), ("STRLEN", "key"), ("EXISTS", "key"), ("TTL", "key")):
            silent.command(*command)
        for command in (("EXISTS", "key"), ("TTL", "key"), ("TYPE", "key")):
            client.command(*command)
        return client.command("OBJECT", "IDLETIME", "key")

    wait_until(lambda: idle() >= 1)
    assert client.command("GET", "key") == b"value"
    assert client.command("OBJECT", "IDLETIME", "key") == 0
    wait_until(lambda: idle() >= 1)
    assert silent.command("TOUCH", "key") == 1
    assert client.command("OBJECT", "IDLETIME", "key") == 0


# ---- expiry ----


def test_an_expired_key_is_gone_for_every_command(connect):
    client = connect()
    client.pipeline([("SET", "key", "value", "PX", 20), ("RPUSH", "list", "x")])
    client.ok("PEXPIRE", "list", 20)
    wait_until(lambda: client.ok("GET", "key") is NULL_BULK)
    wait_until(lambda: client.ok("LLEN", "list") == 0)
    assert client.command("TTL", "key") == -2
    assert client.command("TYPE", "key") == Simple("none")
    assert client.command("EXISTS", "key", "list") == 0
    assert client.command("KEYS", "*") == []
    assert client.command("RANDOMKEY") is NULL_BULK
    assert client.command("DEL", "key") == 0
    assert client.command("SETNX", "key", "again") == 1
    assert client.command("TTL", "key") == -1


def test_a_key_lives_until_its_time(connect):
    client = connect()
    client.ok("SET", "key", "value", "PX", 60_000)
    assert client.command("GET", "key") == b"value"
    assert 59_000 < client.command("PTTL", "key") <= 60_000
    assert client.command("TTL", "key") in (59, 60)


def test_expired_keys_leave_without_being_asked_for(connect):
    client = connect()
    before = info_number(client, "stats", "expired_keys")
    client.pipeline([("SET", f"key{number}", "x", "PX", 30) for number in range(2000)])
    client.pipeline([("SET", f"stays{number}", "x") for number in range(100)])
    client.pipeline([("SELECT", 9), *(("SET", f"k{n}", "x", "PX", 30) for n in range(500))])
    wait_until(lambda: client.ok("DBSIZE") == 0, 20)
    client.ok("SELECT", 0)
    wait_until(lambda: client.ok("DBSIZE") == 100, 20)
    assert info_number(client, "stats", "expired_keys") - before == 2500


@pytest.mark.parametrize(
    ("command", "expires"),
    [
        (("SET", "key", "x"), False),
        (("SET", "key", "x", "KEEPTTL"), True),
        (("GETSET", "key", "x"), False),
        (("APPEND", "key", "x"), True),
        (("INCR", "key"), True),
        (("SETRANGE", "key", 1, "x"), True),
        (("SETBIT", "key", 1, 1), True),
        (("GETEX", "key"), True),
        (("GETEX", "key", "PERSIST"), False),
        (("PERSIST", "key"), False),
        (("MSET", "key", "x"), False),
        (("BITOP", "NOT", "key", "other"), False),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_commands_keep_or_drop_the_expiry_as_in_redis(connect, command, expires):
    client = connect()
    client.pipeline([("SET", "key", "1", "EX", 1000), ("SET", "other", "x")])
    client.ok(*command)
    assert (client.command("TTL", "key") > 0) is expires


def test_the_expiry_moves_with_the_key(connect):
    client = connect()
    client.ok("SET", "key", "value", "EX", 1000)
    client.ok("COPY", "key", "copy")
    client.ok("RENAME", "key", "renamed")
    client.ok("MOVE", "copy", 1)
    assert client.command("TTL", "renamed") > 0
    client.ok("SELECT", 1)
    assert client.command("TTL", "copy") > 0
    client.ok("SET", "plain", "x")
    client.ok("RENAME", "plain", "copy")
    assert client.command("TTL", "copy") == -1


def test_a_time_in_the_past_deletes_at_once(connect):
    client = connect()
    for command in [("EXPIRE", "key", -1), ("PEXPIREAT", "key", 1), ("EXPIREAT", "key", 0)]:
        client.ok("SET", "key", "value")
        assert client.command(*command) == 1
        assert client.command("EXISTS", "key") == 0


def test_an_emptied_collection_is_no_key(connect):
    client = connect()
    fill = [
        ("RPUSH", "list", "x"),
        ("HSET", "hash", "f", "x"),
        ("SADD", "set", "x"),
        ("ZADD", "zset", 1, "x"),
    ]
    empty = [("LPOP", "list"), ("HDEL", "hash", "f"), ("SREM", "set", "x"), ("ZREM", "zset", "x")]
    client.pipeline([*fill, *empty])
    assert client.command("DBSIZE") == 0


# ---- databases ----


def test_sixteen_databases_hold_their_own_keys(connect):
    client = connect()
    for number in range(16):
        assert client.pipeline([("SELECT", number), ("SET", "key", number)]) == [OK, OK]
    for number in range(16):
        client.ok("SELECT", number)
        assert client.command("GET", "key") == b"%d" % number
        assert client.command("DBSIZE") == 1
    for number in (16, -1):
        assert client.command("SELECT", number) == Error("ERR DB index is out of range")
    assert client.command("GET", "key") == b"15", "a refused SELECT changes nothing"


def test_new_connections_start_in_database_0(connect):
    client = connect()
    client.pipeline([("SELECT", 4), ("SET", "key", "four")])
    assert connect().command("GET", "key") is NULL_BULK


def test_info_counts_keys_and_expiries_of_each_database(connect):
    client = connect()
    client.pipeline([("SET", "a", 1), ("SET", "b", 1, "EX", 100), ("SELECT", 7), ("SET", "c", 1)])
    keyspace = info(client, "keyspace")
    assert keyspace["db0"].startswith("keys=2,expires=1,avg_ttl=")
    assert keyspace["db7"].startswith("keys=1,expires=0,avg_ttl=0")
    assert set(keyspace) == {"db0", "db7"}


def test_flushdb_empties_one_database_and_flushall_every_one(connect):
    client = connect()
    for number in range(3):
        client.pipeline([("SELECT", number), ("SET", "key", "x")])
    client.pipeline([("SELECT", 1), ("FLUSHDB",)])
    assert set(info(client, "keyspace")) == {"db0", "db2"}
    client.ok("FLUSHALL", "ASYNC")
    assert info(client, "keyspace") == {}


def test_swapdb_swaps_under_connected_clients(connect):
    zero, one = connect(), connect()
    one.ok("SELECT", 1)
    zero.ok("SET", "key", "zero")
    one.ok("SET", "key", "one")
    zero.ok("SWAPDB", 0, 1)
    assert zero.command("GET", "key") == b"one"
    assert one.command("GET", "key") == b"zero"


def test_move_takes_a_key_unless_the_target_has_one(connect):
    client = connect()
    client.pipeline([("SET", "key", "x"), ("SET", "taken", "mine")])
    client.pipeline([("SELECT", 1), ("SET", "taken", "theirs"), ("SELECT", 0)])
    assert client.command("MOVE", "key", 1) == 1
    assert client.command("MOVE", "key", 1) == 0
    assert client.command("MOVE", "taken", 1) == 0
    assert client.command("GET", "taken") == b"mine"


# ---- scans ----

SCANS = {
    "SCAN": ((), lambda client, n: client.ok("SET", f"e{n}", "x"), 1),
    "SSCAN": (("k",), lambda client, n: client.ok("SADD", "k", f"e{n}"), 1),
    "HSCAN": (("k",), lambda client, n: client.ok("HSET", "k", f"e{n}", "x"), 2),
    "ZSCAN": (("k",), lambda client, n: client.ok("ZADD", "k", n, f"e{n}"), 2),
}


def _scan(client, command, key, step, *options, between=lambda: None):
    found, cursor, calls = [], b"0", 0
    while True:
        cursor, items = client.ok(command, *key, cursor, *options)
        found += items[::step]
        calls += 1
        if cursor == b"0":
            return found, calls
        between()


@pytest.mark.parametrize("command", SCANS)
def test_a_scan_returns_everything_that_stays(connect, command):
    """Elements present from start to end are returned, whatever comes and goes meanwhile."""
    client, other = connect(), connect()
    key, add, step = SCANS[command]
    for number in range(2000):
        add(client, number)
    coming = iter(range(10_000, 1_000_000))

    def change() -> None:
        for _ in range(20):
            add(other, next(coming))

    found, calls = _scan(client, command, key, step, "COUNT", 50, between=change)
    assert {b"e%d" % number for number in range(2000)} <= set(found)
    assert 10 < calls < 2000


def test_a_scan_during_deletion_ends_and_returns_what_stays(connect):
    client, other = connect(), connect()
    client.pipeline([("SET", f"key{number}", "x") for number in range(3000)])
    going = iter(range(0, 3000, 2))

    def delete() -> None:
        for number in [*zip(range(30), going, strict=False)]:
            other.ok("DEL", f"key{number[1]}")

    found, _ = _scan(client, "SCAN", (), 1, "COUNT", 20, between=delete)
    assert {b"key%d" % number for number in range(1, 3000, 2)} <= set(found)


def test_scan_filters_by_pattern_and_type(connect):
    client = connect()
    client.pipeline([("SET", f"s{number}", "x") for number in range(50)])
    client.pipeline([("RPUSH", f"l{number}", "x") for number in range(50)])
    assert len(set(_scan(client, "SCAN", (), 1, "MATCH", "s1*")[0])) == 11
    assert len(set(_scan(client, "SCAN", (), 1, "TYPE", "LIST")[0])) == 50
    both, _ = _scan(client, "SCAN", (), 1, "TYPE", "list", "MATCH", "?4*")
    assert set(both) == {b"l4", *(b"l4%d" % number for number in range(10))}


GLOBS = [
    ("*", {"hello", "hallo", "hllo", "heello", "h*llo", "a[b", ""}),
    ("h?llo", {"hello", "hallo", "h*llo"}),
    ("h*llo", {"hello", "hallo", "hllo", "heello", "h*llo"}),
    ("h[ae]llo", {"hello", "hallo"}),
    ("h[^e]llo", {"hallo", "h*llo"}),
    ("h[a-b]llo", {"hallo"}),
    ("h[b-a]llo", {"hallo"}),
    ("h\\*llo", {"h*llo"}),
    ("a\\[b", {"a[b"}),
    ("a[[]b", {"a[b"}),
    ("", {""}),
    ("H*", set()),
    ("**llo", {"hello", "hallo", "hllo", "heello", "h*llo"}),
]


@pytest.mark.parametrize(("pattern", "expected"), GLOBS)
def test_keys_matches_globs(connect, pattern, expected):
    client = connect()
    client.pipeline([("SET", key, "x") for key in GLOBS[0][1]])
    assert {key.decode() for key in client.command("KEYS", pattern)} == expected


def test_a_nasty_pattern_does_not_take_for_ever(connect):
    client = connect(deadline=5)
    client.ok("SET", "a" * 100, "x")
    assert client.command("KEYS", "*a" * 20 + "b") == []


def test_randomkey_reaches_every_key(connect):
    client = connect()
    keys = {b"key%d" % number for number in range(8)}
    client.pipeline([("SET", key, "x") for key in keys])
    assert set(client.pipeline([("RANDOMKEY",)] * 500)) == keys


# ---- encodings ----

ENCODINGS = [
    ([("SET", "k", "12345")], {b"int"}),
    ([("SET", "k", "x" * 44)], {b"embstr"}),
    ([("SET", "k", "x" * 45)], {b"raw"}),
    ([("SET", "k", "1"), ("APPEND", "k", "2")], {b"raw"}),
    ([("SADD", "k", 1, 2, 3)], {b"intset"}),
    ([("SADD", "k", *range(513))], {b"hashtable"}),
    ([("SADD", "k", "a")], {b"listpack", b"hashtable"}),
    ([("HSET", "k", "f", "v")], {b"listpack"}),
    ([("HSET", "k", "f", "x" * 65)], {b"hashtable"}),
    ([("ZADD", "k", 1, "m")], {b"listpack"}),
    ([("ZADD", "k", 1, "x" * 65)], {b"skiplist"}),
    ([("ZADD", "k", *[n // 2 for n in range(258)])], {b"skiplist"}),
    ([("RPUSH", "k", "x")], {b"listpack", b"quicklist"}),
    ([("RPUSH", "k", *["x" * 1000] * 100)], {b"quicklist"}),
]


@pytest.mark.parametrize("number", range(len(ENCODINGS)))
def test_object_encoding_names_what_redis_would_use(connect, number):
    commands, expected = ENCODINGS[number]
    client = connect()
    client.pipeline(commands)
    assert client.command("OBJECT", "ENCODING", "k") in expected


# ---- big values ----


def test_a_value_of_64_megabytes_returns_unharmed(connect):
    client = connect(deadline=60)
    value = hashlib.sha256(b"seed").digest() * (64 * MEGABYTE // 32)
    assert client.command("SET", "big", value) == OK
    assert client.command("STRLEN", "big") == len(value)
    assert client.command("GETRANGE", "big", -32, -1) == value[-32:]
    assert hashlib.sha256(client.command("GET", "big")).digest() == hashlib.sha256(value).digest()
    assert client.command("APPEND", "big", "x") == len(value) + 1
    assert client.command("UNLINK", "big") == 1


def test_a_string_cannot_grow_past_512_megabytes(connect):
    client = connect()
    expected = Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    assert client.command("SETRANGE", "key", 512 * MEGABYTE, "x") == expected
    assert client.command("SETRANGE", "key", 512 * MEGABYTE - 1, "xx") == expected
    assert client.command("EXISTS", "key") == 0


def test_big_collections_keep_every_element(connect):
    client = connect(deadline=60)
    size = 50_000
    members = [b"member%d" % number for number in range(size)]
    for start in range(0, size, 5000):
        part = members[start : start + 5000]
        numbered = [word for n, m in enumerate(part, start) for word in (n, m)]
        client.pipeline(
            [
                ("RPUSH", "list", *part),
                ("SADD", "set", *part),
                ("ZADD", "zset", *numbered),
                ("HSET", "hash", *(word for m in part for word in (m, m))),
            ]
        )
    assert client.command("LRANGE", "list", 0, -1) == members
    assert client.command("ZRANGE", "zset", 0, -1) == members
    assert set(client.command("SMEMBERS", "set")) == set(members)
    assert client.command("HLEN", "hash") == size
    assert client.command("HMGET", "hash", *members[:100]) == members[:100]
    assert client.command("ZRANK", "zset", members[-1]) == size - 1
    assert client.command("ZRANGEBYSCORE", "zset", 49_990, "+inf") == members[49_990:]
    assert client.command("LINDEX", "list", 25_000) == members[25_000]
    assert client.command("UNLINK", "list", "set", "zset", "hash") == 4
    assert client.command("DBSIZE") == 0


def test_a_command_of_100_000_keys_is_one_command(connect):
    client = connect(deadline=60)
    pairs = [word for number in range(100_000) for word in (f"key{number}", number)]
    assert client.command("MSET", *pairs) == OK
    assert client.command("DBSIZE") == 100_000
    assert client.command("MGET", *pairs[::2])[99_999] == b"99999"
    assert client.command("DEL", *pairs[::2]) == 100_000


def test_binary_keys_are_keys(connect):
    client = connect()
    for key in (b"", b"\x00", b"a\r\nb", bytes(range(256)), b"x" * 100_000):
        assert client.command("SET", key, b"v" + key) == OK
        assert client.command("GET", key) == b"v" + key
        assert client.command("RENAME", key, key + b"!") == OK
        assert client.command("KEYS", "*") == [key + b"!"]
        client.ok("FLUSHDB")


# ---- memory ----


def test_past_maxmemory_writes_are_refused_and_the_rest_goes_on(server_factory):
    server = server_factory(maxmemory="64mb")
    refused = Error("OOM command not allowed when used memory > 'maxmemory'.")
    with server.connect(deadline=30) as client:
        for size in (MEGABYTE, 10_000, 100):  # Ever smaller, so that nothing fits in the end.
            keys = (f"key{size}-{number}" for number in range(100_000))
            assert any(client.command("SET", key, b"x" * size) == refused for key in keys)
        assert client.command("STRLEN", f"key{MEGABYTE}-0") == MEGABYTE
        wait_until(lambda: client.command("LPUSH", "list", "x" * 1000) == refused)
        assert client.command("EVAL", "return 1", 0) == 1
        client.ok("MULTI")
        assert client.command("SET", "a", "b") == refused
        assert client.command("EXEC").code == "EXECABORT"
        assert client.command("FLUSHALL") == OK
        wait_until(lambda: client.command("SET", "key", "x") == OK)


@pytest.mark.sanitizer
def test_counters_add_up_under_many_threads(connect):
    workers, rounds = 6, 300

    def work(client) -> None:
        for _ in range(rounds // 10):
            client.pipeline(
                [
                    *(("INCR", "number"),) * 10,
                    ("HINCRBY", "hash", "field", 10),
                    ("ZINCRBY", "zset", 10, "member"),
                    ("RPUSH", "list", *range(10)),
                ]
            )

    threads = [threading.Thread(target=work, args=(connect(),)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client, total = connect(), workers * rounds
    assert client.command("GET", "number") == b"%d" % total
    assert client.command("HGET", "hash", "field") == b"%d" % total
    assert client.command("ZSCORE", "zset", "member") == b"%d" % total
    assert client.command("LLEN", "list") == total
