"""chorale-server --import: the dump of a real redis-server, compared key by key."""

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from support.disk import journal
from support.prerequisites import program
from support.server import binary_under_test, run_to_exit
from support.waiting import wait_until

pytestmark = pytest.mark.chorale_only

DATABASES = (0, 3, 15)
INTEGERS = [0, 1, -1, 7, 127, 128, -128, -129, 4095, 4096, -4096, -4097, 32767, 32768, -32768]
INTEGERS += [-32769, 2**23 - 1, 2**23, -(2**23) - 1, 2**31 - 1, 2**31, -(2**31) - 1]
INTEGERS += [2**63 - 1, -(2**63)]
SCORES = ["0", "-0.5", "1e300", "5e-324", "inf", "-inf", "3.141592653589793", "123456789", "17"]
HOUR_MS = 3_600_000
FUNCTION = "#!lua name=numbers\nredis.register_function('one', function() return 1 end)"

random_bytes = random.Random(4).randbytes


def strings():
    yield "SET", "empty", ""
    yield "SET", "", "the empty key"
    yield "SET", bytes(range(256)), bytes(range(256))
    yield "SET", "compressible", "abc" * 100_000
    yield "SET", "incompressible", random_bytes(200_000)
    for size in (63, 64, 16_383, 16_384, 70_000):
        yield "SET", random_bytes(size), random_bytes(size)
    for number in INTEGERS:
        yield "SET", f"integer:{number}", number
    for text in ("007", "+1", "-0", " 1", "1.0", str(2**63)):
        yield "SET", f"text:{text}", text
    yield "SETBIT", "bits", 100_000, 1


def lists():
    yield "RPUSH", "list:small", "a", "", "b" * 70, *INTEGERS
    yield "RPUSH", "list:repeated", *["the same"] * 1000
    yield "RPUSH", "list:large", *(random_bytes(size % 200) for size in range(3000))
    yield "RPUSH", "list:huge elements", "x" * 20_000, random_bytes(100_000), "after"


def sets():
    yield "SADD", "set:16 bits", *(n for n in INTEGERS if -(2**15) <= n < 2**15)
    yield "SADD", "set:32 bits", *(n for n in INTEGERS if -(2**31) <= n < 2**31)
    yield "SADD", "set:64 bits", *INTEGERS
    yield "SADD", "set:many integers", *range(2000)
    yield "SADD", "set:small", "a", "", "b" * 40, 17
    yield "SADD", "set:large", *(random_bytes(1 + size % 100) for size in range(100, 3000))


def hashes():
    yield "HSET", "hash:small", "field", "value", "", "", "17", -4097
    yield "HSET", "hash:long value", "field", "y" * 5000
    yield "HSET", "hash:large", *(part for n in range(2000) for part in (f"field{n}", n))


def sorted_sets():
    yield "ZADD", "zset:small", *(part for s in SCORES for part in (s, f"member {s}"))
    yield "ZADD", "zset:integers", *(part for n in INTEGERS for part in (n, n))
    yield "ZADD", "zset:large", *(part for n in range(2000) for part in (n / 7, f"member {n}"))
    yield "ZADD", "zset:long", *(part for s in SCORES for part in (s, "z" * 100 + s))


def expiring():
    at = int(time.time() * 1000) + HOUR_MS
    yield "SET", "expiring:string", "x", "PXAT", at
    for command, name in [("RPUSH", "list"), ("SADD", "set")]:
        yield command, f"expiring:{name}", "x"
        yield "PEXPIREAT", f"expiring:{name}", at + 1
    yield "HSET", "expiring:hash", "field", "value"
    yield "PEXPIREAT", "expiring:hash", at + 2
    yield "ZADD", "expiring:zset", 1, "member"
    yield "PEXPIREAT", "expiring:zset", at + 100 * 24 * HOUR_MS


def streams():
    yield "XADD", "stream", "1-1", "field", "value"
    yield "XADD", "stream", "1-2", "field", "z" * 3000
    yield "XGROUP", "CREATE", "stream", "group", "0"
    yield "XREADGROUP", "GROUP", "group", "consumer", "COUNT", 1, "STREAMS", "stream", ">"
    yield "XDEL", "stream", "1-2"
    yield "XADD", "another stream", "*", "field", "value"


def fill(client):
    """Writes values of all types and encodings, and what Chorale has not."""
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    for family in (strings, lists, sets, hashes, sorted_sets, expiring, streams):
        for command in family():
            client.ok(*command)
    client.ok("SET", "expired", "x", "PX", 1)
    client.ok("FUNCTION", "LOAD", FUNCTION)
    for database in DATABASES[1:]:
        client.ok("SELECT", database)
        client.ok("SET", "number", database)
        client.ok("RPUSH", "list", database, "x")
    client.ok("SELECT", 0)


