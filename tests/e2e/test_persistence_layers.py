"""What the native layer holds is there again after a restart: protocol/README.md has its rules."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.disk import files, written_bytes
from support.observe import wait_until_blocked
from support.resp import NULL, NULL_ARRAY, Push, RespClient, Simple
from support.server import Server
from support.waiting import wait_until

pytestmark = [pytest.mark.chorale_only, pytest.mark.sanitizer]

OK = Simple("OK")
LAYER = "asgi"
MAILBOX = "p.one!"
BOTH_ENDINGS = pytest.mark.parametrize(
    "ending", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)


@pytest.fixture
def server(keeping_server: Callable[..., Server]) -> Server:
    return keeping_server("always")


class Owner:
    """The owner of a mailbox, which remembers how far it has come."""

    def __init__(self, server: Server, mailbox: str = MAILBOX) -> None:
        self.server = server
        self.mailbox = mailbox
        self.epoch = self.number = 0

    def open(self, resume: bool = False) -> bool:
        """Whether it is the same epoch as before."""
        self.client = self.server.connect(protocol=3)
        words = ("RESUME", self.epoch, self.number) if resume else ()
        reply = self.client.ok("MAILBOX.OPEN", LAYER, self.mailbox, *words)
        before, (self.epoch, self.number) = self.epoch, reply
        return self.epoch == before

    def event(self) -> list:
        """The next push without kind of wire type, epoch and number, which are checked."""
        kind, epoch, number, *rest = self.client.read_push()
        assert (epoch, number) == (self.epoch, self.number + 1)
        self.number = number
        return [kind, *rest]

    def ack(self, consumed: int) -> None:
        assert self.client.command("MAILBOX.ACK", LAYER, self.mailbox, self.number, consumed) == OK

    def is_quiet(self) -> bool:
        assert self.client.command("PING") == Simple("PONG")
        return not self.client.pushes and self.client.is_quiet(0.05)


def message(channel: str, text: str) -> list:
    return [b"channel-message", channel.encode(), text.encode()]


def send(client: RespClient, channel: str, *texts: str) -> None:
    for text in texts:
        assert client.command("CHANNEL.SEND", LAYER, channel, text) == OK


def receive(client: RespClient, channel: str) -> bytes | None:
    reply = client.command("CHANNEL.RECEIVE", LAYER, channel)
    if reply in (NULL, NULL_ARRAY):
        return None
    assert reply[0] == channel.encode()
    return reply[1]


def drain(client: RespClient, channel: str) -> list[bytes]:
    found = []
    while (text := receive(client, channel)) is not None:
        found.append(text)
    return found


# ---- policies and general channels ----


@BOTH_ENDINGS
def test_policies_are_kept(server: Server, ending: signal.Signals) -> None:
    def policies() -> dict:
        with server.connect() as client:
            names = client.ok("LAYER.LIST")
            return {name: client.ok("LAYER.GET", name) for name in names}

    with server.connect() as client:
        times = ("EXPIRY", "0.5", "GROUP_EXPIRY", 7, "GRACE", "8.125", "CAPACITY", 9)
        exceptions = ("CHANNEL_CAPACITY", "a*", 1, "CHANNEL_CAPACITY", "*", 2)
        client.ok("LAYER.SET", LAYER, *times, *exceptions, "SCOPE", "CHANNEL")
        client.ok("LAYER.SET", "other layer: 1", "CAPACITY", 5)
        client.ok("LAYER.SET", "changed", "CAPACITY", 5)
        client.ok("LAYER.SET", "changed", "EXPIRY", 5)
    before = policies()
    assert len(before) == 3
    server.restart(ending)
    assert policies() == before
    with server.connect() as client:
        send(client, "a.b", "fills it")
        assert client.command("CHANNEL.SEND", LAYER, "a.b", "x").code == "CHANNELFULL"


@BOTH_ENDINGS
def test_queues_are_kept_in_their_order(server: Server, ending: signal.Signals) -> None:
    texts = [f"message {number}" for number in range(60)]
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "EXPIRY", 600, "CAPACITY", 1000)
        send(client, "jobs", *texts)
        send(client, "other", "", "x" * 200_000)
        assert [receive(client, "jobs") for _ in range(20)] == [t.encode() for t in texts[:20]]
    server.restart(ending)
    with server.connect() as client:
        assert client.ok("CHANNEL.LEN", LAYER, "jobs") == 40
        assert client.ok("CHANNEL.LEN", LAYER, "other") == 2
        send(client, "jobs", "after the restart")
        assert receive(client, "jobs") == b"message 20"
    server.restart(ending)
    with server.connect() as client:
        expected = [text.encode() for text in (*texts[21:], "after the restart")]
        assert drain(client, "jobs") == expected
        assert drain(client, "other") == [b"", b"x" * 200_000]
    server.restart(ending)
    with server.connect() as client:
        assert drain(client, "jobs") == drain(client, "other") == []


def test_what_waits_counts_against_the_capacity_after_a_restart(server: Server) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "CAPACITY", 3, "EXPIRY", 600)
        send(client, "jobs", "a", "b")
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        send(client, "jobs", "c")
        assert client.command("CHANNEL.SEND", LAYER, "jobs", "d").code == "CHANNELFULL"
        assert receive(client, "jobs") == b"a"
        send(client, "jobs", "d")


@BOTH_ENDINGS
def test_messages_keep_their_expiry(server: Server, ending: signal.Signals) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "EXPIRY", 1)
        send(client, "jobs", "short")
        client.ok("LAYER.SET", LAYER, "EXPIRY", 600)
        send(client, "jobs", "long")
        sent = time.monotonic()
    server.restart(ending)
    with server.connect() as client:
        wait_until(lambda: client.ok("CHANNEL.LEN", LAYER, "jobs") == 1, deadline=5)
        assert time.monotonic() - sent < 5
        assert drain(client, "jobs") == [b"long"]


def test_a_message_that_expires_while_the_broker_is_down_is_gone(server: Server) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "EXPIRY", "0.4")
        send(client, "jobs", "short")
        sent = time.monotonic()
    server.kill()
    wait_until(lambda: time.monotonic() > sent + 0.4)
    server.start()
    with server.connect() as client:
        assert receive(client, "jobs") is None
        assert client.ok("CHANNEL.LEN", LAYER, "jobs") == 0


def test_what_a_waiting_consumer_was_given_does_not_come_back(server: Server) -> None:
    with server.connect() as control, server.connect() as consumer:
        consumer.send("CHANNEL.RECEIVE", LAYER, "jobs", "BLOCK", 0)
        wait_until_blocked(control, 1)
        send(control, "jobs", "taken", "waits")
        assert consumer.read() == [b"jobs", b"taken"]
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        assert drain(client, "jobs") == [b"waits"]


@BOTH_ENDINGS
def test_a_flush_is_kept(server: Server, ending: signal.Signals) -> None:
    owner = Owner(server)
    with server.connect() as client:
        send(client, "jobs", "a")
        send(client, MAILBOX + "a", "b")
        client.ok("GROUP.ADD", LAYER, "team", "jobs", MAILBOX + "a")
        client.ok("SET", "key", "value")
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        client.ok("LAYER.FLUSH", LAYER)
        send(client, "jobs", "after the flush")
    server.restart(ending)
    with server.connect() as client:
        assert drain(client, "jobs") == [b"after the flush"]
        assert client.ok("GROUP.LIST", LAYER) == []
        assert client.ok("GET", "key") == b"value"
    owner.open()
    assert owner.is_quiet()


def test_flushall_leaves_layers_alone_on_disk_too(server: Server) -> None:
    with server.connect() as client:
        send(client, "jobs", "a")
        client.ok("FLUSHALL")
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        assert drain(client, "jobs") == [b"a"]


# ---- groups ----


@BOTH_ENDINGS
def test_groups_are_kept(server: Server, ending: signal.Signals) -> None:
    many = [f"p.many!{number}" for number in range(500)]
    with server.connect() as client:
        client.ok("GROUP.ADD", LAYER, "team", "worker", "p.one!a", "p.one!b", "p.two!a")
        client.ok("GROUP.ADD", LAYER, "many", *many)
        client.ok("GROUP.ADD", LAYER, "gone", "worker")
        client.ok("GROUP.DISCARD", LAYER, "gone", "worker")
        client.ok("GROUP.DISCARD", LAYER, "team", "p.one!b")
    for _ in range(2):
        server.restart(ending)
        with server.connect() as client:
            assert sorted(client.ok("GROUP.LIST", LAYER)) == [b"many", b"team"]
            assert sorted(client.ok("GROUP.MEMBERS", LAYER, "team")) == [
                b"p.one!a",
                b"p.two!a",
                b"worker",
            ]
            assert client.ok("GROUP.COUNT", LAYER, "many") == 500
    owner = Owner(server)
    owner.open()
    assert owner.event() == [b"group-join", b"team", b"p.one!a"]
    with server.connect() as client:
        assert client.ok("GROUP.SEND", LAYER, "team", "hello") == [3, 0]
        assert owner.event() == [b"group-message", b"team", b"hello"]
        assert drain(client, "worker") == [b"hello"]
        assert client.ok("GROUP.DISCARD", LAYER, "team", "worker", "p.one!a") == 2
    server.restart(ending)
    with server.connect() as client:
        assert client.ok("GROUP.MEMBERS", LAYER, "team") == [b"p.two!a"]


@BOTH_ENDINGS
def test_memberships_keep_their_expiry(server: Server, ending: signal.Signals) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "GROUP_EXPIRY", 1)
        client.ok("GROUP.ADD", LAYER, "team", "short", "p.x!short")
        client.ok("LAYER.SET", LAYER)
        client.ok("GROUP.ADD", LAYER, "team", "long", "p.x!long")
    server.restart(ending)
    with server.connect() as client:
        wait_until(lambda: client.ok("GROUP.COUNT", LAYER, "team") == 2, deadline=5)
        assert sorted(client.ok("GROUP.MEMBERS", LAYER, "team")) == [b"long", b"p.x!long"]


def test_a_membership_that_expires_while_the_broker_is_down_is_gone(server: Server) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "GROUP_EXPIRY", "0.4")
        client.ok("GROUP.ADD", LAYER, "team", "jobs", MAILBOX + "a")
        added = time.monotonic()
    server.kill()
    wait_until(lambda: time.monotonic() > added + 0.4)
    server.start()
    with server.connect() as client:
        assert client.ok("GROUP.SEND", LAYER, "team", "x") == [0, 0]
        assert client.ok("GROUP.COUNT", LAYER, "team") == 0
        wait_until(lambda: client.ok("GROUP.LIST", LAYER) == [])


# ---- mailboxes ----


@BOTH_ENDINGS
def test_an_owner_resumes_where_it_was(server: Server, ending: signal.Signals) -> None:
    """Nothing is lost, nothing comes twice, and the epoch is the same."""
    owner = Owner(server)
    owner.open()
    with server.connect() as client:
        client.ok("GROUP.ADD", LAYER, "team", MAILBOX + "a", MAILBOX + "b")
        assert owner.event() == [b"group-join", b"team", b"p.one!a", b"p.one!b"]
        send(client, MAILBOX + "a", "acknowledged")
        assert owner.event() == message("p.one!a", "acknowledged")
        owner.ack(1)
        send(client, MAILBOX + "a", "arrived")
        assert owner.event() == message("p.one!a", "arrived")
        owner.client.close()
        send(client, MAILBOX + "b", "sent without an owner")
        assert client.ok("GROUP.SEND", LAYER, "team", "to all") == [2, 0]
        client.ok("GROUP.DISCARD", LAYER, "team", MAILBOX + "b")
    server.restart(ending)
    assert owner.open(resume=True)
    assert owner.event() == message("p.one!b", "sent without an owner")
    assert owner.event() == [b"group-message", b"team", b"to all"]
    assert owner.event() == [b"group-leave", b"team", b"p.one!b"]
    assert owner.is_quiet()
    with server.connect() as client:
        assert client.ok("CHANNEL.LEN", LAYER, MAILBOX + "a") == 3
        owner.ack(4)
        assert client.ok("CHANNEL.LEN", LAYER, MAILBOX + "a") == 0
        send(client, MAILBOX + "a", "new")
        assert owner.event() == message("p.one!a", "new")
    owner.client.close()
    server.restart(ending)
    assert owner.open(resume=True)
    assert owner.is_quiet()


@BOTH_ENDINGS
def test_an_owner_that_was_connected_until_the_end_resumes(
    server: Server, ending: signal.Signals
) -> None:
    owner = Owner(server)
    owner.open()
    for life in range(3):
        with server.connect() as client:
            for number in range(20):
                send(client, MAILBOX + "a", f"{life}:{number}")
                assert owner.event() == message("p.one!a", f"{life}:{number}")
                if number % 3 == 0:
                    owner.ack(life * 20 + number + 1)
        server.restart(ending)
        assert owner.client.is_closed_by_server()
        assert owner.open(resume=True)
        assert owner.is_quiet()


@BOTH_ENDINGS
def test_what_nobody_was_sent_waits_for_a_first_owner(
    server: Server, ending: signal.Signals
) -> None:
    with server.connect() as client:
        send(client, MAILBOX + "a", "one", "two")
        client.ok("GROUP.ADD", LAYER, "team", MAILBOX + "a")
        client.ok("GROUP.SEND", LAYER, "team", "three")
    server.restart(ending)
    owner = Owner(server)
    owner.open()
    events = [owner.event() for _ in range(4)]
    assert events[0] == [b"group-join", b"team", b"p.one!a"]
    assert events[1:3] == [message("p.one!a", "one"), message("p.one!a", "two")]
    assert events[3] == [b"group-message", b"team", b"three"]
    assert owner.is_quiet()


@BOTH_ENDINGS
def test_acknowledged_messages_do_not_come_back(server: Server, ending: signal.Signals) -> None:
    owner = Owner(server)
    owner.open()
    with server.connect() as client:
        send(client, MAILBOX + "a", *(f"{number}" for number in range(50)))
    for number in range(50):
        assert owner.event() == message("p.one!a", f"{number}")
    owner.ack(50)
    server.restart(ending)
    other = Owner(server)
    other.open()
    assert other.is_quiet()
    with server.connect() as client:
        assert client.ok("CHANNEL.LEN", LAYER, MAILBOX + "a") == 0


def test_a_closed_mailbox_stays_closed(server: Server) -> None:
    owner = Owner(server)
    owner.open()
    with server.connect() as client:
        client.ok("GROUP.ADD", LAYER, "team", MAILBOX + "a")
        send(client, MAILBOX + "a", "x")
        owner.client.read_push()
        owner.client.read_push()
        assert owner.client.command("MAILBOX.CLOSE", LAYER, MAILBOX) == OK
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        assert client.ok("GROUP.LIST", LAYER) == []
    other = Owner(server)
    other.open()
    assert other.epoch != owner.epoch
    assert other.is_quiet()


def test_an_epoch_is_used_once_also_across_restarts(server: Server) -> None:
    epochs = []
    for number in range(6):
        owner = Owner(server, f"p.m{number % 2}!")
        owner.open()
        owner.client.ok("MAILBOX.CLOSE", LAYER, owner.mailbox)
        owner.open()
        epochs.append(owner.epoch)
        server.restart(signal.SIGKILL if number % 2 else signal.SIGTERM)
    assert len(set(epochs)) == len(epochs)


@BOTH_ENDINGS
def test_a_number_that_was_never_sent_gets_a_new_epoch(
    server: Server, ending: signal.Signals
) -> None:
    owner = Owner(server)
    owner.open()
    with server.connect() as client:
        send(client, MAILBOX + "a", "one")
        assert owner.event() == message("p.one!a", "one")
    server.restart(ending)
    owner.number += 1
    assert not owner.open(resume=True)


@BOTH_ENDINGS
def test_grace_ends_a_mailbox_whose_owner_does_not_return(
    server: Server, ending: signal.Signals
) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "GRACE", 1)
    owner = Owner(server)
    owner.open()
    with server.connect() as client:
        client.ok("GROUP.ADD", LAYER, "team", MAILBOX + "a")
    server.restart(ending)
    with server.connect() as client:
        assert client.ok("GROUP.COUNT", LAYER, "team") == 1
        wait_until(lambda: client.ok("GROUP.COUNT", LAYER, "team") == 0, deadline=5)


def test_after_a_kill_with_everysec_an_owner_is_told_of_what_may_be_missing(
    keeping_server: Callable[..., Server],
) -> None:
    """It either goes on in its epoch with no gap, or a new epoch has what is on disk."""
    server = keeping_server("everysec")
    owner = Owner(server)
    owner.open()
    with server.connect() as client:
        send(client, MAILBOX + "a", "old")
        assert owner.event() == message("p.one!a", "old")
        assert client.ok("SAVE") == OK
    owner.client.close()
    with server.connect() as client:
        send(client, MAILBOX + "a", "saved 1", "saved 2")
        assert client.ok("SAVE") == OK
        send(client, MAILBOX + "a", "perhaps 1", "perhaps 2")
    server.restart(signal.SIGKILL)
    same = owner.open(resume=True)
    with server.connect() as client:
        send(client, MAILBOX + "a", "after")
    texts: list[bytes] = []
    while texts[-1:] != [b"after"]:
        kind, *rest = owner.event()
        if kind == b"channel-message":
            texts.append(rest[1])
    expected = [b"saved 1", b"saved 2", b"perhaps 1", b"perhaps 2", b"after"]
    if same:
        assert texts in (expected, expected[:3] + expected[4:], expected[:2] + expected[4:])
    else:
        assert texts[-1] == b"after"
        assert [text for text in expected if text in texts] == texts
        assert texts[:2] == expected[:2]


def test_after_a_kill_with_everysec_an_owner_ahead_of_the_disk_gets_a_new_epoch(
    keeping_server: Callable[..., Server],
) -> None:
    """It has received more than the disk knows of, so that numbers would be given twice."""
    server = keeping_server("everysec")
    owner = Owner(server)
    owner.open()
    with server.connect() as client:
        assert client.ok("SAVE") == OK
        send(client, MAILBOX + "a", *(f"{number}" for number in range(50)))
    received = [owner.event() for _ in range(50)]
    server.restart(signal.SIGKILL)
    same = owner.open(resume=True)
    with server.connect() as client:
        send(client, MAILBOX + "a", "after")
    events = [owner.event()]
    while events[-1] != message("p.one!a", "after"):
        events.append(owner.event())
    assert owner.is_quiet()
    assert not same or len(events) == 1
    assert [event for event in events if event in received] == [] or not same


# ---- bytes on disk ----


def data_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in files(directory))


@pytest.mark.parametrize("kind", ["general", "mailbox", "group"])
def test_messages_that_are_received_at_once_cost_no_disk(
    keeping_server: Callable[..., Server], tmp_path: Path, kind: str
) -> None:
    """Each is received within 100 ms: at most 1 % of its bytes is written."""
    server = keeping_server("everysec")
    data, size, count = tmp_path / "data", 4000, 5000
    owner = Owner(server)
    owner.open()
    with server.connect() as client, server.connect() as consumer:
        client.ok("GROUP.ADD", LAYER, "team", MAILBOX + "a")
        assert owner.event()[0] == b"group-join"
        assert client.ok("SAVE") == OK
        before, before_on_disk = written_bytes(server.pid), data_bytes(data)
        body = "x" * size
        for number in range(count):
            if kind == "general":
                client.ok("CHANNEL.SEND", LAYER, "jobs", body)
                assert consumer.ok("CHANNEL.RECEIVE", LAYER, "jobs")[1] == body.encode()
                continue
            if kind == "mailbox":
                client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", body)
            else:
                assert client.ok("GROUP.SEND", LAYER, "team", body) == [1, 0]
            push = owner.client.read_push()
            assert isinstance(push, Push)
            owner.number = push[2]
            if number % 10 == 9:
                owner.ack(number + 1)
        assert client.ok("SAVE") == OK
        assert written_bytes(server.pid) - before <= size * count // 100
        assert data_bytes(data) - before_on_disk <= size * count // 100
