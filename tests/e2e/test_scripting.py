"""EVAL, EVALSHA, SCRIPT, and scripts that run too long."""

from __future__ import annotations

import hashlib
import threading

import pytest

from support.observe import clients_on_two_threads, info, wait_until_blocked
from support.resp import NULL, NULL_ARRAY, NULL_BULK, Error, Push, RespClient, Simple, encode
from support.waiting import wait_until

OK = Simple("OK")
NOSCRIPT = Error("NOSCRIPT No matching script. Please use EVAL.")
BUSY = Error(
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
)


def sha1(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def where(script: str, line: int = 1) -> str:
    """What Redis puts behind an error that a script did not catch."""
    return f" script: {sha1(script)}, on @user_script:{line}."


def test_eval_gets_keys_and_arguments(connect):
    client = connect()
    script = "return {KEYS[1], KEYS[2], ARGV[1], #KEYS, #ARGV}"
    assert client.command("EVAL", script, 2, "a", "b", "c") == [b"a", b"b", b"c", 2, 1]


@pytest.mark.parametrize(
    ("count", "error"),
    [
        ("x", "ERR value is not an integer or out of range"),
        ("-1", "ERR Number of keys can't be negative"),
        ("2", "ERR Number of keys can't be greater than number of args"),
    ],
)
def test_the_number_of_keys_is_checked(connect, count, error):
    client = connect()
    assert client.command("EVAL", "return 1", count, "key") == Error(error)
    assert client.command("EVALSHA", sha1("return 1"), count, "key") in (Error(error), NOSCRIPT)


def test_evalsha_runs_what_eval_or_script_load_brought(connect):
    client, other = connect(), connect()
    client.ok("SCRIPT", "FLUSH")
    assert client.command("EVALSHA", sha1("return 1"), 0) == NOSCRIPT
    assert client.command("EVALSHA", "short", 0) == NOSCRIPT
    assert client.command("EVAL", "return 1", 0) == 1
    assert other.command("EVALSHA", sha1("return 1").upper(), 0) == 1
    assert client.command("SCRIPT", "LOAD", "return 2") == sha1("return 2").encode()
    assert other.command("EVALSHA", sha1("return 2"), 0) == 2
    exists = client.command("SCRIPT", "EXISTS", sha1("return 1"), sha1("return 3"), "x")
    assert exists == [1, 0, 0]


def test_script_flush_forgets_everything(connect):
    client, other = connect(), connect()
    assert client.command("EVAL", "return 'flushed'", 0) == b"flushed"
    assert other.command("SCRIPT", "FLUSH", "ASYNC") == OK
    assert client.command("EVALSHA", sha1("return 'flushed'"), 0) == NOSCRIPT
    assert client.command("SCRIPT", "FLUSH", "x") == Error(
        "ERR SCRIPT FLUSH only support SYNC|ASYNC option"
    )


def test_a_script_that_does_not_compile_is_not_kept(connect):
    client = connect()
    error = Error(
        "ERR Error compiling script (new function): user_script:1: '=' expected near '<eof>'"
    )
    assert client.command("EVAL", "nonsense", 0) == error
    assert client.command("SCRIPT", "LOAD", "nonsense") == error
    assert client.command("SCRIPT", "EXISTS", sha1("nonsense")) == [0]


def test_errors_of_commands_carry_their_code_and_place(connect):
    client = connect()
    client.ok("RPUSH", "list", "a")
    script = "\nreturn redis.call('GET', KEYS[1])"
    wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert client.command("EVAL", script, 1, "list") == Error(wrong_type + where(script, 2))
    caught = "return redis.pcall('GET', KEYS[1])"
    assert client.command("EVAL", caught, 1, "list") == Error(wrong_type)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("'NOSUCH'", "ERR Unknown Redis command called from script"),
        ("'OBJECT', 'NOSUCH', 'k'", "ERR Unknown Redis command called from script"),
        ("'GET'", "ERR Wrong number of args calling Redis command from script"),
        ("'EVAL', 'return 1', 0", "ERR This Redis command is not allowed from script"),
        ("'SUBSCRIBE', 'c'", "ERR This Redis command is not allowed from script"),
        ("'MULTI'", "ERR This Redis command is not allowed from script"),
        ("'SCRIPT', 'EXISTS', 'x'", "ERR This Redis command is not allowed from script"),
    ],
)
def test_commands_that_scripts_cannot_run(connect, call, error):
    script = f"return redis.call({call})"
    assert connect().command("EVAL", script, 0) == Error(error + where(script))


