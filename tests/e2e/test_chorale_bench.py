"""chorale-bench: every workload for a very short time. What it counts must be what the server has.

Nothing here looks at how long something took.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.bench import bench, command, program, run_to_exit
from support.observe import info_number
from support.prerequisites import program as installed
from support.resp import RespClient
from support.server import Server, binary_under_test, free_port
from support.waiting import scaled, wait_until

# Each is a command of Redis.
PLAIN = [
    "ping",
    "get",
    "set",
    "incr",
    "lpush",
    "rpop",
    "lpush_rpop",
    "sadd",
    "hset",
    "zadd",
    "zpopmin",
    "mset",
]
WORKLOADS = [
    *PLAIN,
    "core_send_receive",
    "core_group_add",
    "core_group_send",
    "pubsub_send_receive",
    "pubsub_group_send",
    "native_send_receive",
    "native_general_send_receive",
    "native_group_add",
    "native_group_send",
    "publish",
    "storm",
    "idle",
    "memory_string",
    "memory_zset",
]
PERCENTILES = ["p50", "p90", "p95", "p99", "p99.9", "max"]


@pytest.fixture(scope="module", params=["under_test", "redis"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The server under test, and a redis-server."""
    binary = binary_under_test() if request.param == "under_test" else installed("redis-server")
    server = Server(binary, tmp_path_factory.mktemp("bench") / request.param)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(target: Server) -> Iterator[RespClient]:
    """A connection to it, emptied before the test."""
    with target.connect(deadline=30) as connection:
        connection.ok("FLUSHALL")
        yield connection


def check(result: dict[str, Any], workload: str, **settings: object) -> None:
    """What holds for every result."""
    assert result["workload"] == workload
    for name, value in settings.items():
        assert result["settings"][name] == value
    assert result["operations"] > 0
    assert result["errors"] == 0, result.get("first_error")
    assert result["seconds"] > 0
    assert result["throughput"] == pytest.approx(result["operations"] / result["seconds"])
    assert result["loader"]["cpu_us_per_operation"] > 0
    assert 0 < result["loader"]["busiest_thread"] < 1.5
    check_times(result["latency_us"])
    if "deliveries" in result:
        check_times(result["delivery_latency_us"])


def check_times(times: dict[str, float]) -> None:
    assert list(times) == ["mean", *PERCENTILES]
    assert times["max"] > 0
    assert times["mean"] <= times["max"]
    ascending = [times[name] for name in PERCENTILES]
    assert ascending == sorted(ascending)


def keys_of(client: RespClient) -> list[str]:
    return sorted(key.decode() for key in client.ok("KEYS", "*"))


# ---- plain commands ----


@pytest.mark.parametrize("pipeline", [1, 16])
@pytest.mark.parametrize("workload", PLAIN)
def test_a_plain_command_is_sent_and_counted(
    target: Server, client: RespClient, workload: str, pipeline: int
) -> None:
    client.ok("CONFIG", "RESETSTAT")
    settings = {"pipeline": pipeline, "connections": 7, "threads": 2, "keys": 50}
    result = bench(target, workload, **settings)
    check(result, workload, **settings)
    assert result["server"] is None
    stats = {
        line.split(":")[0].removeprefix("cmdstat_"): int(re.findall(r"calls=(\d+)", line)[0])
        for line in client.ok("INFO", "commandstats").decode().splitlines()[1:]
    }
    # Half of those of lpush_rpop are another command.
    calls = sum(stats.get(name, 0) for name in workload.split("_"))
    if workload == "lpush_rpop":
        assert abs(stats["lpush"] - stats["rpop"]) <= 7
    assert calls == result["operations"]


def test_set_sets_the_keys_that_it_says(target: Server, client: RespClient) -> None:
    check(bench(target, "set", keys=20, value_size=33), "set", keys=20, value_size=33)
    keys = keys_of(client)
    assert keys
    assert set(keys) <= {f"key:{number:012}" for number in range(20)}
    assert client.ok("GET", keys[0]) == b"x" * 33


def test_one_hot_key_is_the_only_one(target: Server, client: RespClient) -> None:
    check(bench(target, "set", distribution="hot"), "set", distribution="hot")
    assert keys_of(client) == ["key:000000000000"]


def test_zipfs_first_key_is_the_hottest(target: Server, client: RespClient) -> None:
    result = bench(target, "incr", keys=1000, distribution="zipf", pipeline=16)
    check(result, "incr", distribution="zipf")
    counts = {key: int(client.ok("GET", key)) for key in keys_of(client)}
    assert sum(counts.values()) == result["operations"]
    assert max(counts, key=lambda key: counts[key]) == "counter:000000000000"


