"""The C++ client against a real broker, by its example `group_listener`."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.resp import RespClient
from support.server import (
    SANITIZER_REPORTS,
    Server,
    binary_under_test,
    free_port,
)
from support.waiting import scaled, wait_until

pytestmark = [pytest.mark.chorale_only, pytest.mark.sanitizer]

LAYER = "asgi"
GROUP = "chat"
# Longer than the client waits between two attempts to connect.
DEADLINE = 20.0


def program() -> str:
    """Of the same build as the server."""
    return str(Path(binary_under_test()).resolve().parent / "group_listener")


class Listener:
    """A group_listener that runs; its output is collected in files."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        directory.mkdir()
        self._stdout, self._stderr = directory / "stdout", directory / "stderr"
        with open(self._stdout, "wb") as stdout, open(self._stderr, "wb") as stderr:
            self.process = subprocess.Popen(
                [program(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                # A shell ignores SIGINT for what it runs in the background.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    @property
    def messages(self) -> list[str]:
        return self._stdout.read_text().splitlines()

    def said(self, what: str) -> int:
        """How often it has said this on standard error."""
        lines = self._stderr.read_text().splitlines()
        return sum(line.startswith(f"group_listener: {what}") for line in lines)

    def wait_until_said(self, what: str, times: int = 1) -> None:
        wait_until(lambda: self.said(what) >= times, DEADLINE, f"{what} in:\n{self.errors}")

    def wait_for_messages(self, *messages: str) -> None:
        wait_until(lambda: len(self.messages) >= len(messages), DEADLINE, f"{messages}")
        assert self.messages == list(messages)

    @property
    def errors(self) -> str:
        return self._stderr.read_text()

    def wait(self) -> int:
        return self.process.wait(scaled(DEADLINE))

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Callable[..., Listener]]:
    """Starts listeners; ends and judges each after the test."""
    listeners: list[Listener] = []

    def start(*arguments: object) -> Listener:
        directory = tmp_path / f"listener{len(listeners)}"
        listeners.append(Listener(directory, *map(str, arguments)))
        return listeners[-1]

    yield start
    for listener in listeners:
        if listener.process.poll() is None:
            listener.process.kill()
            listener.process.wait()
        assert not any(mark in listener.errors for mark in SANITIZER_REPORTS), listener.errors


@pytest.fixture
def listener(server: Server, listen: Callable[..., Listener]) -> Listener:
    """A member of the group, on the server of the test."""
    listener = listen("--port", server.port, GROUP)
    listener.wait_until_said("listening")
    return listener


def stats(client: RespClient) -> dict[bytes, int]:
    reply = client.ok("LAYER.STATS", LAYER)
    return dict(zip(reply[::2], reply[1::2], strict=True))


def test_it_prints_every_message_and_acknowledges_it(server: Server, listener: Listener) -> None:
    messages = [f"message {i}" for i in range(1000)]
    with server.connect() as client:
        for start in range(0, 1000, 50):  # no more at once than the mailbox's capacity
            for message in messages[start : start + 50]:
                assert client.command("GROUP.SEND", LAYER, GROUP, message) == [1, 0]
            wait_until(lambda: stats(client)[b"mailbox_messages"] == 0, DEADLINE)
        listener.wait_for_messages(*messages)
        wait_until(lambda: stats(client)[b"mailbox_bytes"] == 0, DEADLINE)
        assert stats(client)[b"received"] == 1000
    assert listener.said("listening: chat") == 1


def test_a_message_is_one_line_whatever_is_in_it(server: Server, listener: Listener) -> None:
    with server.connect() as client:
        client.ok("GROUP.SEND", LAYER, GROUP, "a\nb\\c\r\x00")
        client.ok("GROUP.SEND", LAYER, GROUP, "grüße")
        client.ok("GROUP.SEND", LAYER, GROUP, "")
    listener.wait_for_messages("a\\nb\\\\c\\x0d\\x00", "grüße", "")


def test_a_message_to_its_channel_is_printed_too(server: Server, listener: Listener) -> None:
    with server.connect() as client:
        [channel] = client.ok("GROUP.MEMBERS", LAYER, GROUP)
        client.ok("CHANNEL.SEND", LAYER, channel, "for you")
        wait_until(lambda: stats(client)[b"received"] == 1, DEADLINE)
    listener.wait_for_messages("for you")


def test_a_layer_that_counts_by_channel_does_not_fill_up(server: Server, listen) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "SCOPE", "CHANNEL", "CAPACITY", 2)
        listener = listen("--port", server.port, GROUP)
        listener.wait_until_said("listening")
        for i in range(10):
            # Room is made by the acknowledgement of the message before.
            wait_until(
                lambda i=i: client.command("GROUP.SEND", LAYER, GROUP, str(i)) == [1, 0], DEADLINE
            )
    listener.wait_for_messages(*map(str, range(10)))


def test_it_outlives_a_broker_that_is_killed(server: Server, listener: Listener) -> None:
    with server.connect() as client:
        client.ok("GROUP.SEND", LAYER, GROUP, "before")
    listener.wait_for_messages("before")
    server.kill()
    listener.wait_until_said("connection lost")
    server.start()
    listener.wait_until_said("listening", 2)
    assert listener.said("gap") == 1
    with server.connect() as client:
        assert client.command("GROUP.SEND", LAYER, GROUP, "after") == [1, 0]
        listener.wait_for_messages("before", "after")
        wait_until(lambda: stats(client)[b"mailbox_bytes"] == 0, DEADLINE)
    assert listener.stop() == 0


def test_a_lost_connection_loses_no_message(server: Server, listener: Listener) -> None:
    with server.connect() as client:
        for i in range(20):
            client.ok("GROUP.SEND", LAYER, GROUP, str(i))
            client.ok("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            client.ok("GROUP.SEND", LAYER, GROUP, f"{i} while away")
            listener.wait_until_said("listening", i + 2)
        sent = [f"{i}{when}" for i in range(20) for when in ("", " while away")]
        listener.wait_for_messages(*sent)
        assert stats(client)[b"resumed"] == 20
    assert listener.said("gap") == 0
    assert listener.said("connection lost") == 20


def test_it_joins_again_when_its_membership_is_ended(server: Server, listener: Listener) -> None:
    with server.connect() as client:
        [channel] = client.ok("GROUP.MEMBERS", LAYER, GROUP)
        assert client.command("GROUP.DISCARD", LAYER, GROUP, channel) == 1
        wait_until(lambda: client.command("GROUP.COUNT", LAYER, GROUP) == 1, DEADLINE)
        client.ok("LAYER.FLUSH", LAYER)
        wait_until(lambda: client.command("GROUP.COUNT", LAYER, GROUP) == 1, DEADLINE)
        client.ok("GROUP.SEND", LAYER, GROUP, "here again")
    listener.wait_for_messages("here again")


def test_it_waits_for_a_broker_that_is_not_there_yet(server_factory, listen) -> None:
    port = free_port()
    listener = listen("--port", port, GROUP)
    listener.wait_until_said("no connection: Connection refused")
    server = server_factory(port=port)
    listener.wait_until_said("listening")
    assert listener.said("no connection") == 1
    with server.connect() as client:
        client.ok("GROUP.SEND", LAYER, GROUP, "hello")
    listener.wait_for_messages("hello")


def test_it_speaks_through_a_unix_socket_and_to_any_layer(server_factory, tmp_path, listen) -> None:
    path = tmp_path / "socket"
    server = server_factory(unixsocket=path)
    listener = listen("--unix", path, "--layer", "other", GROUP)
    listener.wait_until_said("listening")
    with server.connect() as client:
        assert client.command("GROUP.SEND", LAYER, GROUP, "elsewhere") == [0, 0]
        assert client.command("GROUP.SEND", "other", GROUP, "here") == [1, 0]
    listener.wait_for_messages("here")


def test_it_finds_the_broker_by_name(server: Server, listen) -> None:
    listener = listen("--host", "localhost", "--port", server.port, GROUP)
    listener.wait_until_said("listening")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_its_membership(server, listener, number) -> None:
    assert listener.stop(number) == 0
    with server.connect() as client:
        assert client.command("GROUP.COUNT", LAYER, GROUP) == 0
        # The broker clears mailboxes that were closed away now and then.
        wait_until(lambda: stats(client)[b"mailboxes"] == 0, DEADLINE)
    assert listener.said("connection lost") == 0


def test_a_signal_ends_it_also_without_a_broker(server: Server, listener: Listener) -> None:
    server.kill()
    listener.wait_until_said("no connection")
    assert listener.stop() == 0
    server.start()


def test_what_the_broker_will_never_accept_ends_it(server: Server, listen) -> None:
    listener = listen("--port", server.port, "no spaces please")
    assert listener.wait() == 1
    assert listener.said("failed: ERR invalid group name") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["--port"], ["--port", "x", GROUP], ["--bogus", "1", GROUP], [GROUP, GROUP]]
)
def test_wrong_arguments_show_how_it_is_called(listen, arguments) -> None:
    listener = listen(*arguments)
    assert listener.wait() == 2
    assert "usage: group_listener" in listener.errors
