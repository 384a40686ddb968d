"""What may be in a configuration file: a redis.conf, other files, what a service manager needs."""

import os
import socket
import subprocess
from contextlib import contextmanager

import pytest

from support.resp import RespClient
from support.server import THREADS, binary_under_test, free_port, is_redis, run_to_exit
from support.waiting import scaled, wait_until

# What is set in the file that comes with Redis 7, where the port and the directory are the test's.
STOCK = """
bind 127.0.0.1 -::1
protected-mode yes
tcp-backlog 511
timeout 0
tcp-keepalive 300
daemonize no
supervised auto
pidfile {directory}/redis_6379.pid
loglevel notice
logfile ""
databases 16
always-show-logo no
set-proc-title yes
proc-title-template "{{title}} {{listen-addr}} {{server-mode}}"
stop-writes-on-bgsave-error yes
rdbcompression yes
rdbchecksum yes
dbfilename dump.rdb
rdb-del-sync-files no
dir ./
replica-serve-stale-data yes
replica-read-only yes
repl-diskless-sync yes
repl-diskless-sync-delay 5
repl-diskless-sync-max-replicas 0
repl-diskless-load disabled
repl-disable-tcp-nodelay no
replica-priority 100
acllog-max-len 128
lazyfree-lazy-eviction no
lazyfree-lazy-expire no
lazyfree-lazy-server-del no
replica-lazy-flush no
lazyfree-lazy-user-del no
lazyfree-lazy-user-flush no
oom-score-adj no
oom-score-adj-values 0 200 800
disable-thp yes
appendonly no
appendfilename "appendonly.aof"
appenddirname "appendonlydir"
appendfsync everysec
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
aof-load-truncated yes
aof-use-rdb-preamble yes
aof-timestamp-enabled no
slowlog-log-slower-than 10000
slowlog-max-len 128
latency-monitor-threshold 0
notify-keyspace-events ""
hash-max-listpack-entries 512
hash-max-listpack-value 64
list-max-listpack-size -2
list-compress-depth 0
set-max-intset-entries 512
zset-max-listpack-entries 128
zset-max-listpack-value 64
hll-sparse-max-bytes 3000
stream-node-max-bytes 4096
stream-node-max-entries 100
activerehashing yes
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 256mb 64mb 60
client-output-buffer-limit pubsub 32mb 8mb 60
hz 10
dynamic-hz yes
aof-rewrite-incremental-fsync yes
rdb-save-incremental-fsync yes
jemalloc-bg-thread yes
"""

# Of the options that Redis shows: its default asks for what Chorale does not do, or is the test's.
NOT_TAKEN_OVER = {b"save", b"port", b"bind", b"dir"}


@contextmanager
def started(path, environment=None, options=()):
    """A client of a server that runs with this file, to which a free port is added."""
    port = free_port()
    line = [binary_under_test(), str(path), "--port", str(port), *options]
    if not is_redis(binary_under_test()):
        line += ["--threads", str(THREADS)]
    log = path.with_suffix(".log")
    with open(log, "wb") as output:
        process = subprocess.Popen(
            line,
            cwd=path.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | (environment or {}),
        )

    def answers():
        assert process.poll() is None, log.read_text()
        try:
            RespClient(("127.0.0.1", port)).close()
        except OSError:
            return False
        return True

    try:
        wait_until(answers)
        with RespClient(("127.0.0.1", port)) as client:
            yield client
    finally:
        process.terminate()
        assert process.wait(scaled(10)) == 0


def refusal(path):
    code, _, errors = run_to_exit(binary_under_test(), [str(path)], path.parent)
    assert code == 1, errors
    lines = errors.splitlines()
    assert len(lines) == 1, errors
    return lines[0]


def option(client, name):
    return client.ok("CONFIG", "GET", name)[1]


def test_a_stock_redis_conf_starts_the_server(tmp_path):
    path = tmp_path / "redis.conf"
    path.write_text(STOCK.format(directory=tmp_path))
    with started(path) as client:
        client.ok("SET", "key", "value")
        assert option(client, "supervised") == b"auto"
        assert option(client, "client-output-buffer-limit").startswith(b"normal 0 0 0 ")


