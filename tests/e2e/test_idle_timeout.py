"""The option `timeout` closes clients that do nothing, and no others."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from support.observe import client_row, wait_until_blocked
from support.resp import RespClient, Simple
from support.server import Server
from support.waiting import wait_until

PONG = Simple("PONG")
LARGE = 40 << 20
# Here the time is the point: more than twice the timeout of a second, and its check.
BUSY_SECONDS = 3.0
# Less than the timeout, and long enough for the server to look for idle clients meanwhile.
A_LITTLE_IDLE = 0.8
PIECES = 60


@pytest.fixture
def server(server_factory: Callable[..., Server]) -> Server:
    return server_factory(timeout=1)


def steadily() -> Iterator[int]:
    """The numbers of the pieces, spread over the busy time: far less than a second apart."""
    start = time.monotonic()
    for piece in range(PIECES):
        time.sleep(max(0.0, start + piece * BUSY_SECONDS / PIECES - time.monotonic()))
        yield piece


def test_an_idle_client_is_closed(server: Server) -> None:
    idle = server.connect()
    start = time.monotonic()
    assert idle.is_closed_by_server()
    assert time.monotonic() - start > 0.5
    idle.close()


def test_a_client_that_asks_now_and_then_is_not_idle(server: Server) -> None:
    with server.connect() as client:
        for _ in steadily():
            assert client.command("PING") == PONG


def test_a_subscriber_is_never_idle(server: Server) -> None:
    with server.connect() as subscriber:
        subscriber.ok("SUBSCRIBE", "channel")
        assert subscriber.is_quiet(BUSY_SECONDS)
        with server.connect() as publisher:
            assert publisher.command("PUBLISH", "channel", "message") == 1
        assert subscriber.read() == [b"message", b"channel", b"message"]


def test_the_time_that_a_client_is_blocked_is_not_idle_time(server: Server) -> None:
    with server.connect() as waiter:
        waiter.send("BLPOP", "queue", 0)
        with server.connect() as control:
            wait_until_blocked(control, 1)
        assert waiter.is_quiet(BUSY_SECONDS)
        with server.connect() as control:
            control.ok("RPUSH", "queue", "element")
        assert waiter.read() == [b"queue", b"element"]
        assert waiter.is_quiet(A_LITTLE_IDLE)
        assert waiter.command("PING") == PONG
        assert waiter.is_closed_by_server(), "from its last command on it is idle"


def slow_reader(server: Server) -> RespClient:
    """With a small receive buffer, so that the server can send no more than what is read."""
    client = server.connect()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    return client


def test_a_client_that_reads_a_large_value_slowly_gets_all_of_it(server: Server) -> None:
    value = b"0123456789abcdef" * (LARGE // 16)
    with server.connect() as writer:
        writer.ok("SET", "large", value)
    with slow_reader(server) as reader:
        reader.send("GET", "large")
        expected = b"$%d\r\n%b\r\n" % (LARGE, value)
        received = bytearray()
        for piece in steadily():
            wanted = len(expected) * (piece + 1) // PIECES
            while len(received) < wanted:
                data = reader.socket.recv(wanted - len(received))
                assert data, f"closed after {len(received)} of {wanted} bytes"
                received += data
        assert received == expected
        assert reader.command("PING") == PONG


def test_a_client_that_sends_a_large_value_slowly_is_not_idle(server: Server) -> None:
    value = b"0123456789abcdef" * (64 << 10)
    data = b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n%b\r\n" % (len(value), value)
    with server.connect() as writer:
        for piece in steadily():
            start, end = (len(data) * number // PIECES for number in (piece, piece + 1))
            writer.send_raw(data[start:end])
        assert writer.read() == Simple("OK")
        assert writer.command("GET", "large") == value


def test_a_client_that_waits_out_a_pause_is_not_idle(server: Server) -> None:
    with server.connect() as client:
        with server.connect() as control:
            number = client.ok("CLIENT", "ID")
            assert control.command("CLIENT", "PAUSE", 2500, "WRITE") == Simple("OK")
            client.send("SET", "key", "value")
            wait_until(lambda: "b" in (client_row(control, number) or {"flags": ""})["flags"])
        assert client.read() == Simple("OK")
        assert client.is_quiet(A_LITTLE_IDLE)
        assert client.command("GET", "key") == b"value"
