"""Clients that do not read what they are sent, and publishers that outrun the broker."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.observe import clients_on_two_threads, wait_until_blocked
from support.resp import NULL_BULK, RespClient, Simple, encode
from support.server import Server
from support.waiting import wait_until

pytestmark = pytest.mark.chorale_only

CHUNK = b"x" * (64 << 10)
MEMORY_LIMIT = 200_000_000


def info(client: RespClient, field: str, section: str = "stats") -> int:
    text = client.ok("INFO", section).decode()
    found = re.search(rf"^{field}:(\d+)", text, re.MULTILINE)
    assert found, f"INFO {section} lacks {field}"
    return int(found[1])


def disconnections(client: RespClient) -> int:
    return info(client, "client_output_buffer_limit_disconnections")


def test_a_subscriber_that_does_not_read_is_closed_and_others_get_every_message(
    server_factory: Callable[..., Server],
) -> None:
    server = server_factory(client_output_buffer_limit="pubsub 1mb 0 0")
    with server.connect() as publisher, server.connect() as reader, server.connect() as deaf:
        reader.ok("SUBSCRIBE", "channel")
        deaf.ok("SUBSCRIBE", "channel")
        sent = 0
        while disconnections(publisher) == 0:
            assert sent < 1000, "a reader behind by 64 MB is still connected"
            publisher.ok("PUBLISH", "channel", b"%d:" % sent + CHUNK)
            assert reader.read()[2].startswith(b"%d:" % sent)
            sent += 1
        assert deaf.is_closed_by_server()
        assert publisher.ok("PUBLISH", "channel", "last") == 1
        assert reader.read() == [b"message", b"channel", b"last"]
    assert "client-output-buffer-limit" in server.output


def test_a_subscriber_over_the_soft_limit_for_its_time_is_closed(
    server_factory: Callable[..., Server],
) -> None:
    server = server_factory(client_output_buffer_limit="pubsub 0 256kb 1")
    with server.connect() as publisher, server.connect() as deaf:
        deaf.ok("SUBSCRIBE", "channel")
        # More than the kernel buffers for both sides, and no more publishing afterwards.
        for _ in range(400):
            publisher.ok("PUBLISH", "channel", CHUNK)
        wait_until(lambda: disconnections(publisher) == 1, 10, "the soft limit closes the client")
        assert deaf.is_closed_by_server()


def test_a_client_that_sends_commands_and_does_not_read_the_replies_is_closed(
    server_factory: Callable[..., Server],
) -> None:
    server = server_factory(client_output_buffer_limit="normal 8mb 0 0")
    with server.connect() as control, server.connect() as deaf:
        control.ok("SET", "large", b"x" * (1 << 20))
        try:
            for _ in range(200):
                deaf.send("GET", "large")
        except OSError:
            pass  # closed while it was sending
        wait_until(lambda: disconnections(control) == 1, 10, "the hard limit closes the client")
        assert deaf.is_closed_by_server()
        assert control.command("PING") == Simple("PONG")


def test_a_publisher_waits_for_a_congested_thread_and_no_message_is_lost(
    server_factory: Callable[..., Server],
) -> None:
    """While the subscriber's thread sleeps, the publisher may get ahead by so much and no more."""
    server = server_factory(threads=2, enable_debug_command="yes")
    count = 20000
    (publisher, control, *_), (sleeper, subscriber, *_) = clients_on_two_threads(server).values()
    subscriber.ok("SUBSCRIBE", "channel")
    sleeper.send("DEBUG", "SLEEP", 2)
    batch = [("PUBLISH", "channel", b"%d" % i) for i in range(count)]
    replies: list = []
    sender = threading.Thread(target=lambda: replies.extend(publisher.pipeline(batch)))
    sender.start()
    wait_until_blocked(control, 1)
    published = info(control, "total_commands_processed")
    assert published < count, "the publisher was held only after it had sent everything"
    assert sleeper.read() == Simple("OK")
    for i in range(count):
        assert subscriber.read()[2] == b"%d" % i
    sender.join(30)
    assert replies == [1] * count
    assert info(control, "blocked_clients", "clients") == 0


@pytest.mark.sanitizer
def test_what_a_publisher_sent_before_it_hung_up_is_published(
    server_factory: Callable[..., Server],
) -> None:
    """It is held back for a thread that sleeps, and closes its side meanwhile."""
    server = server_factory(threads=2, enable_debug_command="yes")
    count = 20000
    (publisher, control, *_), (sleeper, subscriber, *_) = clients_on_two_threads(server).values()
    subscriber.ok("SUBSCRIBE", "channel")
    sleeper.send("DEBUG", "SLEEP", 2)
    batch = b"".join(encode("PUBLISH", "channel", b"%d" % i) for i in range(count))

    def send() -> None:
        publisher.send_raw(batch)
        publisher.socket.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    wait_until_blocked(control, 1)
    for i in range(count):
        assert subscriber.read()[2] == b"%d" % i
    sender.join(30)
    assert [publisher.read() for _ in range(count)] == [1] * count
    assert publisher.is_closed_by_server()
    assert sleeper.read() == Simple("OK")


def test_a_client_waits_for_a_monitor_whose_thread_is_congested(
    server_factory: Callable[..., Server],
) -> None:
    server = server_factory(threads=2, enable_debug_command="yes")
    count = 10000
    (client, control, *_), (sleeper, monitor, *_) = clients_on_two_threads(server).values()
    monitor.ok("MONITOR")
    sleeper.send("DEBUG", "SLEEP", 2)
    sender = threading.Thread(target=lambda: client.pipeline([("ECHO", i) for i in range(count)]))
    sender.start()
    wait_until_blocked(control, 1)
    assert sleeper.read() == Simple("OK")
    echoed = 0
    while echoed < count:
        echoed += b'"ECHO"' in monitor.read()
    sender.join(30)


def bytes_until_end(client: RespClient, wanted: int) -> int:
    """How many arrive until it were `wanted` or the server closes."""
    received = 0
    client.socket.settimeout(client.timeout)
    try:
        while received < wanted:
            data = client.socket.recv(1 << 20)
            if not data:
                break
            received += len(data)
    except ConnectionError:
        pass
    return received


@pytest.mark.parametrize(("length", "count"), [(2048, 200_000), (1, 1_500_000)])
def test_what_a_script_publishes_takes_no_more_memory_than_the_output_limit_lets_wait(
    server_factory: Callable[..., Server], length: int, count: int
) -> None:
    """Some 400 MB in one command, which the only thread runs while it could send nothing."""
    server = server_factory(threads=1)
    before = server.peak_memory()
    with server.connect() as publisher, server.connect(deadline=60) as subscriber:
        subscriber.ok("SUBSCRIBE", "c")
        script = """
            local message = string.rep('x', ARGV[1])
            for i = 1, ARGV[2] do redis.call('PUBLISH', 'c', message) end
            """
        everything = count * len(encode("message", "c", b"x" * length))
        with ThreadPoolExecutor(1) as pool:
            received = pool.submit(bytes_until_end, subscriber, everything)
            assert publisher.command("EVAL", script, 0, length, count, timeout=60) is NULL_BULK
            if received.result() < everything:
                assert disconnections(publisher) == 1
        assert publisher.command("PING") == Simple("PONG")
    assert server.peak_memory() - before < MEMORY_LIMIT, f"{server.peak_memory() >> 20} MB"