def test_get_finds_all_its_keys(target: Server, client: RespClient) -> None:
    client.ok("CONFIG", "RESETSTAT")
    check(bench(target, "get", keys=1234), "get", keys=1234)
    assert client.ok("DBSIZE") == 1234
    assert info_number(client, "stats", "keyspace_misses") == 0


def test_incr_counts_every_operation(target: Server, client: RespClient) -> None:
    result = bench(target, "incr", keys=10, pipeline=5)
    check(result, "incr")
    assert sum(int(client.ok("GET", key)) for key in keys_of(client)) == result["operations"]


def test_collections_hold_what_was_put_in(target: Server, client: RespClient) -> None:
    elements = {f"element:{number:012}".encode() for number in range(5)}
    for workload in ("sadd", "hset", "zadd", "mset"):
        check(bench(target, workload, keys=5, value_size=4), workload)
    assert set(client.ok("SMEMBERS", "myset")) <= elements
    assert set(client.ok("HKEYS", "myhash")) <= elements
    assert set(client.ok("HVALS", "myhash")) == {b"xxxx"}
    assert set(client.ok("ZRANGE", "myzset", 0, -1)) <= elements
    assert set(keys_of(client)) - {"myset", "myhash", "myzset"} <= {
        f"key:{number:012}" for number in range(5)
    }


def test_lists_grow_and_shrink_by_the_operations(target: Server, client: RespClient) -> None:
    result = bench(target, "lpush", value_size=8)
    check(result, "lpush")
    assert client.ok("LLEN", "mylist") == result["operations"]
    check(bench(target, "lpush_rpop", connections=3), "lpush_rpop")


@pytest.mark.parametrize("workload", ["lpush", "rpop", "zpopmin"])
def test_data_that_is_used_up_is_made_again(
    target: Server, client: RespClient, workload: str
) -> None:
    # 64 MB of such values: 641 elements.
    result = bench(target, workload, pipeline=20, keys=500, value_size=100_000, seconds=0.5)
    check(result, workload)
    stock = client.ok("ZCARD", "myzset") if workload == "zpopmin" else client.ok("LLEN", "mylist")
    assert 0 <= stock <= 670


# ---- channels_redis ----


def queues_with_messages(client: RespClient) -> list[str]:
    return [
        key
        for key in keys_of(client)
        if key.startswith("asgispecific.") and not key.endswith("$inflight")
    ]


def test_core_send_receive_leaves_nothing(target: Server, client: RespClient) -> None:
    check(bench(target, "core_send_receive", connections=3), "core_send_receive", connections=3)
    assert keys_of(client) == []


def test_core_group_add_adds_members_that_expire(target: Server, client: RespClient) -> None:
    settings = {"connections": 4, "members": 2, "keys": 3}
    result = bench(target, "core_group_add", **settings)
    check(result, "core_group_add", **settings)
    for key in keys_of(client):
        assert re.fullmatch(r"asgi:group:bench\.[0-9a-f]{32}\.00000000000[0-2]", key)
        assert 1 <= client.ok("ZCARD", key) <= 8
        assert client.ok("TTL", key) > 86_000


@pytest.mark.sanitizer
def test_core_group_send_reaches_every_process(target: Server, client: RespClient) -> None:
    settings = {"processes": 5, "members": 3, "pipeline": 4, "threads": 2, "connections": 2}
    result = bench(target, "core_group_send", **settings)
    check(result, "core_group_send", **settings)
    assert result["deliveries"] == 5 * result["operations"]
    (group,) = client.ok("KEYS", "asgi:group:*")
    assert client.ok("ZCARD", group) == 15
    assert queues_with_messages(client) == []


def test_pubsub_workloads_deliver_every_message(target: Server, client: RespClient) -> None:
    check(bench(target, "pubsub_send_receive", connections=3, pipeline=4), "pubsub_send_receive")
    settings = {"processes": 6, "pipeline": 3, "threads": 2}
    result = bench(target, "pubsub_group_send", **settings)
    check(result, "pubsub_group_send", **settings)
    assert result["deliveries"] == 6 * result["operations"]
    assert keys_of(client) == []


@pytest.mark.sanitizer
@pytest.mark.parametrize("pipeline", [1, 20])
def test_publish_reaches_every_subscriber(target: Server, pipeline: int) -> None:
    result = bench(target, "publish", connections=30, pipeline=pipeline, threads=2)
    check(result, "publish", connections=30)
    assert result["deliveries"] == 30 * result["operations"]


# ---- the native layer ----


@pytest.fixture
def native(server: Server) -> Iterator[Callable[..., dict[str, int]]]:
    """Gives the statistics of the layer that chorale-bench uses."""
    with server.connect(3, deadline=30) as client:
        yield lambda: {
            key.decode(): value for key, value in client.ok("LAYER.STATS", "bench").dict().items()
        }