def value(client, key):
    """The type and the value, in an order that does not depend on the server; None of a stream."""
    kind = client.command("TYPE", key)
    match kind.text:
        case "string":
            return kind, client.command("GET", key)
        case "list":
            return kind, client.command("LRANGE", key, 0, -1)
        case "set":
            return kind, sorted(client.command("SMEMBERS", key))
        case "hash":
            fields = client.command("HGETALL", key)
            return kind, sorted(zip(fields[::2], fields[1::2], strict=True))
        case "zset":
            members = client.command("ZRANGE", key, 0, -1, "WITHSCORES")
            return kind, [(m, float(s)) for m, s in zip(members[::2], members[1::2], strict=True)]
        case "stream":
            return None
    raise AssertionError(kind)


def contents(client):
    """Every key of every database, with its value and the time at which it expires."""
    found = {}
    for database in range(16):
        client.ok("SELECT", database)
        for key in client.command("KEYS", "*"):
            if (held := value(client, key)) is not None:
                found[database, key] = (*held, client.command("PEXPIRETIME", key))
    return found


def run_import(dump: Path, directory: Path, *more: str):
    arguments = ["--import", str(dump), "--dir", str(directory), *more]
    return run_to_exit(binary_under_test(), arguments, dump.parent)


@pytest.fixture
def dump(server_factory):
    """Saves what `fill` wrote, under the options given; returns the file and the contents."""

    def save(**options):
        redis = server_factory(program("redis-server"), enable_debug_command="yes", **options)
        with redis.connect() as client:
            fill(client)
            client.ok("SAVE")
            return redis.directory / "dump.rdb", contents(client)

    return save


@pytest.mark.sanitizer
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rdbcompression": "no", "rdbchecksum": "no"},
        {
            "hash_max_listpack_entries": 0,
            "zset_max_listpack_entries": 0,
            "set_max_intset_entries": 0,
        },
        {"list_max_listpack_size": 1_000_000, "hash_max_listpack_entries": 100_000},
    ],
    ids=["default", "plain", "large encodings", "small encodings"],
)
def test_every_key_of_a_redis_server_is_there_after_an_import(
    server_factory, dump, tmp_path, options
):
    file, expected = dump(**options)
    code, report, errors = run_import(file, tmp_path / "data")
    assert (code, errors) == (0, "")
    for line in (
        f"imported keys: {len(expected)}",
        "expired keys: 1",
        "skipped, stream: 2",
        "skipped, function library: 1",
    ):
        assert line in report

    server = server_factory(dir=tmp_path / "data", persistence="everysec")
    with server.connect() as client:
        found = contents(client)
        assert found.keys() == expected.keys()
        for place, held in expected.items():
            assert found[place] == held, place


def refused(file, directory, *more):
    """The one line on stderr with which the import gave up."""
    code, _, errors = run_import(file, directory, *more)
    assert code == 1, errors
    assert len(errors.splitlines()) == 1, errors
    return errors


def test_a_damaged_file_is_refused_and_the_place_is_named(dump, tmp_path):
    file, _ = dump()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert "offset" in refused(file, tmp_path / "half")
    file.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    assert "offset" in refused(file, tmp_path / "changed")


def test_a_file_that_needs_more_databases_names_the_option(dump, tmp_path):
    file, _ = dump()
    assert "databases" in refused(file, tmp_path / "data", "--databases", "8")


def test_a_directory_that_holds_data_is_left_alone(server_factory, dump, tmp_path):
    file, expected = dump()
    code, _, errors = run_import(file, tmp_path / "data")
    assert code == 0, errors
    assert str(tmp_path / "data") in refused(file, tmp_path / "data")
    server = server_factory(dir=tmp_path / "data", persistence="everysec")
    with server.connect() as client:
        assert contents(client) == expected


@pytest.mark.sanitizer
def test_a_directory_whose_import_was_killed_is_refused_until_it_is_removed(dump, tmp_path):
    file, expected = dump()
    whole = file.read_bytes()
    pipe, data = tmp_path / "pipe", tmp_path / "data"
    os.mkfifo(pipe)
    importing = subprocess.Popen(
        [binary_under_test(), "--import", str(pipe), "--dir", str(data)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
    )
    try:
        with open(pipe, "wb") as source:
            source.write(whole[: len(whole) // 2])
            source.flush()
            wait_until(lambda: journal(data).stat().st_size > 50_000, 30)
            importing.kill()
    finally:
        importing.kill()
        importing.wait()
    start = ["--dir", str(data), "--persistence", "everysec", "--port", "0"]
    for arguments in (start, ["--check", str(data)], ["--repair", str(data)]):
        code, _, errors = run_to_exit(binary_under_test(), arguments, tmp_path)
        assert code == 1, errors
        assert len(errors.splitlines()) == 1, errors
        assert str(data) in errors
        assert "its import did not come to its end" in errors
    assert "not empty" in refused(file, data)
    shutil.rmtree(data)
    code, report, errors = run_import(file, data)
    assert (code, errors) == (0, "")
    assert f"imported keys: {len(expected)}" in report


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "nowhere.rdb" in refused(tmp_path / "nowhere.rdb", tmp_path / "data")
