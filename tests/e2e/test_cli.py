"""redis-cli and redis-benchmark, unmodified, on the server."""

import re
import subprocess

import pytest

from support.cli import cli, command, run
from support.prerequisites import program
from support.waiting import wait_until

BENCHMARKS = (
    "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,"
    "zadd,zpopmin,lrange,mset"
)
Failed, Skipped = pytest.fail.Exception, pytest.skip.Exception
FAILURES = re.compile(r"error|failed|could not|warn|-ERR|WRONGTYPE", re.IGNORECASE)


def started(server, *arguments):
    """A redis-cli that runs until it is terminated; its output is read line by line."""
    return subprocess.Popen(
        command(server, "redis-cli", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def terminated(process):
    process.terminate()
    output, _ = process.communicate(timeout=10)
    return output


def test_commands_typed_at_the_prompt_are_answered(server):
    typed = (
        'SET key "two words"\nGET key\nINCR number\nLPUSH list a b\nLRANGE list 0 -1\nTYPE list\n'
    )
    assert cli(server, stdin=typed).splitlines() == [
        "OK",
        "two words",
        "1",
        "2",
        "b",
        "a",
        "list",
    ]


@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_replies_are_shown_by_their_type(server, protocol):
    cli(server, protocol, "HSET", "hash", "field", "value")
    shown = cli(server, protocol, "--no-raw", "HGETALL", "hash")
    assert shown.strip() == (
        '1# "field" => "value"' if protocol == "-3" else '1) "field"\n2) "value"'
    )
    assert cli(server, protocol, "--no-raw", "GET", "missing").strip() == "(nil)"
    assert (
        cli(server, protocol, "--no-raw", "ZADD", "zset", "1.5", "member").strip() == "(integer) 1"
    )
    score = cli(server, protocol, "--no-raw", "ZSCORE", "zset", "member").strip()
    assert score == ("(double) 1.5" if protocol == "-3" else '"1.5"')


def test_an_error_reply_is_shown_as_one(server):
    cli(server, "SET", "key", "text")
    shown = cli(server, "LPUSH", "key", "x")
    assert shown.strip() == ("WRONGTYPE Operation against a key holding the wrong kind of value")


def test_commands_are_documented_for_the_prompt(server):
    shown = cli(server, "-3", "COMMAND", "DOCS", "get", "bzpopmin", "publish")
    for name in ("get", "bzpopmin", "publish"):
        assert name in shown
    assert "summary" in shown
    assert int(cli(server, "COMMAND", "COUNT")) > 100
    assert "zadd" in cli(server, "COMMAND", "LIST").lower()
    assert cli(server, "COMMAND", "GETKEYS", "BZPOPMIN", "one", "two", "0").split() == [
        "one",
        "two",
    ]


@pytest.mark.parametrize("section", ["", "server", "clients", "memory", "stats", "keyspace"])
def test_info_is_shown(server, section):
    cli(server, "SET", "key", "value")
    shown = cli(server, "INFO", *([section] if section else []))
    heading = section.capitalize() if section else "Server"
    assert f"# {heading}" in shown
    if section in ("", "server"):
        assert re.search(r"^redis_version:\d+\.\d+\.\d+", shown, re.MULTILINE)
        assert f"tcp_port:{server.port}" in shown
    if section in ("", "keyspace"):
        assert "db0:keys=1," in shown


def test_scan_lists_every_key_once_or_more(server):
    with server.connect() as raw:
        raw.pipeline(("SET", f"key:{number}", "x") for number in range(1000))
        raw.ok("SET", "other", "x")
    assert set(cli(server, "--scan", "--pattern", "key:*").split()) == {
        f"key:{number}" for number in range(1000)
    }


def test_bigkeys_finds_the_biggest_key_of_each_type(server):
    with server.connect() as raw:
        raw.ok("SET", "small", "x")
        raw.ok("SET", "big", "x" * 5000)
        raw.ok("RPUSH", "list", *range(30))
        raw.ok("SADD", "set", *range(20))
        raw.ok("HSET", "hash", *range(20))
        raw.ok("ZADD", "zset", 1, "a", 2, "b")
    shown = cli(server, "--bigkeys")
    assert re.search(r"Biggest +string found \W+big\W+ has 5000 bytes", shown)
    assert re.search(r"Biggest +list found \W+list\W+ has 30 items", shown)
    assert re.search(r"Biggest +set found \W+set\W+ has 20 members", shown)
    assert re.search(r"Biggest +hash found \W+hash\W+ has 10 fields", shown)
    assert re.search(r"Biggest +zset found \W+zset\W+ has 2 members", shown)


def test_memkeys_measures_keys(server):
    cli(server, "SET", "big", "x" * 5000)
    assert re.search(r"Biggest +string found \W+big\W+ has \d{4,} bytes", cli(server, "--memkeys"))


def test_latency_is_measured(server):
    # Not on a terminal, redis-cli measures once for a second and prints: min max avg count.
    shown = cli(server, "--latency", "-i", "1", "--raw").split()
    assert len(shown) == 4
    assert int(shown[3]) > 10


def test_a_script_from_a_file_runs(server, tmp_path):
    script = tmp_path / "script.lua"
    script.write_text("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
    assert cli(server, "--eval", str(script), "key", ",", "value").strip() == "value"


def test_a_mass_insertion_through_a_pipe_reports_no_error(server):
    commands = "".join(
        f"*3\r\n$3\r\nSET\r\n$4\r\nk{number:03}\r\n$1\r\nv\r\n" for number in range(1000)
    )
    assert "errors: 0, replies: 1000" in cli(server, "--pipe", stdin=commands)
    assert cli(server, "DBSIZE").strip() == "1000"


def test_monitor_shows_the_commands_of_others(server):
    monitor = started(server, "MONITOR")
    try:
        assert monitor.stdout.readline().strip() == "OK"
        with server.connect() as raw:
            raw.ok("SET", "key", 'va"l\nue')
        while '"key"' not in (line := monitor.stdout.readline()):
            assert line
        assert re.fullmatch(r'\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "key" "va\\"l\\nue"\n', line)
    finally:
        terminated(monitor)


@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_a_subscription_shows_messages(server, protocol):
    subscriber = started(server, protocol, "--csv", "SUBSCRIBE", "news")
    try:
        with server.connect() as raw:
            wait_until(lambda: raw.command("PUBSUB", "NUMSUB", "news") == [b"news", 1])
            assert raw.command("PUBLISH", "news", "extra") == 1
            while '"message"' not in (line := subscriber.stdout.readline()):
                assert line
            assert line.strip().endswith('"message","news","extra"')
    finally:
        terminated(subscriber)


def test_patterns_are_subscribed_to(server):
    subscriber = started(server, "--csv", "PSUBSCRIBE", "news.*")
    try:
        with server.connect() as raw:
            wait_until(lambda: raw.command("PUBSUB", "NUMPAT") == 1)
            assert raw.command("PUBLISH", "news.sport", "goal") == 1
            while '"pmessage"' not in (line := subscriber.stdout.readline()):
                assert line
            assert line.strip().endswith('"pmessage","news.*","news.sport","goal"')
    finally:
        terminated(subscriber)


def test_repeated_commands_and_a_database_number_are_taken(server):
    assert cli(server, "-n", "3", "-r", "5", "INCR", "number").split() == list("12345")
    assert cli(server, "GET", "number").strip() == ""


def test_a_password_is_taken(server_factory):
    server = server_factory(requirepass="p4ssword")
    assert cli(server, "PING").strip() == "PONG"


@pytest.mark.parametrize(
    "options",
    [[], ["-P", "16"], ["--threads", "2"], ["-3"], ["-r", "1000", "-P", "64"]],
    ids=["plain", "pipeline of 16", "two threads", "RESP3", "random keys"],
)
def test_benchmark_runs_without_an_error_line(server, options):
    shown = run(server, "redis-benchmark", "-t", BENCHMARKS, "-n", "2000", "-q", *options)
    assert not FAILURES.search(shown), shown
    results = re.findall(r"([\w()/ ,-]+): [\d.]+ requests per second", shown)
    assert len(results) >= len(BENCHMARKS.split(","))


def test_benchmark_over_a_unix_socket_runs_without_an_error_line(server_factory, tmp_path):
    path = tmp_path / "server.sock"
    server = server_factory(unixsocket=path)
    shown = run(server, "redis-benchmark", "-s", str(path), "-t", "set,get", "-n", "2000", "-q")
    assert not FAILURES.search(shown), shown


def test_benchmark_runs_a_command_of_its_own(server):
    shown = run(server, "redis-benchmark", "-n", "2000", "-q", "EVAL", "return 1", "0")
    assert not FAILURES.search(shown), shown
    assert "requests per second" in shown


@pytest.mark.parametrize(("setting", "outcome"), [("true", Failed), ("", Skipped)])
def test_a_program_that_is_missing_is_overlooked_outside_ci_only(monkeypatch, setting, outcome):
    monkeypatch.setenv("CI", setting)
    with pytest.raises((Failed, Skipped)) as ended:
        program("no-such-redis-program")
    assert ended.type is outcome
