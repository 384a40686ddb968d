"""A disk that takes no more, and a journal whose end is torn off."""

from __future__ import annotations

import itertools
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.disk import full_disk, journal
from support.observe import info, thread_of
from support.resp import ConnectionClosed, Error, RespClient, Simple
from support.server import Server
from support.waiting import scaled, wait_until

pytestmark = pytest.mark.sanitizer

MESSAGE = "MISCONF Errors writing to the data directory: "


def persistence(client: RespClient) -> dict[str, str]:
    return info(client, "persistence")


class Writer:
    """Sets one key after the other and remembers which were acknowledged."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = server.connect()
        self.acknowledged: list[int] = []
        self.numbers = itertools.count()

    def write(self) -> Error | ConnectionClosed | None:
        """Why the next write was not acknowledged; None if it was."""
        number = next(self.numbers)
        try:
            reply = self.client.command("SET", f"key:{number}", f"{number}".ljust(2000, "x"))
        except ConnectionError as failure:
            self.client.close()
            self.client = self.server.connect()
            return failure
        if isinstance(reply, Error):
            return reply
        assert reply == Simple("OK")
        self.acknowledged.append(number)
        return None

    def write_until_refused(self) -> list[Exception]:
        """Until MISCONF; the connections that were lost before."""
        lost: list[Exception] = []
        end = time.monotonic() + scaled(20)
        while time.monotonic() < end:
            reason = self.write()
            if isinstance(reason, Error):
                assert reason.text.startswith(MESSAGE), reason
                return lost
            if reason is not None:
                lost.append(reason)
        raise AssertionError("a full disk was never noticed")

    def assert_all_there(self) -> None:
        with self.server.connect() as client:
            for number in self.acknowledged:
                value = client.ok("GET", f"key:{number}")
                assert value == f"{number}".ljust(2000, "x").encode(), number


@pytest.mark.chorale_only
@pytest.mark.parametrize("mode", ["always", "everysec", "no"])
def test_a_full_disk_stops_writes_until_there_is_room_and_save_has_succeeded(
    keeping_server: Callable[..., Server], mode: str
) -> None:
    server = keeping_server(mode)
    writer = Writer(server)
    for _ in range(20):
        assert writer.write() is None
    with server.connect() as client:
        assert persistence(client)["aof_last_write_status"] == "ok"
        with full_disk(server.pid):
            lost = writer.write_until_refused()
            assert bool(lost) == (mode == "always"), lost
            # Sticky, for every kind of write; reads go on.
            assert client.command("LPUSH", "list", 1).code == "MISCONF"
            assert client.command("DEL", "key:1").code == "MISCONF"
            assert client.command("EVAL", "return redis.call('SET', 'a', 1)", 0).text.count(
                "MISCONF"
            )
            assert client.command("CHANNEL.SEND", "layer", "jobs", "x").code == "MISCONF"
            client.ok("MULTI")
            assert client.command("INCR", "counter").code == "MISCONF"
            assert client.command("EXEC").code == "EXECABORT"
            assert client.ok("EXISTS", "key:1") == 1
            assert client.ok("EXISTS", "list", "a", "counter") == 0
            said = persistence(client)
            assert said["aof_last_write_status"] == "err"
            assert isinstance(client.command("SAVE"), Error)
            assert client.command("SET", "key", "value").code == "MISCONF"
        # Room alone is not enough: the operator has to act.
        assert client.command("SET", "key", "value").code == "MISCONF"
        assert client.command("SAVE") == Simple("OK")
        assert persistence(client)["aof_last_write_status"] == "ok"
        assert client.command("SET", "key", "value") == Simple("OK")
        assert writer.write() is None
        assert client.command("SAVE") == Simple("OK")
    writer.assert_all_there()
    server.restart(signal.SIGKILL)
    writer.assert_all_there()
    with server.connect() as client:
        assert client.ok("GET", "key") == b"value"
        assert client.ok("EXISTS", "list", "a", "counter") == 0


@pytest.mark.chorale_only
def test_bgsave_makes_writes_work_again_too(keeping_server: Callable[..., Server]) -> None:
    server = keeping_server("everysec")
    writer = Writer(server)
    with full_disk(server.pid):
        writer.write_until_refused()
    with server.connect() as client:
        client.ok("BGSAVE")
        wait_until(lambda: client.command("SET", "key", "value") == Simple("OK"))
    server.restart(signal.SIGTERM)
    writer.assert_all_there()


@pytest.mark.chorale_only
def test_with_always_a_client_whose_write_is_not_on_disk_gets_no_reply(
    keeping_server: Callable[..., Server],
) -> None:
    server = keeping_server("always")
    with server.connect() as client, server.connect() as reader:
        client.ok("SET", "key", "old")
        with full_disk(server.pid):
            client.send("SET", "key", "new")
            assert client.is_closed_by_server()
            assert reader.ok("PING")
            assert reader.command("SET", "other", "value").code == "MISCONF"
    server.kill()
    server.start()
    with server.connect() as client:
        assert client.ok("GET", "key") in (b"old", b"new")


@pytest.mark.chorale_only
def test_with_always_a_script_whose_write_is_not_on_disk_gets_no_reply(
    keeping_server: Callable[..., Server],
) -> None:
    """Who wrote before, or only reads, goes on."""
    server = keeping_server("always", enable_debug_command="yes")
    script = "return redis.call('SET', KEYS[1], ARGV[1])"
    with server.connect() as client, server.connect() as before:
        before.ok("SET", "other", "value")
        before.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        before.ok("SET", "expired", "value", "PX", "1")
        assert client.ok("EVAL", script, 1, "key", "old") == Simple("OK")
        with full_disk(server.pid):
            client.send("EVAL", script, 1, "key", "new")
            assert client.is_closed_by_server()
            assert before.ok("PING")
            assert before.ok("GET", "other") == b"value"
            wait_until(lambda: before.ok("EXISTS", "expired") == 0)
            assert before.ok("EVAL", "return redis.call('GET', KEYS[1])", 1, "other") == b"value"
            assert "MISCONF" in before.command("EVAL", script, 1, "other", "new").text
            assert before.ok("PING")
    server.kill()
    server.start()
    with server.connect() as client:
        assert client.ok("GET", "key") in (b"old", b"new")


@pytest.mark.chorale_only
def test_with_always_what_a_transaction_publishes_waits_for_what_its_script_writes_behind_it(
    keeping_server: Callable[..., Server],
) -> None:
    server = keeping_server("always")
    # Between the message and the write there is time for the message to leave.
    script = """
        local begin = redis.call('TIME')
        repeat
            local now = redis.call('TIME')
        until (now[1] - begin[1]) * 1000000 + now[2] - begin[2] > 300000
        return redis.call('SET', KEYS[1], 'new')"""
    with server.connect() as client, server.connect() as subscriber:
        assert thread_of(client) != thread_of(subscriber)
        subscriber.ok("SUBSCRIBE", "news")
        client.ok("SET", "key", "old")
        client.ok("MULTI")
        client.ok("PUBLISH", "news", "the key is new")
        client.ok("EVAL", script, 1, "key")
        with full_disk(server.pid):
            client.send("EXEC")
            assert client.is_closed_by_server()
            with pytest.raises(ConnectionClosed):
                subscriber.read_reply()


@pytest.mark.chorale_only
def test_a_broker_killed_with_its_disk_full_has_what_was_acknowledged(
    keeping_server: Callable[..., Server],
) -> None:
    server = keeping_server("always")
    writer = Writer(server)
    for _ in range(50):
        assert writer.write() is None
    with full_disk(server.pid):
        writer.write_until_refused()
        server.kill()
    server.start()
    writer.assert_all_there()
    assert writer.write() is not None  # the connection of before
    assert writer.write() is None


# ---- writers that wait for the disk ----


@pytest.mark.chorale_only
def test_writers_wait_for_the_disk_at_the_limit_and_get_one_reply_each(
    keeping_server: Callable[..., Server],
) -> None:
    """A command may exceed the limit by itself; a client that hangs up meanwhile is forgotten."""
    limit, value = 1 << 20, b"v" * 300_000
    server = keeping_server("everysec", persistence_buffer_limit=limit)
    writers = [server.connect(deadline=60) for _ in range(6)]
    leaver = server.connect()
    most = 0
    with server.connect() as reader:
        for turn in range(20):
            for number, writer in enumerate(writers):
                writer.send("SET", f"key:{number}:{turn % 4}", value)
                writer.send("MULTI")
                writer.send("INCR", f"count:{number}")
                writer.send("APPEND", f"log:{number}", f"{turn},")
                writer.send("EXEC")
                writer.send("EVAL", "return redis.call('INCR', KEYS[1])", 1, f"script:{number}")
            if turn == 10:
                leaver.send("SET", "leaver", value)
                leaver.close()
            most = max(most, int(persistence(reader)["journal_unsaved_bytes"]))
            for writer in writers:
                assert [writer.read_reply() for _ in range(4)] == [Simple("OK")] * 2 + [
                    Simple("QUEUED")
                ] * 2
                assert writer.read_reply() == [
                    turn + 1,
                    len("".join(f"{n}," for n in range(turn + 1))),
                ]
                assert writer.read_reply() == turn + 1
        assert most <= limit + (len(writers) + 1) * (len(value) + 4096)
        assert reader.ok("SAVE") == Simple("OK")
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        for number in range(len(writers)):
            assert client.ok("GET", f"count:{number}") == b"20"
            assert client.ok("GET", f"script:{number}") == b"20"


# ---- torn journals ----


def test_a_torn_end_of_the_journal_loses_no_more_than_the_end(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Wherever it is torn, a transaction is there or not, and those before it are."""
    server = keeping_server("always")
    sizes = [0]
    with server.connect() as client:
        client.ok("SET", "start", "x" * 5000)
        for number in range(1, 31):
            client.ok("MULTI")
            client.ok("SET", "left", number)
            client.ok("RPUSH", "right", f"{number}".ljust(200, "x"))
            client.ok("HSET", "other", f"field:{number}", "y" * 100, "last", number)
            client.ok("EXEC")
            sizes.append(journal(tmp_path / "data").stat().st_size)
    server.kill()
    whole = journal(tmp_path / "data")
    assert sizes[1:] == sorted(set(sizes[1:])), "every acknowledged write is in the file"
    data, saved = tmp_path / "data", tmp_path / "saved"
    shutil.copytree(data, saved)
    last = sizes[-1] - sizes[-2]
    for torn in (1, 2, 7, last // 2, last - 1, last, last + 1, 3 * last - 5, 10 * last + 3):
        shutil.rmtree(data)
        shutil.copytree(saved, data)
        with open(data / whole.relative_to(data), "r+b") as file:
            file.truncate(sizes[-1] - torn)
        complete = sum(size <= sizes[-1] - torn for size in sizes[1:])
        server.start()
        with server.connect() as client:
            assert client.ok("GET", "left") == b"%d" % complete
            elements = client.ok("LRANGE", "right", 0, -1)
            assert [int(each.rstrip(b"x")) for each in elements] == [*range(1, complete + 1)]
            assert client.ok("HGET", "other", "last") == b"%d" % complete
            assert client.ok("HLEN", "other") == complete + 1
            assert client.ok("EXISTS", "start") == 1
        server.kill()
    server.start()
