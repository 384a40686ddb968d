"""SAVE, BGSAVE, LASTSAVE, INFO persistence, WAITAOF and CHECKPOINT."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.disk import full_disk, listing
from support.observe import info, info_number, wait_until_blocked
from support.resp import Error, RespClient, Simple
from support.server import Server
from support.waiting import scaled, wait_until

pytestmark = pytest.mark.sanitizer


@pytest.fixture
def server(keeping_server: Callable[..., Server]) -> Server:
    return keeping_server("everysec")


@pytest.fixture
def client(server: Server) -> Iterator[RespClient]:
    with server.connect(deadline=30) as client:
        yield client


def test_save_answers_when_everything_is_on_disk(server: Server, client: RespClient) -> None:
    for number in range(5):
        client.ok("SET", "key", f"value {number}")
        client.ok("RPUSH", "list", number)
        assert client.command("SAVE") == Simple("OK")
        server.restart(signal.SIGKILL)
        client = server.connect()
        assert client.ok("GET", "key") == f"value {number}".encode()
        assert client.ok("LLEN", "list") == number + 1


def test_bgsave_answers_at_once_and_info_tells_its_end(client: RespClient) -> None:
    client.ok("SET", "key", "value")
    # redis-server remembers whole seconds.
    wait_until(lambda: time.time() >= int(client.ok("LASTSAVE")) + 1)
    before = client.ok("LASTSAVE")
    assert client.command("BGSAVE") == Simple("Background saving started")
    wait_until(lambda: info_number(client, "persistence", "rdb_bgsave_in_progress") == 0)
    said = info(client, "persistence")
    assert said["rdb_last_bgsave_status"] == "ok"
    assert said["rdb_changes_since_last_save"] == "0"
    assert client.ok("LASTSAVE") > before
    assert int(said["rdb_last_save_time"]) == client.ok("LASTSAVE")


@pytest.mark.chorale_only
def test_what_bgsave_began_with_is_on_disk_at_its_end(server: Server, client: RespClient) -> None:
    client.ok("SET", "key", "value")
    assert client.command("BGSAVE") == Simple("Background saving started")
    wait_until(lambda: info_number(client, "persistence", "rdb_bgsave_in_progress") == 0)
    server.restart(signal.SIGKILL)
    with server.connect() as other:
        assert other.ok("GET", "key") == b"value"


def test_lastsave_is_a_time_that_only_grows(client: RespClient) -> None:
    moments = []
    for number in range(3):
        client.ok("SET", "key", number)
        assert client.command("SAVE") == Simple("OK")
        moments.append(client.ok("LASTSAVE"))
    assert moments == sorted(moments)
    assert abs(moments[-1] - time.time()) <= 2


def test_info_says_how_data_is_kept(server: Server, client: RespClient) -> None:
    said = info(client, "persistence")
    assert said["loading"] == "0"
    assert said["aof_enabled"] == "1"
    assert said["aof_last_write_status"] == "ok"
    assert said["rdb_bgsave_in_progress"] == "0"
    client.pipeline([("SET", f"key:{number}", number) for number in range(100)])
    client.ok("SAVE")
    assert info_number(client, "persistence", "rdb_changes_since_last_save") == 0


def test_info_says_that_nothing_is_kept(server_factory: Callable[..., Server]) -> None:
    with server_factory().connect() as client:
        said = info(client, "persistence")
        assert said["aof_enabled"] == "0"
        assert said["aof_last_write_status"] == "ok"


@pytest.mark.chorale_only
@pytest.mark.parametrize("command", [("SAVE",), ("BGSAVE",), ("CHECKPOINT", "copy")])
def test_without_persistence_there_is_nothing_to_save(
    server_factory: Callable[..., Server], command: tuple[str, ...]
) -> None:
    server = server_factory()
    with server.connect() as client:
        reply = client.command(*command)
    assert isinstance(reply, Error)
    assert "ersistence" in reply.text
    assert not (server.directory / "copy").exists()


@pytest.mark.chorale_only
@pytest.mark.parametrize("words", [("SAVE", "x"), ("LASTSAVE", "x"), ("CHECKPOINT",)])
def test_a_wrong_number_of_arguments_is_an_error(
    client: RespClient, words: tuple[str, ...]
) -> None:
    reply = client.command(*words)
    assert reply == Error(f"ERR wrong number of arguments for '{words[0].lower()}' command")


@pytest.mark.parametrize(
    "command",
    [("SAVE",), pytest.param(("CHECKPOINT", "copy"), marks=pytest.mark.chorale_only)],
)
def test_saving_inside_a_transaction_or_a_script_is_refused(
    client: RespClient, command: tuple[str, ...]
) -> None:
    client.ok("MULTI")
    assert isinstance(client.command(*command), Error)
    assert client.command("EXEC").code == "EXECABORT"
    words = ", ".join(f"'{word}'" for word in command)
    reply = client.command("EVAL", f"return redis.call({words})", 0)
    assert isinstance(reply, Error)
    assert "not allowed from script" in reply.text


# ---- WAITAOF ----


@pytest.mark.chorale_only
@pytest.mark.parametrize("mode", ["everysec", "always"])
def test_waitaof_answers_when_what_the_client_has_written_is_on_disk(
    keeping_server: Callable[..., Server], mode: str
) -> None:
    server = keeping_server(mode)
    writes = [
        ("SET", "key", "value"),
        ("EVAL", "return redis.call('RPUSH', KEYS[1], 'element')", 1, "list"),
        ("CHANNEL.SEND", "layer", "jobs", "message"),
        ("GROUP.ADD", "layer", "team", "box!a"),
        ("GROUP.SEND", "layer", "team", "message"),
    ]
    for number in range(1, 4):
        with server.connect() as client:
            for write in writes:
                client.ok(*write)
                assert client.command("WAITAOF", 1, 0, 0) == [1, 0]
            client.ok("MULTI")
            client.ok("INCR", "transactions")
            client.ok("EXEC")
            assert client.command("WAITAOF", 1, 0, 0) == [1, 0]
        server.restart(signal.SIGKILL)
        with server.connect() as client:
            assert client.ok("GET", "key") == b"value"
            assert client.ok("LLEN", "list") == number
            assert client.ok("CHANNEL.LEN", "layer", "jobs") == number
            assert client.ok("CHANNEL.LEN", "layer", "box!a") == number
            assert client.ok("GET", "transactions") == b"%d" % number


@pytest.mark.chorale_only
def test_waitaof_without_waiting_says_whether_it_is_on_disk(client: RespClient) -> None:
    assert client.command("WAITAOF", 0, 0, 0) == [1, 0], "nothing was written"
    client.ok("SET", "key", "value")
    wait_until(lambda: client.command("WAITAOF", 0, 0, 0) == [1, 0])
    client.ok("MULTI")
    client.ok("SET", "key", "value")
    client.ok("WAITAOF", 1, 0, 0)
    assert client.command("EXEC") == [Simple("OK"), [0, 0]]
    assert client.command("WAITAOF", 1, 0, 0) == [1, 0]
    client.ok("MULTI")
    client.ok("WAITAOF", 1, 1, 0)
    assert client.command("EXEC") == [[1, 0]]


@pytest.mark.chorale_only
def test_waitaof_waits_for_replicas_in_vain_and_holds_up_nobody(
    keeping_server: Callable[..., Server],
) -> None:
    server = keeping_server("everysec", threads=1)
    with server.connect() as client, server.connect() as other:
        client.ok("SET", "key", "value")
        number = client.ok("CLIENT", "ID")
        client.send("WAITAOF", 1, 1, 0)
        wait_until_blocked(other, 1)
        assert client.is_quiet(0.2)
        assert other.ok("CLIENT", "UNBLOCK", number) == 1
        assert client.read_reply() == [1, 0]
        assert client.command("WAITAOF", 0, 1, 50) == [1, 0]
        assert client.command("WAITAOF", 1, 1, 50) == [1, 0]


@pytest.mark.chorale_only
def test_waitaof_is_told_that_the_disk_is_full_and_does_not_try_again(
    server: Server, client: RespClient
) -> None:
    client.ok("SET", "key", "value")
    with full_disk(server.pid):
        assert client.command("WAITAOF", 1, 0, 0).code == "MISCONF"
    assert client.command("WAITAOF", 1, 0, 0).code == "MISCONF"
    assert client.command("WAITAOF", 0, 0, 0) == [0, 0]
    with server.connect() as reader:
        assert reader.command("WAITAOF", 1, 0, 0) == [1, 0], "it has written nothing"
    assert client.command("SAVE") == Simple("OK")
    assert client.command("WAITAOF", 1, 0, 0) == [1, 0]


@pytest.mark.chorale_only
@pytest.mark.parametrize(("mode", "why"), [("no", "appendfsync"), ("off", "appendonly")])
def test_waitaof_is_refused_where_nothing_is_synced(
    server_factory: Callable[..., Server], tmp_path: Path, mode: str, why: str
) -> None:
    persistence = "no-sync" if mode == "no" else mode
    server = server_factory(persistence=persistence, dir=tmp_path / "data")
    with server.connect() as client:
        client.ok("SET", "key", "value")
        reply = client.command("WAITAOF", 1, 0, 0)
        assert isinstance(reply, Error)
        assert why in reply.text
        assert client.command("WAITAOF", 0, 0, 0) == [0, 0]


# ---- CHECKPOINT ----


@pytest.mark.chorale_only
def test_a_checkpoint_holds_what_was_there_and_changes_nothing(
    server: Server, client: RespClient, server_factory: Callable[..., Server], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    client.ok("HSET", "hash", "field", "value")
    client.ok("SET", "key", "value")
    assert client.command("CHECKPOINT", str(copy)) == Simple("OK")
    client.ok("SET", "key", "changed afterwards")
    before = listing(copy)
    assert before
    with server_factory(dir=copy, persistence="always").connect() as other:
        assert other.ok("GET", "key") == b"value"
        assert other.ok("HGET", "hash", "field") == b"value"
        other.ok("SET", "key", "changed in the copy")
    assert client.ok("GET", "key") == b"changed afterwards"
    server.restart(signal.SIGKILL)
    with server.connect() as again:
        assert again.ok("HGET", "hash", "field") == b"value"


@pytest.mark.chorale_only
def test_two_checkpoints_and_one_of_an_empty_broker(
    server: Server, client: RespClient, server_factory: Callable[..., Server], tmp_path: Path
) -> None:
    for name, keys in (("empty", 0), ("one", 1), ("two", 2)):
        for number in range(keys):
            client.ok("SET", f"key:{number}", number)
        assert client.command("CHECKPOINT", str(tmp_path / name)) == Simple("OK")
    for name, keys in (("empty", 0), ("one", 1), ("two", 2)):
        with server_factory(dir=tmp_path / name, persistence="everysec").connect() as other:
            assert other.ok("DBSIZE") == keys


@pytest.mark.chorale_only
@pytest.mark.parametrize("kind", ["file", "empty directory", "own directory", "no parent"])
def test_a_checkpoint_goes_into_a_new_directory_only(
    server: Server, client: RespClient, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "there"
    if kind == "file":
        path.write_text("mine")
    elif kind == "empty directory":
        path.mkdir()
    elif kind == "own directory":
        path = tmp_path / "data"
    else:
        path = tmp_path / "missing" / "copy"
    client.ok("SET", "key", "value")
    reply = client.command("CHECKPOINT", str(path))
    assert isinstance(reply, Error)
    assert str(path) in reply.text
    if kind == "file":
        assert path.read_text() == "mine"
    elif kind == "empty directory":
        assert list(path.iterdir()) == []
    assert client.command("SET", "key", "again") == Simple("OK")
    assert client.command("CHECKPOINT", str(tmp_path / "new")) == Simple("OK")


@pytest.mark.chorale_only
def test_a_checkpoint_goes_to_another_file_system(
    server: Server, client: RespClient, server_factory: Callable[..., Server], tmp_path: Path
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system")
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        client.ok("RPUSH", "list", *range(1000))
        client.ok("SAVE")
        client.ok("SET", "key", "value")
        assert client.command("CHECKPOINT", f"{directory}/copy") == Simple("OK")
        copy = server_factory(dir=f"{directory}/copy", persistence="everysec")
        with copy.connect() as other:
            assert other.ok("GET", "key") == b"value"
            assert other.ok("LLEN", "list") == 1000
        copy.stop()


class PairWriter(threading.Thread):
    """Counts two keys up in transactions, always to the same value."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__()
        self.keys = (f"{name}:left", f"{name}:right")
        self.sent = self.acknowledged = 0
        self.stopping = threading.Event()
        self._client = server.connect(deadline=30)

    def run(self) -> None:
        with self._client as client:
            while not self.stopping.is_set():
                self.sent += 1
                replies = client.pipeline(
                    [("MULTI",), *(("INCR", key) for key in self.keys), ("EXEC",)]
                )
                assert replies[-1] == [self.sent, self.sent], replies
                self.acknowledged = self.sent

    def stop(self) -> None:
        self.stopping.set()
        self.join(scaled(10))
        assert not self.is_alive()