@pytest.mark.chorale_only
def test_native_send_receive_is_acknowledged(
    server: Server, native: Callable[..., dict[str, int]]
) -> None:
    result = bench(server, "native_send_receive", connections=3, pipeline=8)
    check(result, "native_send_receive", connections=3)
    stats = native()
    assert stats["sent"] == result["operations"]
    assert stats["full"] == 0
    # An owner's last word may be missing, and then at most a quarter of the capacity.
    assert stats["mailbox_messages"] < 3 * 25


@pytest.mark.chorale_only
def test_native_general_send_receive_leaves_nothing(
    server: Server, native: Callable[..., dict[str, int]]
) -> None:
    result = bench(server, "native_general_send_receive", connections=3, pipeline=8)
    check(result, "native_general_send_receive", connections=3)
    stats = native()
    assert stats["sent"] == stats["received"] == result["operations"]
    assert stats["channel_messages"] == 0


@pytest.mark.chorale_only
def test_native_group_add_adds_members(
    server: Server, native: Callable[..., dict[str, int]]
) -> None:
    settings = {"connections": 4, "members": 2, "keys": 3}
    result = bench(server, "native_group_add", **settings)
    check(result, "native_group_add", **settings)
    stats = native()
    assert stats["groups"] <= 3
    assert stats["mailbox_members"] <= 24
    with server.connect(3) as client:
        for group in client.ok("GROUP.LIST", "bench"):
            assert re.fullmatch(rb"bench\.[0-9a-f]{32}\.00000000000[0-2]", group)
            assert client.ok("GROUP.COUNT", "bench", group) <= 8


@pytest.mark.sanitizer
@pytest.mark.chorale_only
@pytest.mark.parametrize("pipeline", [1, 50])
def test_native_group_send_reaches_every_process(
    server: Server, native: Callable[..., dict[str, int]], pipeline: int
) -> None:
    settings = {"processes": 5, "members": 3, "pipeline": pipeline, "threads": 2}
    result = bench(server, "native_group_send", **settings)
    check(result, "native_group_send", **settings)
    assert result["deliveries"] == 5 * result["operations"]
    stats = native()
    assert stats["group_sends"] == result["operations"]
    assert stats["group_messages"] == 15 * result["operations"]
    assert stats["group_full"] == 0


# ---- connections and memory ----


@pytest.mark.sanitizer
def test_a_storm_makes_a_connection_for_each_operation(target: Server, client: RespClient) -> None:
    before = info_number(client, "stats", "total_connections_received")
    result = bench(target, "storm", connections=5)
    check(result, "storm", connections=5)
    after = info_number(client, "stats", "total_connections_received")
    # Two more: the one that tries the address, and the controlling one.
    assert after - before == result["operations"] + 2


def test_idle_connections_are_all_there(target: Server) -> None:
    result = bench(target, "idle", connections=50, server_pid=target.pid)
    check(result, "idle", connections=50)
    assert result["operations"] == 50
    assert "bytes_per_connection" in result
    assert result["idle_cpu_share"] >= 0


def test_memory_of_strings(target: Server, client: RespClient) -> None:
    result = bench(target, "memory_string", keys=20_000, value_size=10, server_pid=target.pid)
    assert result["operations"] == 20_000
    assert client.ok("DBSIZE") == 20_000
    assert client.ok("GET", "key:000000019999") == b"x" * 10
    assert "bytes_per_key" in result


def test_memory_of_sorted_sets(target: Server, client: RespClient) -> None:
    result = bench(target, "memory_zset", keys=123, server_pid=target.pid)
    assert result["operations"] == client.ok("DBSIZE") == 123
    assert client.ok("ZCARD", "zset:000000000122") == 100
    assert "bytes_per_member" in result


# ---- what it reports ----


@pytest.mark.sanitizer
def test_an_open_loop_begins_as_many_as_are_due(target: Server, client: RespClient) -> None:
    result = bench(target, "incr", rate=1000, seconds=0.5, connections=10, threads=2)
    check(result, "incr", rate=1000)
    assert result["operations"] + result["not_begun"] == 500
    assert sum(int(client.ok("GET", key)) for key in keys_of(client)) == result["operations"]


def test_warm_up_is_not_counted(target: Server, client: RespClient) -> None:
    result = bench(target, "incr", rate=1000, warmup=0.3, seconds=0.2, connections=10)
    assert result["operations"] + result["not_begun"] == 200
    assert sum(int(client.ok("GET", key)) for key in keys_of(client)) > result["operations"]


