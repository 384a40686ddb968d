"""Clients that send far ahead of a command that waits: their commands stay, and run in turn."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from support.observe import client_row, clients_on_two_threads, info_number, wait_until_blocked
from support.resp import RespClient, Simple, encode
from support.server import Server
from support.waiting import SCALE, wait_until

pytestmark = pytest.mark.sanitizer

OK = Simple("OK")
PINGS = 150_000  # 2 MB
HELD_BYTES = 500_000
MESSAGES = 100_000 if SCALE == 1 else 20_000
MESSAGE_LENGTH = 1024


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def send_pings_behind(
    client: RespClient, background: ThreadPoolExecutor, *command: str | int
) -> Future[None]:
    """`command` and the PINGs in one stream, of which the server need not take everything yet."""
    return background.submit(client.send_raw, encode(*command) + encode("PING") * PINGS)


def wait_until_held(control: RespClient, number: int) -> None:
    """Until much of that client's input waits, and for two of the server's seconds after that."""

    def held() -> bool:
        row = client_row(control, number)
        assert row, "the connection is gone"
        return int(row["qbuf"]) > HELD_BYTES

    wait_until(held, what="input waits behind the command")
    start = info_number(control, "server", "uptime_in_seconds")
    wait_until(lambda: info_number(control, "server", "uptime_in_seconds") > start + 1)


def assert_all_pongs(client: RespClient) -> None:
    assert [client.read() for _ in range(PINGS)].count(Simple("PONG")) == PINGS


def test_commands_sent_behind_a_blocking_pop_run_after_it(
    server: Server, background: ThreadPoolExecutor
) -> None:
    with server.connect() as control, server.connect(deadline=30) as client:
        number = client.ok("CLIENT", "ID")
        sent = send_pings_behind(client, background, "BLPOP", "queue", 0)
        wait_until_held(control, number)
        control.ok("RPUSH", "queue", "element")
        assert client.read() == [b"queue", b"element"]
        assert_all_pongs(client)
        sent.result()
        assert client.command("PING") == Simple("PONG")
        assert control.command("LLEN", "queue") == 0


def test_commands_sent_behind_a_paused_one_run_after_the_pause(
    server: Server, background: ThreadPoolExecutor
) -> None:
    with server.connect() as control, server.connect(deadline=30) as client:
        number = client.ok("CLIENT", "ID")
        assert control.command("CLIENT", "PAUSE", 60_000, "WRITE") == OK
        sent = send_pings_behind(client, background, "SET", "key", "value")
        wait_until_held(control, number)
        assert control.command("CLIENT", "UNPAUSE") == OK
        assert client.read() == OK
        assert_all_pongs(client)
        sent.result()
        assert control.command("GET", "key") == b"value"


def message(number: int) -> bytes:
    return b"%08d" % number * (MESSAGE_LENGTH // 8)


def hash_of_stream(client: RespClient, length: int) -> str:
    """Reads so many bytes as fast as they come."""
    digest = hashlib.sha1(usedforsecurity=False)
    client.socket.settimeout(client.timeout)
    while length:
        data = client.socket.recv(min(length, 1 << 20))
        assert data, f"closed with {length} bytes to come"
        digest.update(data)
        length -= len(data)
    return digest.hexdigest()


@pytest.mark.chorale_only
def test_a_publisher_that_never_waits_reaches_every_subscriber_with_every_message(
    server_factory: Callable[..., Server], background: ThreadPoolExecutor
) -> None:
    """It is held while one of the two threads sleeps, and later whenever it outruns a reader."""
    server = server_factory(
        threads=2, enable_debug_command="yes", client_output_buffer_limit="pubsub 0 0 0"
    )
    own, other = clients_on_two_threads(server, 5).values()
    publisher, control, sleeper = own[3], own[4], other[3]
    subscribers = own[:3] + other[:3]
    for subscriber in subscribers:
        subscriber.ok("SUBSCRIBE", "channel")
    expected = hashlib.sha1(usedforsecurity=False)
    length = 0
    for number in range(MESSAGES):
        frame = encode("message", "channel", message(number))
        expected.update(frame)
        length += len(frame)
    batch = b"".join(encode("PUBLISH", "channel", message(each)) for each in range(MESSAGES))
    sleeper.send("DEBUG", "SLEEP", 2)
    heard = [background.submit(hash_of_stream, each, length) for each in subscribers]
    sent = background.submit(publisher.send_raw, batch)
    wait_until_blocked(control, 1)
    assert [publisher.read() for _ in range(MESSAGES)].count(len(subscribers)) == MESSAGES
    sent.result()
    assert {each.result() for each in heard} == {expected.hexdigest()}
    for subscriber in subscribers:
        assert subscriber.is_quiet(0.01), "nothing comes twice"


def test_a_blocked_client_that_sent_ahead_and_closed_is_gone_and_takes_nothing(
    server: Server,
) -> None:
    with server.connect() as control, server.connect() as client:
        number = client.ok("CLIENT", "ID")
        sender = threading.Thread(target=send_until_closed, args=(client, 4 << 20))
        sender.start()

        def held() -> bool:
            row = client_row(control, number)
            return row is not None and int(row["qbuf"]) > HELD_BYTES

        wait_until(held, what="input waits behind the command")
        sender.join(1)  # it may have to wait for a server that reads no further
        client.close()
        sender.join()
        wait_until(lambda: client_row(control, number) is None, what="the dead client is gone")
        assert control.command("RPUSH", "queue", "element") == 1
        assert control.command("LRANGE", "queue", 0, -1) == [b"element"]
        assert control.command("EXISTS", "key") == 0


def send_until_closed(client: RespClient, length: int) -> None:
    with contextlib.suppress(OSError):
        client.send_raw(encode("BLPOP", "queue", 0) + encode("SET", "key", b"x" * length))