@pytest.mark.chorale_only  # Redis 7.0 refuses them altogether; later ones do not
def test_blocking_commands_in_scripts_answer_at_once(connect):
    assert connect().command("EVAL", "return redis.call('BLPOP', 'none', 0)", 0) == NULL_BULK


def test_read_only_scripts_cannot_write(connect):
    client = connect()
    client.ok("SET", "key", "value")
    refused = "ERR Write commands are not allowed from read-only scripts."
    read = "return redis.call('GET', KEYS[1])"
    assert client.command("EVAL_RO", read, 1, "key") == b"value"
    assert client.command("EVALSHA_RO", sha1(read), 1, "key") == b"value"
    for call in ("'SET', KEYS[1], 'x'", "'PUBLISH', 'c', 'm'"):
        script = f"return redis.call({call})"
        assert client.command("EVAL_RO", script, 1, "key") == Error(refused + where(script))
        declared = "#!lua flags=no-writes\n" + script
        assert client.command("EVAL", declared, 1, "key") == Error(refused + where(declared, 2))
    assert client.command("EVAL_RO", "#!lua\nreturn 1", 0) == Error(
        "ERR Can not execute a script with write flag using *_ro command."
    )
    assert client.command("GET", "key") == b"value"


def test_the_first_line_is_checked(connect):
    client = connect()
    for line, error in [
        ("#!lua flags=nonsense\n", "ERR Unexpected flag in script shebang: nonsense"),
        ("#!python\n", "ERR Unexpected engine in script shebang: #!python"),
        ("#!lua", "ERR Invalid script shebang"),
    ]:
        assert client.command("EVAL", line, 0) == Error(error)


def test_select_in_a_script_changes_only_the_script(connect):
    client = connect()
    script = "redis.call('SELECT', 3) redis.call('SET', 'there', '1') return 1"
    client.ok("EVAL", script, 0)
    assert client.command("EXISTS", "there") == 0
    client.ok("SELECT", 3)
    assert client.command("DEL", "there") == 1


def test_replies_follow_the_protocol_of_the_client(connect):
    old, new = connect(2), connect(3)
    assert old.command("EVAL", "return false", 0) == NULL_BULK
    assert new.command("EVAL", "return false", 0) == NULL
    script = "redis.setresp(3) return {map = {a = 1}, ok = false}"
    assert old.command("EVAL", script, 0) == [b"a", 1]
    assert new.command("EVAL", script, 0).dict() == {b"a": 1}


def test_scripts_run_in_transactions(connect):
    client = connect()
    client.pipeline([("MULTI",), ("EVAL", "return redis.call('INCR', 'n')", 0), ("GET", "n")])
    assert client.command("EXEC") == [1, b"1"]


def test_a_script_is_one_step_for_a_watching_client(connect):
    watcher, writer = connect(), connect()
    watcher.ok("WATCH", "key")
    writer.ok("EVAL", "redis.call('SET', 'undeclared', 1) redis.call('SET', 'key', 1)", 0)
    watcher.pipeline([("MULTI",), ("PING",)])
    assert watcher.command("EXEC") == NULL_ARRAY


def test_what_a_script_pushes_is_served_after_it(connect):
    waiting, client = connect(), connect()
    waiting.send("BLPOP", "list", 10)
    wait_until_blocked(client, 1)
    script = "redis.call('RPUSH', 'list', 'a', 'b') return redis.call('LLEN', 'list')"
    length = client.command("EVAL", script, 0)
    assert length == 2
    assert waiting.read() == [b"list", b"a"]