def test_the_servers_process_is_watched(target: Server) -> None:
    result = bench(target, "set", pipeline=16, server_pid=target.pid)
    check(result, "set", server_pid=target.pid)
    figures = result["server"]
    assert figures["cpu_us_per_operation"] > 0
    assert figures["user_us_per_operation"] + figures["system_us_per_operation"] == pytest.approx(
        figures["cpu_us_per_operation"]
    )
    assert figures["resident_bytes"] > 1 << 20
    assert figures["voluntary_switches"] >= 0
    assert figures["involuntary_switches"] >= 0
    calls = figures["system_calls_per_operation"]
    assert calls is None or calls > 0


def test_a_unix_socket_serves_as_well(
    server_factory: Callable[..., Server], tmp_path: Path
) -> None:
    server = server_factory(unixsocket=tmp_path / "socket")
    for workload in ("set", "publish", "storm"):
        result = bench(server, workload, unixsocket=tmp_path / "socket", connections=5)
        check(result, workload, unixsocket=str(tmp_path / "socket"))


def test_the_result_is_printed_for_people_and_written_as_json(
    target: Server, tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    code, out, errors = run_to_exit(*command(target, "ping", json=file)[1:])
    assert (code, errors) == (0, "")
    assert out.startswith("ping: 50 connections")
    assert "operations/s" in out
    check(json.loads(file.read_text()), "ping")


def test_every_workload_is_listed_and_described() -> None:
    code, out, _ = run_to_exit("--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == WORKLOADS
    readme = (Path(__file__).parents[2] / "bench/README.md").read_text()
    for workload in WORKLOADS:
        assert f"`{workload}`" in readme


def test_every_option_is_described() -> None:
    _, usage, _ = run_to_exit("--help")
    readme = (Path(__file__).parents[2] / "bench/README.md").read_text()
    for option in re.findall(r"--[a-z-]+", usage):
        assert option in readme, option


# ---- what can go wrong: one line, and exit code 1 ----


def check_refused(line: list[str], reason: str) -> None:
    code, out, errors = run_to_exit(*line[1:])
    assert (code, out) == (1, "")
    assert re.fullmatch(r"chorale-bench: [^\n]+\n", errors), errors
    assert reason in errors


def test_options_that_are_wrong_are_refused(target: Server) -> None:
    check_refused(command(target, "set", speed=9), "--speed")
    check_refused(command(target, "fly"), "fly")
    check_refused(command(target, "set", connections="many"), "--connections")
    check_refused(command(target, "core_send_receive", pipeline=2), "--pipeline")
    check_refused(command(target, "publish", value_size=5), "--value-size")


def test_a_server_that_is_not_there_is_named() -> None:
    port = free_port()
    check_refused([program(), "--workload", "set", "--port", str(port)], f"127.0.0.1:{port}")


def test_a_process_that_is_not_there_is_named(target: Server) -> None:
    check_refused(command(target, "set", server_pid=1 << 22), str(1 << 22))


def test_the_native_layer_is_missed_in_redis(redis_server: Server) -> None:
    for workload in WORKLOADS:
        if workload.startswith("native"):
            check_refused(command(redis_server, workload), "unknown command")


def test_errors_are_counted_and_the_first_is_shown(target: Server, client: RespClient) -> None:
    client.ok("SET", "myset", "no set")
    result = bench(target, "sadd")
    assert result["errors"] == result["operations"] > 0
    assert result["first_error"].startswith("WRONGTYPE")


@pytest.mark.sanitizer
@pytest.mark.parametrize(
    "workload",
    ["set", "core_group_send", "publish", "storm", "idle"],
)
def test_a_server_that_dies_ends_it(server_factory: Callable[..., Server], workload: str) -> None:
    server = server_factory()
    options = {"connections": 4} if workload != "core_group_send" else {"processes": 4}
    running = subprocess.Popen(
        command(server, workload, seconds=3 if workload == "idle" else 60, **options),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with server.connect(deadline=30) as client:
        wait_until(lambda: info_number(client, "clients", "connected_clients") > 4, 30)
    server.kill()
    out, errors = running.communicate(timeout=scaled(30))
    assert (running.returncode, out) == (1, "")
    assert re.fullmatch(r"chorale-bench: [^\n]+\n", errors), errors
    server.start()


def test_progress_is_shown_where_it_is_asked_for(target: Server) -> None:
    line = command(target, "ping", seconds=0.6)
    code, _, errors = run_to_exit(*line[1:], "--progress")
    assert code == 0
    assert "ping: measuring" in errors


def test_a_signal_ends_it(target: Server) -> None:
    running = subprocess.Popen(command(target, "ping", seconds=60), stdout=subprocess.DEVNULL)
    with target.connect(deadline=30) as client:
        wait_until(lambda: info_number(client, "clients", "connected_clients") > 10, 30)
    running.send_signal(signal.SIGTERM)
    assert running.wait(scaled(20)) == -signal.SIGTERM