@pytest.mark.chorale_only
def test_every_option_of_redis_may_be_in_the_file_with_its_default(redis_server, tmp_path):
    with redis_server.connect() as client:
        flat = client.ok("CONFIG", "GET", "*")
    options = dict(zip(flat[::2], flat[1::2], strict=True))
    assert len(options) > 150
    path = tmp_path / "redis.conf"
    path.write_text(
        "".join(
            f'{name.decode()} "{value.decode()}"\n'
            for name, value in options.items()
            if name not in NOT_TAKEN_OVER
        )
    )
    with started(path) as client:
        lacking = {name for name in options if not client.ok("CONFIG", "GET", name)}
    assert not lacking


@pytest.mark.chorale_only
@pytest.mark.parametrize(
    "line",
    [
        "supervised upstart",
        "rename-command FLUSHALL nothing",
        "user default on nopass ~* +@all",
        "loadmodule /lib/module.so",
        "aclfile users.acl",
        "save 3600 1 300 100",
        "maxmemory-policy allkeys-lru",
        "replicaof 192.0.2.1 6379",
        "cluster-enabled yes",
        "tls-port 6380",
        "notify-keyspace-events KEA",
    ],
)
def test_what_is_not_done_here_is_refused_by_file_line_and_name(tmp_path, line):
    path = tmp_path / "redis.conf"
    path.write_text(f"port {free_port()}\n{line}\n")
    message = refusal(path)
    assert "redis.conf:2: " in message
    assert f"'{line.split()[0]}'" in message
    assert "unknown" not in message


@pytest.mark.chorale_only
def test_a_file_that_asks_for_the_background_is_refused_unless_the_command_line_takes_it_back(
    tmp_path,
):
    path = tmp_path / "redis.conf"
    path.write_text(f"port {free_port()}\ndaemonize yes\n")
    assert "'daemonize'" in refusal(path)
    with started(path, options=["--supervised", "systemd", "--daemonize", "no"]) as client:
        client.ok("PING")


def test_an_included_file_is_read_where_it_is_named(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.conf").write_text("timeout 11\nmaxclients 50\n")
    (tmp_path / "parts" / "b.conf").write_text("timeout 12\n")
    (tmp_path / "one.conf").write_text("hz 20\ninclude parts/*.conf\n")
    path = tmp_path / "server.conf"
    path.write_text("hz 30\ninclude one.conf\nmaxclients 51\ninclude none/*.conf\n")
    with started(path) as client:
        values = [option(client, name) for name in ("hz", "timeout", "maxclients")]
    assert values == [b"20", b"12", b"51"]


@pytest.mark.chorale_only
def test_a_fault_in_an_included_file_is_named_in_one_line(tmp_path):
    path = tmp_path / "server.conf"
    path.write_text("include missing.conf\n")
    assert "'missing.conf'" in refusal(path)
    (tmp_path / "part.conf").write_text("\ntimeout soon\n")
    path.write_text("# parts\ninclude part.conf\n")
    assert "server.conf:2: part.conf:2: bad value 'soon'" in refusal(path)
    path.write_text("include server.conf\n")
    assert "include each other" in refusal(path)


@pytest.mark.parametrize("abstract", [False, True])
@pytest.mark.parametrize("supervised", ["auto", "systemd"])
def test_the_service_manager_is_told_when_the_server_is_ready(tmp_path, supervised, abstract):
    path = tmp_path / "server.conf"
    path.write_text(f"supervised {supervised}\n")
    name = f"@chorale-test-{os.getpid()}-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(scaled(10))
        with started(path, {"NOTIFY_SOCKET": name}) as client:
            told = b""
            while b"READY=1" not in told:
                told = manager.recv(1000)
            client.ok("PING")


@pytest.mark.chorale_only
def test_without_supervision_no_service_manager_is_told(tmp_path):
    path = tmp_path / "server.conf"
    path.write_text("supervised no\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        with started(path, {"NOTIFY_SOCKET": str(tmp_path / "notify")}) as client:
            client.ok("PING")
        with pytest.raises(BlockingIOError):
            manager.recv(1000)