@pytest.mark.chorale_only
def test_scripts_without_memory_for_writes(server_factory):
    server = server_factory()
    with server.connect() as client:
        client.ok("CONFIG", "SET", "maxmemory", 1)
        script = "return redis.call('SET', 'k', 'v')"
        wait_until(lambda: isinstance(client.command("SET", "probe", "v"), Error))
        assert client.command("EVAL", script, 0) == Error(
            "OOM command not allowed when used memory > 'maxmemory'." + where(script)
        )
        assert client.command("EVAL", "#!lua\n" + script, 0) == Error(
            "OOM allow-oom flag is not set on the script, can not run it when used memory > "
            "'maxmemory'"
        )
        assert client.command("EVAL", "#!lua flags=allow-oom\n" + script, 0) == OK


@pytest.fixture(params=[1, 2])
def busy_server(server_factory, request):
    """A server that calls a script long after 50 ms; with one thread, all share the script's."""
    return server_factory(lua_time_limit=50, threads=request.param)


LOOPS = [
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "while true do redis.pcall('GET', 'x') end",
    "coroutine.wrap(function() while true do end end)()",
]


def is_busy(client) -> bool:
    return client.command("GET", "x") == BUSY


@pytest.mark.chorale_only
@pytest.mark.parametrize("script", LOOPS)
def test_script_kill_ends_a_script_that_has_written_nothing(busy_server, script):
    with busy_server.connect() as runner, busy_server.connect() as client:
        assert client.command("SCRIPT", "KILL") == Error(
            "NOTBUSY No scripts in execution right now."
        )
        runner.send("EVAL", script, 0)
        wait_until(lambda: is_busy(client))
        assert client.command("SCRIPT", "KILL") == OK
        assert runner.read() == Error(
            "ERR Script killed by user with SCRIPT KILL..." + where(script)
        )
        assert client.command("GET", "x") == NULL_BULK
        assert runner.command("EVAL", "return 1", 0) == 1


@pytest.mark.chorale_only
@pytest.mark.sanitizer
@pytest.mark.parametrize("runs_on", [0, 1])
def test_a_script_that_ran_once_its_client_was_served_leaves_the_server_reachable(
    server_factory, runs_on
):
    """It stands in the pipeline behind a BLPOP, so that a push on another thread starts it."""
    server = server_factory(lua_time_limit=100, threads=2)
    by_thread = clients_on_two_threads(server)
    runner, pusher, control = by_thread[runs_on][0], *by_thread[1 - runs_on][:2]
    runner.send_raw(encode("BLPOP", "queue", 0) + encode("EVAL", LOOPS[0], 0))
    wait_until_blocked(control, 1)
    assert pusher.command("RPUSH", "queue", "element") == 1
    wait_until(lambda: is_busy(control))
    newcomers = [RespClient(server.address) for _ in range(6)]
    for client in newcomers:
        assert client.command("GET", "x") == BUSY
    assert newcomers[-1].command("SCRIPT", "KILL") == OK
    assert runner.read() == [b"queue", b"element"]
    assert runner.read() == Error("ERR Script killed by user with SCRIPT KILL..." + where(LOOPS[0]))
    for client in newcomers:
        assert client.command("GET", "x") == NULL_BULK
        client.close()


@pytest.mark.chorale_only
def test_only_a_stop_ends_a_script_that_has_written(busy_server):
    with busy_server.connect() as runner, busy_server.connect() as client:
        runner.send("EVAL", "redis.call('SET', 'x', 1) while true do end", 0)
        wait_until(lambda: is_busy(client))
        assert client.command("SCRIPT", "KILL").code == "UNKILLABLE"
        busy_server.stop()