@pytest.mark.chorale_only
@pytest.mark.parametrize("mode", ["everysec", "always"])
def test_a_checkpoint_under_load_is_one_moment(
    keeping_server: Callable[..., Server],
    server_factory: Callable[..., Server],
    tmp_path: Path,
    mode: str,
) -> None:
    server = keeping_server(mode)
    writers = [PairWriter(server, f"pair {number}") for number in range(3)]
    for writer in writers:
        writer.start()
    moments = []
    try:
        with server.connect(deadline=60) as client:
            for number in range(3):
                wait_until(
                    lambda target=(number + 1) * 30: all(
                        writer.acknowledged >= target for writer in writers
                    ),
                    deadline=30,
                )
                earliest = [writer.acknowledged for writer in writers]
                assert client.command("CHECKPOINT", str(tmp_path / f"copy{number}")) == Simple("OK")
                moments.append((earliest, [writer.sent for writer in writers]))
    finally:
        for writer in writers:
            writer.stop()
    for number, (earliest, latest) in enumerate(moments):
        copy = server_factory(dir=tmp_path / f"copy{number}", persistence=mode)
        with copy.connect() as client:
            for writer, least, most in zip(writers, earliest, latest, strict=True):
                left, right = (int(client.ok("GET", key)) for key in writer.keys)
                assert left == right
                assert least <= left <= most