@pytest.mark.chorale_only
@pytest.mark.sanitizer
def test_a_client_that_goes_while_its_script_runs_leaves_nothing_behind(server_factory):
    """Its transaction goes on to subscribe a connection that had to be closed meanwhile."""
    server = server_factory(lua_time_limit=20, threads=1)
    runner, client = server.connect(protocol=3), server.connect()
    runner.send("SUBSCRIBE", "own")
    assert runner.read_push() == Push([b"subscribe", b"own", 1])
    script = """
        local clock = redis.call('TIME')
        local until_s = clock[1] + ARGV[1]
        repeat
            redis.call('PUBLISH', 'own', 'message')
            clock = redis.call('TIME')
        until tonumber(clock[1]) >= until_s
        """
    runner.pipeline([("MULTI",), ("EVAL", script, 0, 2), ("SUBSCRIBE", "other"), ("SET", "x", 1)])
    runner.send("EXEC")
    wait_until(lambda: is_busy(client))
    runner.abort()
    wait_until(lambda: not is_busy(client))
    assert client.command("GET", "x") == b"1"
    wait_until(lambda: client.ok("PUBSUB", "CHANNELS") == [])
    assert client.command("PUBLISH", "other", "message") == 0
    client.close()


@pytest.mark.chorale_only
def test_a_transaction_that_a_script_keeps_waiting_ends_with_the_refusal(server_factory):
    """It waits already when the script's time is over, unlike one that comes later."""
    server = server_factory(lua_time_limit=500, threads=2)
    (runner, control, *_), (client, listener, *_) = clients_on_two_threads(server).values()
    listener.ok("SUBSCRIBE", "began")
    client.ok("WATCH", "watched")
    client.pipeline([("MULTI",), ("SET", "x", 1)])
    errors = info(control, "stats")["total_error_replies"]
    script = "redis.call('PUBLISH', 'began', '') while true do end"
    runner.send("EVAL", script, 0)
    listener.read()
    assert client.command("EXEC") == Error(
        "EXECABORT Transaction discarded because of: " + BUSY.text
    )
    assert client.command("DISCARD") == Error("ERR DISCARD without MULTI")
    assert client.command("WATCH", "watched") == BUSY
    assert client.command("UNWATCH") == OK
    assert client.command("MULTI") == OK
    assert client.command("DISCARD") == OK
    assert client.command("SCRIPT", "KILL") == OK
    assert runner.read() == Error("ERR Script killed by user with SCRIPT KILL..." + where(script))
    assert client.command("GET", "x") == NULL_BULK
    # EXEC, DISCARD, WATCH and the killed script.
    assert int(info(control, "stats")["total_error_replies"]) == int(errors) + 4


def test_values_that_a_script_removes_again_and_again_do_not_pile_up(server_factory):
    server = server_factory()
    before = server.peak_memory()
    with server.connect(deadline=60) as client:
        script = """
            local part = string.rep('x', 100000)
            for i = 1, 1500 do
                redis.call('RPUSH', 'list', part, part, part, part, part)
                redis.call(unpack(ARGV))
            end
            """
        for remove in ["UNLINK", "list"], ["FLUSHDB"], ["FLUSHALL"]:
            assert client.command("EVAL", script, 0, *remove) == NULL_BULK
    assert server.peak_memory() - before < 200_000_000, f"{server.peak_memory() >> 20} MB"


@pytest.mark.sanitizer
def test_scripts_on_many_threads_add_up(server_factory):
    server = server_factory(threads=4)
    clients = [server.connect() for _ in range(8)]
    script = "redis.call('INCR', KEYS[1]) return redis.call('INCR', 'undeclared')"

    def work(client, number):
        for i in range(200):
            client.ok("EVAL", script, 1, f"key{(number + i) % 5}")
            if i % 50 == 0:
                client.ok("SCRIPT", "FLUSH")

    threads = [threading.Thread(target=work, args=(c, n)) for n, c in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clients[0].command("GET", "undeclared") == b"1600"
    total = sum(int(clients[0].command("GET", f"key{i}")) for i in range(5))
    assert total == 1600
    for client in clients:
        client.close()


def test_info_counts_the_scripts_that_are_kept(connect):
    client = connect()
    client.ok("SCRIPT", "FLUSH")
    client.ok("EVAL", "return 1", 0)
    client.ok("SCRIPT", "LOAD", "return 2")
    fields = info(client, "memory")
    assert fields["number_of_cached_scripts"] == "2"
    assert int(fields["used_memory_lua"]) > 10_000
    assert int(fields["used_memory_scripts_eval"]) > 0
