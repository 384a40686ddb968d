"""The native channel layer: LAYER, CHANNEL, MAILBOX and GROUP, as protocol/README.md has them."""

from __future__ import annotations

import random
import select
import threading
import time
from collections.abc import Callable

import pytest

from support.observe import client_row, clients_on_two_threads, wait_until_blocked
from support.resp import NULL, NULL_ARRAY, Double, Error, Push, RespClient, Simple, encode
from support.server import Server
from support.waiting import SCALE, scaled, wait_until

pytestmark = [pytest.mark.chorale_only, pytest.mark.sanitizer]

OK = Simple("OK")
LAYER = "asgi"
MAILBOX = "p.one!"
FULL = Error("CHANNELFULL the channel is at its capacity")
NOT_OPEN = Error("NOMAILBOX this connection has not opened the mailbox")
NEVER_SENT = Error("ERR acknowledged what was never sent")


class Owner:
    """A connection that has opened a mailbox."""

    def __init__(self, server: Server, mailbox: str = MAILBOX, *resume: int) -> None:
        self.client = server.connect(protocol=3)
        self.id = self.client.ok("CLIENT", "ID")
        self.mailbox = mailbox
        self.epoch, self.number = self.open(*resume)

    def open(self, *resume: int) -> list[int]:
        words = ("RESUME", *resume) if resume else ()
        return self.client.ok("MAILBOX.OPEN", LAYER, self.mailbox, *words)

    def event(self, *rest: bytes | int) -> None:
        """The next push is this event, with the next number."""
        kind, *values = rest
        self.number += 1
        assert self.client.read_push() == Push([kind, self.epoch, self.number, *values])

    def ack(self, consumed: int, *waiting: str | int, number: int | None = None):
        received = self.number if number is None else number
        return self.client.command("MAILBOX.ACK", LAYER, self.mailbox, received, consumed, *waiting)

    def is_quiet(self) -> bool:
        """After a round trip through the server nothing has been pushed."""
        assert self.client.command("PING") == Simple("PONG")
        return not self.client.pushes and self.client.is_quiet(0.05)


def unsent(client: RespClient, owner: Owner) -> int:
    """Bytes that wait in the owner's connection."""
    row = client_row(client, owner.id)
    assert row is not None
    return int(row["omem"])


def stats(client: RespClient) -> dict[bytes, int]:
    reply = client.ok("LAYER.STATS", LAYER)
    return dict(zip(reply[::2], reply[1::2], strict=True))


# ---- layers ----


def test_a_layer_has_the_policy_that_was_set_and_else_the_defaults(server: Server) -> None:
    with server.connect(protocol=3) as client:
        assert client.command("LAYER.GET", LAYER) == NULL
        assert client.command("LAYER.SET", LAYER) == OK
        assert dict(client.command("LAYER.GET", LAYER)) == {
            b"expiry": Double("60"),
            b"group_expiry": Double("86400"),
            b"grace": Double("60"),
            b"capacity": 100,
            b"scope": b"mailbox",
            b"channel_capacity": [],
        }
        policy = ("EXPIRY", "0.5", "GROUP_EXPIRY", 7, "GRACE", 8, "CAPACITY", 9, "SCOPE", "channel")
        exceptions = ("CHANNEL_CAPACITY", "a*", 1, "CHANNEL_CAPACITY", "*", 2)
        assert client.command("LAYER.SET", LAYER, *policy, *exceptions) == OK
        assert dict(client.command("LAYER.GET", LAYER)) == {
            b"expiry": Double("0.5"),
            b"group_expiry": Double("7"),
            b"grace": Double("8"),
            b"capacity": 9,
            b"scope": b"channel",
            b"channel_capacity": [[b"a*", 1], [b"*", 2]],
        }
        assert client.command("LAYER.SET", "other layer:1") == OK
        assert sorted(client.command("LAYER.LIST")) == [LAYER.encode(), b"other layer:1"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["EXPIRY", "0"], "ERR EXPIRY is not a number of seconds above 0"),
        (["EXPIRY", "nan"], "ERR EXPIRY is not a number of seconds above 0"),
        (["GRACE", "-1"], "ERR GRACE is not a number of seconds above 0"),
        (["GROUP_EXPIRY", "1e300"], "ERR GROUP_EXPIRY is not a number of seconds above 0"),
        (["CAPACITY", "0"], "ERR capacity is not an integer above 0"),
        (["CAPACITY", "1.5"], "ERR capacity is not an integer above 0"),
        (["CHANNEL_CAPACITY", "a", "x"], "ERR capacity is not an integer above 0"),
        (["CHANNEL_CAPACITY", "a"], "ERR syntax error"),
        (["SCOPE", "group"], "ERR syntax error"),
        (["EXPIRY"], "ERR syntax error"),
        (["NOTHING", "1"], "ERR syntax error"),
    ],
)
def test_a_bad_policy_is_refused_and_changes_nothing(
    server: Server, words: list[str], error: str
) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "CAPACITY", 5)
        before = client.ok("LAYER.GET", LAYER)
        assert client.command("LAYER.SET", LAYER, "CAPACITY", 6, *words) == Error(error)
        assert client.command("LAYER.GET", LAYER) == before


@pytest.mark.parametrize("name", ["", "n" * 101, "with space", "ümlaut", "a!b!c", "!", "!b", "a!"])
def test_names_outside_of_the_rules_are_refused(server: Server, name: str) -> None:
    with server.connect(protocol=3) as client:
        for command in (
            ("CHANNEL.SEND", LAYER, name, "m"),
            ("CHANNEL.RECEIVE", LAYER, "good", name),
            ("CHANNEL.LEN", LAYER, name),
            ("GROUP.ADD", LAYER, "group", "good", name),
            ("GROUP.DISCARD", LAYER, "group", name),
        ):
            assert client.command(*command).text.startswith("ERR invalid channel name"), command
        for command in (
            ("GROUP.ADD", LAYER, name, "good"),
            ("GROUP.SEND", LAYER, name, "m"),
            ("GROUP.MEMBERS", LAYER, name),
            ("GROUP.COUNT", LAYER, name),
        ):
            assert client.command(*command).text.startswith("ERR invalid group name"), command
        if name != "a!":
            reply = client.command("MAILBOX.OPEN", LAYER, name)
            assert reply.text.startswith("ERR invalid mailbox name")
        assert client.command("GROUP.MEMBERS", LAYER, "group") == []


@pytest.mark.parametrize("name", ["", "l" * 101, "nul\0"])
def test_layer_names_are_checked(server: Server, name: str) -> None:
    with server.connect(protocol=3) as client:
        for command in (
            ("LAYER.SET", name),
            ("CHANNEL.SEND", name, "channel", "m"),
            ("MAILBOX.OPEN", name, MAILBOX),
            ("GROUP.ADD", name, "group", "channel"),
        ):
            assert client.command(*command).text.startswith("ERR invalid layer name"), command


@pytest.mark.parametrize("layer", ["", "l" * 101, "nul\0"])
@pytest.mark.parametrize("command", ["LAYER.GET", "LAYER.STATS", "LAYER.FLUSH", "GROUP.LIST"])
def test_layer_names_are_checked_where_nothing_else_is(
    server: Server, command: str, layer: str
) -> None:
    with server.connect() as client:
        assert client.command(command, layer).text.startswith("ERR invalid layer name")


def test_commands_that_only_read_make_no_layer(server: Server) -> None:
    with server.connect(protocol=3) as client:
        for command, reply in (
            (("CHANNEL.LEN", LAYER, "work"), 0),
            (("CHANNEL.LEN", LAYER, MAILBOX + "a"), 0),
            (("CHANNEL.RECEIVE", LAYER, "work"), NULL),
            (("CHANNEL.RECEIVE", LAYER, "work", "BLOCK", 1), NULL),
            (("GROUP.MEMBERS", LAYER, "group"), []),
            (("GROUP.COUNT", LAYER, "group"), 0),
            (("GROUP.LIST", LAYER), []),
            (("GROUP.DISCARD", LAYER, "group", "work", MAILBOX + "a"), 0),
            (("LAYER.GET", LAYER), NULL),
            (("LAYER.STATS", LAYER), NULL),
            (("LAYER.FLUSH", LAYER), OK),
            (("MAILBOX.ACK", LAYER, MAILBOX, 0, 0), NOT_OPEN),
            (("MAILBOX.CLOSE", LAYER, MAILBOX), NOT_OPEN),
        ):
            assert client.command(*command) == reply, command
        assert client.command("LAYER.LIST") == []


def test_a_consumer_may_wait_before_there_is_a_layer(server: Server) -> None:
    with server.connect() as control, server.connect() as consumer:
        consumer.send("CHANNEL.RECEIVE", LAYER, "work", "BLOCK", 0)
        wait_until_blocked(control, 1)
        control.ok("CHANNEL.SEND", LAYER, "work", "m")
        assert consumer.read() == [b"work", b"m"]
        assert stats(control)[b"received"] == 1


def test_of_many_layers_those_with_nothing_in_them_are_forgotten(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("CHANNEL.SEND", "with a message", "work", "m")
        client.ok("LAYER.SET", "with a policy", "CAPACITY", 7)
        client.pipeline([("GROUP.SEND", f"layer {i}", "group", "m") for i in range(3000)])
        wait_until(lambda: len(client.command("LAYER.LIST")) <= 1000)
        assert {LAYER.encode(), b"with a message", b"with a policy"} <= set(
            client.command("LAYER.LIST")
        )
        assert client.command("CHANNEL.LEN", "with a message", "work") == 1
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "m")
        owner.event(b"channel-message", b"p.one!a", b"m")


def test_there_are_no_more_layers_than_ten_thousand(server: Server) -> None:
    with server.connect(protocol=3) as client:
        batch = [("LAYER.SET", f"layer {i}", "CAPACITY", 7) for i in range(10_000)]
        assert client.pipeline(batch) == [OK] * len(batch)
        error = Error("ERR there are 10000 layers, and no more are made")
        for command in (
            ("LAYER.SET", "one more"),
            ("CHANNEL.SEND", "one more", "work", "m"),
            ("MAILBOX.OPEN", "one more", MAILBOX),
            ("GROUP.ADD", "one more", "group", "work"),
            ("GROUP.SEND", "one more", "group", "m"),
        ):
            assert client.command(*command) == error, command
        assert client.command("CHANNEL.SEND", "layer 0", "work", "m") == OK
        client.ok("LAYER.SET", "layer 1")
        wait_until(lambda: client.command("LAYER.SET", "one more") == OK)


def test_native_commands_are_refused_in_transactions_and_scripts(server: Server) -> None:
    with server.connect() as client:
        client.ok("MULTI")
        assert client.command("CHANNEL.SEND", LAYER, "channel", "m") == Error(
            "ERR Command not allowed inside a transaction"
        )
        client.ok("DISCARD")
        script = "return redis.pcall('CHANNEL.SEND', 'l', 'c', 'm')"
        assert client.command("EVAL", script, 0).text.startswith("ERR This Redis command is not")


# ---- channels ----


def test_a_channel_is_first_in_first_out_and_no_key(server: Server) -> None:
    with server.connect() as client:
        for i in range(5):
            assert client.command("CHANNEL.SEND", LAYER, "work", f"m{i}") == OK
        assert client.command("CHANNEL.LEN", LAYER, "work") == 5
        assert client.command("KEYS", "*") == []
        assert client.command("DBSIZE") == 0
        client.ok("SET", "work", "a key")
        client.ok("FLUSHALL")
        for i in range(5):
            assert client.command("CHANNEL.RECEIVE", LAYER, "work") == [b"work", b"m%d" % i]
        assert client.command("CHANNEL.RECEIVE", LAYER, "work") == NULL_ARRAY
        assert client.command("CHANNEL.LEN", LAYER, "work") == 0


def test_layers_do_not_see_each_other(server: Server) -> None:
    with server.connect() as client:
        client.ok("CHANNEL.SEND", "one", "work", "m")
        client.ok("GROUP.ADD", "one", "group", "work")
        assert client.command("CHANNEL.RECEIVE", "two", "work") == NULL_ARRAY
        assert client.command("GROUP.SEND", "two", "group", "m") == [0, 0]
        assert client.command("LAYER.FLUSH", "two") == OK
        assert client.command("CHANNEL.LEN", "one", "work") == 1


def test_message_101_is_refused_and_the_first_read_makes_room_for_one(server: Server) -> None:
    with server.connect() as client:
        for _ in range(100):
            assert client.command("CHANNEL.SEND", LAYER, "work", "m") == OK
        assert client.command("CHANNEL.SEND", LAYER, "work", "m") == FULL
        client.ok("CHANNEL.RECEIVE", LAYER, "work")
        assert client.command("CHANNEL.SEND", LAYER, "work", "m") == OK
        assert client.command("CHANNEL.SEND", LAYER, "work", "m") == FULL
        assert client.command("CHANNEL.LEN", LAYER, "work") == 100
        numbers = stats(client)
        assert (numbers[b"sent"], numbers[b"full"], numbers[b"received"]) == (101, 2, 1)


def test_the_first_pattern_that_matches_gives_the_capacity(server: Server) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "CHANNEL_CAPACITY", "sm*", 1, "CHANNEL_CAPACITY", "s*", 2)
        for channel, capacity in [("small", 1), ("some", 2), ("other", 100)]:
            batch = [("CHANNEL.SEND", LAYER, channel, "m")] * (capacity + 1)
            assert client.pipeline(batch) == [OK] * capacity + [FULL]


def test_a_capacity_given_with_the_message_or_the_mailbox_counts_in_place_of_the_layers(
    server: Server,
) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "CAPACITY", 1)
        batch = [("CHANNEL.SEND", LAYER, "work", "m", "CAPACITY", 2)] * 3
        assert client.pipeline(batch) == [OK, OK, FULL]
        assert owner.client.ok("MAILBOX.OPEN", LAYER, MAILBOX, "CAPACITY", 2)
        batch = [("CHANNEL.SEND", LAYER, MAILBOX + "a", "m")] * 3
        assert client.pipeline(batch) == [OK, OK, FULL]
        for words in ["CAPACITY", "0"], ["CAPACITY"], ["CAPACITY", "1", "2"]:
            assert isinstance(client.command("CHANNEL.SEND", LAYER, "work", "m", *words), Error)
            assert isinstance(owner.client.command("MAILBOX.OPEN", LAYER, MAILBOX, *words), Error)


def test_a_message_larger_than_the_limit_is_refused(server_factory: Callable[..., Server]) -> None:
    server = server_factory(layer_message_limit=2000)
    with server.connect() as client:
        assert client.command("CHANNEL.SEND", LAYER, "work", "x" * 2000) == OK
        error = Error(
            "TOOLARGE message of 2001 bytes is larger than layer-message-limit (2000 bytes)"
        )
        assert client.command("CHANNEL.SEND", LAYER, "work", "x" * 2001) == error
        assert client.command("CHANNEL.SEND", LAYER, MAILBOX + "a", "x" * 2001) == error
        assert client.command("GROUP.SEND", LAYER, "group", "x" * 2001) == error


def test_messages_expire(server: Server) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "EXPIRY", "0.05", "CAPACITY", 2)
        for channel in ["work", MAILBOX + "a"]:
            client.ok("CHANNEL.SEND", LAYER, channel, "old")
            client.ok("CHANNEL.SEND", LAYER, channel, "old")
            wait_until(lambda: client.command("CHANNEL.LEN", LAYER, channel) == 0)  # noqa: B023
            assert client.command("CHANNEL.SEND", LAYER, channel, "new") == OK
        client.ok("LAYER.SET", LAYER)
        client.ok("CHANNEL.SEND", LAYER, "work", "newer")
        wait_until(lambda: client.command("CHANNEL.LEN", LAYER, "work") == 1)
        assert client.command("CHANNEL.RECEIVE", LAYER, "work") == [b"work", b"newer"]


def test_what_the_statistics_find_expired_is_counted(server: Server) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "EXPIRY", "0.05")
        client.ok("CHANNEL.SEND", LAYER, "work", "old")
        client.ok("LAYER.SET", LAYER)
        client.ok("CHANNEL.SEND", LAYER, "work", "new")
        wait_until(lambda: stats(client)[b"channel_messages"] == 1)
        assert stats(client)[b"expired"] == 1
        assert stats(client)[b"channels"] == 1


def test_channels_that_expire_as_a_whole_are_counted(server: Server) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "EXPIRY", "0.05")
        for channel in ("one", "two", "three"):
            client.pipeline([("CHANNEL.SEND", LAYER, channel, "m")] * 4)
        wait_until(lambda: stats(client)[b"expired"] == 12)
        assert stats(client)[b"channels"] == 0


def test_a_channel_of_which_everything_has_expired_is_none_with_something_in_it(
    server: Server,
) -> None:
    with server.connect() as client:
        client.ok("CHANNEL.SEND", LAYER, "work", "lives long")
        client.ok("LAYER.SET", LAYER, "EXPIRY", "0.05")
        client.ok("CHANNEL.SEND", LAYER, "work", "old")
        assert client.command("CHANNEL.RECEIVE", LAYER, "work") == [b"work", b"lives long"]
        wait_until(lambda: stats(client)[b"expired"] == 1)
        assert stats(client)[b"channels"] == 0


def test_waiting_consumers_are_served_in_their_order_each_message_once(server: Server) -> None:
    with server.connect() as control:
        consumers = []
        for i in range(3):
            consumers.append(server.connect())
            consumers[-1].send("CHANNEL.RECEIVE", LAYER, "other", "work", "BLOCK", 0)
            wait_until_blocked(control, i + 1)
        control.pipeline([("CHANNEL.SEND", LAYER, "work", i) for i in range(4)])
        for i, consumer in enumerate(consumers):
            assert consumer.read() == [b"work", b"%d" % i]
            consumer.close()
        assert control.command("CHANNEL.RECEIVE", LAYER, "work") == [b"work", b"3"]


def test_a_consumer_that_waits_in_vain_or_dies_takes_nothing(server: Server) -> None:
    with server.connect() as control, server.connect() as late, server.connect() as dead:
        assert late.command("CHANNEL.RECEIVE", LAYER, "work", "BLOCK", 20) == NULL_ARRAY
        dead.send("CHANNEL.RECEIVE", LAYER, "work", "BLOCK", 0)
        wait_until_blocked(control, 1)
        dead.close()
        wait_until_blocked(control, 0)
        control.ok("CHANNEL.SEND", LAYER, "work", "m")
        assert late.command("CHANNEL.RECEIVE", LAYER, "work") == [b"work", b"m"]
        error = Error("ERR timeout is negative")
        assert late.command("CHANNEL.RECEIVE", LAYER, "work", "BLOCK", -1) == error


def test_a_message_to_a_group_reaches_a_consumer_that_waits(server: Server) -> None:
    with server.connect() as control, server.connect() as consumer:
        control.ok("GROUP.ADD", LAYER, "group", "work")
        consumer.send("CHANNEL.RECEIVE", LAYER, "other", "work", "BLOCK", 0)
        wait_until_blocked(control, 1)
        assert control.command("GROUP.SEND", LAYER, "group", "m") == [1, 0]
        assert consumer.read() == [b"work", b"m"]
        assert control.command("CHANNEL.LEN", LAYER, "work") == 0


def test_no_channel_waits_for_the_others_to_be_empty(server: Server) -> None:
    with server.connect() as client:
        for channel in "abc":
            client.pipeline([("CHANNEL.SEND", LAYER, channel, "m")] * 30)
        batch = [("CHANNEL.RECEIVE", LAYER, "a", "b", "c")] * 30
        taken = [channel for channel, _ in client.pipeline(batch)]
        assert {channel: taken.count(channel) for channel in (b"a", b"b", b"c")} == {
            b"a": 10,
            b"b": 10,
            b"c": 10,
        }


def test_consumers_of_other_channels_do_not_change_whose_turn_it_is(
    server_factory: Callable[..., Server],
) -> None:
    server = server_factory(threads=1)
    with server.connect() as one, server.connect() as two:
        for channel in "abcd":
            one.pipeline([("CHANNEL.SEND", LAYER, channel, "m")] * 20)
        for _ in range(20):
            one.ok("CHANNEL.RECEIVE", LAYER, "a", "b")
            two.ok("CHANNEL.RECEIVE", LAYER, "c", "d")
        assert [one.command("CHANNEL.LEN", LAYER, channel) for channel in "abcd"] == [10] * 4


def test_a_process_specific_channel_is_not_received(server: Server) -> None:
    with server.connect() as client:
        assert client.command("CHANNEL.RECEIVE", LAYER, MAILBOX + "a") == Error(
            "ERR a process-specific channel is received by MAILBOX.OPEN"
        )


# ---- mailboxes ----


def test_a_mailbox_is_pushed_everything_in_order(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        for i in range(3):
            assert client.command("CHANNEL.SEND", LAYER, f"{MAILBOX}c{i}", f"m{i}") == OK
            owner.event(b"channel-message", b"p.one!c%d" % i, b"m%d" % i)
        assert client.command("CHANNEL.LEN", LAYER, MAILBOX + "c0") == 3
        assert owner.ack(2) == OK
        assert client.command("CHANNEL.LEN", LAYER, MAILBOX + "c0") == 1


def test_replies_come_before_the_pushes_that_their_commands_bring(server: Server) -> None:
    """And in one piece, where both are for the same client."""
    owner = Owner(server)
    client = owner.client
    for i in range(3):
        client.send("CHANNEL.SEND", LAYER, MAILBOX + "a", i)
        together = client.socket.recv(1 << 16)
        assert together.startswith(b"+OK\r\n>5\r\n$15\r\nchannel-message\r\n"), together
        assert together.endswith(b"$1\r\n%d\r\n" % i), together
        owner.number += 1
    commands = [
        ("GROUP.ADD", LAYER, "group", MAILBOX + "a"),
        ("GROUP.SEND", LAYER, "group", "m"),
        ("MAILBOX.OPEN", LAYER, "p.two!"),
        ("CHANNEL.SEND", LAYER, "p.two!a", "to another"),
        ("PING",),
    ]
    client.send_raw(b"".join(encode(*command) for command in commands))
    replies = [client.read() for _ in commands]
    assert replies[:2] == [1, [1, 0]]
    assert replies[3:] == [OK, Simple("PONG")]
    pushes = sorted([list(client.read()) for _ in range(3)])
    assert pushes == [
        [b"channel-message", replies[2][0], 1, b"p.two!a", b"to another"],
        [b"group-join", owner.epoch, owner.number + 1, b"group", b"p.one!a"],
        [b"group-message", owner.epoch, owner.number + 2, b"group", b"m"],
    ]


def test_a_push_does_not_overtake_the_replies_of_a_client_whose_script_runs(
    server_factory: Callable[..., Server],
) -> None:
    """A script past its time serves the loop, and with it what other threads have sent."""
    server = server_factory(lua_time_limit=500, threads=2)
    by_thread = clients_on_two_threads(server)
    script = "redis.call('PUBLISH', 'began', '') while true do end"
    for there, here in ((0, 1), (1, 0)):
        runner, (sender, listener) = by_thread[there][0], by_thread[here][:2]
        runner.ok("HELLO", 3)
        epoch, _ = runner.ok("MAILBOX.OPEN", LAYER, MAILBOX)
        listener.ok("SUBSCRIBE", "began")
        runner.send_raw(encode("ECHO", "first") + encode("EVAL", script, 0))
        assert listener.read() == [b"message", b"began", b""]
        # No name of a channel: for the sake of one, shards would be locked.
        sender.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "a message")
        # Is answered once the loop is served, behind what was posted to it.
        by_thread[there][1].ok("SCRIPT", "KILL")
        assert runner.read() == b"first"
        assert isinstance(runner.read(), Error)
        assert runner.read() == Push([b"channel-message", epoch, 1, b"p.one!a", b"a message"])
        runner.ok("MAILBOX.CLOSE", LAYER, MAILBOX)
        listener.ok("UNSUBSCRIBE")


@pytest.mark.parametrize("last", ["QUIT", "RESET"])
def test_what_a_client_sends_itself_at_its_end_is_left_to_the_next_owner(
    server: Server, last: str
) -> None:
    client = Owner(server).client
    client.send_raw(encode("CHANNEL.SEND", LAYER, MAILBOX + "a", "m") + encode(last))
    assert client.read() == OK
    assert client.read() == Simple("OK" if last == "QUIT" else "RESET")
    if last == "QUIT":
        assert client.is_closed_by_server()
    else:
        assert client.is_quiet(0.05)
    Owner(server).event(b"channel-message", b"p.one!a", b"m")


def test_a_mailbox_needs_resp3(server: Server) -> None:
    with server.connect() as client:
        assert client.command("MAILBOX.OPEN", LAYER, MAILBOX) == Error(
            "ERR MAILBOX.OPEN needs RESP3: say HELLO 3 first"
        )
        for words in (["RESUME"], ["RESUME", 1], ["BACK", 1, 2]):
            assert client.command("MAILBOX.OPEN", LAYER, MAILBOX, *words) == Error(
                "ERR syntax error"
            )
        assert client.command("MAILBOX.OPEN", LAYER, MAILBOX, "RESUME", "x", 1) == Error(
            "ERR value is not an integer or out of range"
        )


def test_what_is_sent_before_a_mailbox_is_opened_waits_for_it(server: Server) -> None:
    with server.connect() as client:
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "early")
        client.ok("GROUP.ADD", LAYER, "group", MAILBOX + "a")
        assert client.command("GROUP.SEND", LAYER, "group", "to all") == [1, 0]
        owner = Owner(server)
        owner.event(b"group-join", b"group", b"p.one!a")
        owner.event(b"channel-message", b"p.one!a", b"early")
        owner.event(b"group-message", b"group", b"to all")


def test_a_blip_loses_nothing_and_repeats_nothing(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        for i in range(4):
            client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", i)
        for i in range(3):
            owner.event(b"channel-message", b"p.one!a", b"%d" % i)
        assert owner.ack(1, number=1) == OK
        owner.client.close()
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", 4)
        back = Owner(server, MAILBOX, owner.epoch, owner.number)
        assert (back.epoch, back.number) == (owner.epoch, 3)
        back.event(b"channel-message", b"p.one!a", b"3")
        back.event(b"channel-message", b"p.one!a", b"4")
        assert back.ack(5) == OK
        assert back.is_quiet()
        assert client.command("CHANNEL.LEN", LAYER, MAILBOX + "a") == 0
        assert stats(client)[b"resumed"] == 1
        assert stats(client)[b"reset"] == 0


@pytest.mark.parametrize("wrong", ["epoch", "above", "below"])
def test_a_resume_that_does_not_fit_begins_a_new_epoch(server: Server, wrong: str) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("GROUP.ADD", LAYER, "group", MAILBOX + "a")
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "sent")
        owner.event(b"group-join", b"group", b"p.one!a")
        owner.event(b"channel-message", b"p.one!a", b"sent")
        if wrong == "below":
            assert owner.ack(0) == OK
        owner.client.close()
        wait_until(lambda: stats(client)[b"mailboxes_open"] == 0)
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "not sent yet")
        resume = {
            "epoch": (owner.epoch + 1, owner.number),
            "above": (owner.epoch, owner.number + 1),
            "below": (owner.epoch, owner.number - 1),
        }[wrong]
        back = Owner(server, MAILBOX, *resume)
        assert back.epoch != owner.epoch
        assert back.number == 0
        back.event(b"group-join", b"group", b"p.one!a")
        back.event(b"channel-message", b"p.one!a", b"not sent yet")
        assert back.is_quiet()


def test_the_newer_owner_wins_and_the_older_is_told(server: Server) -> None:
    older = Owner(server)
    newer = Owner(server)
    assert older.client.read_push() == Push([b"mailbox-taken", older.epoch])
    with server.connect() as client:
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "m")
    newer.event(b"channel-message", b"p.one!a", b"m")
    assert older.ack(0) == NOT_OPEN
    assert older.client.command("MAILBOX.CLOSE", LAYER, MAILBOX) == NOT_OPEN
    older.client.close()
    assert newer.ack(1) == OK
    again = newer.open(newer.epoch, newer.number)
    assert again == [newer.epoch, newer.number], "of its own a connection hears nothing"
    assert newer.is_quiet()


@pytest.mark.parametrize("how", [("RESET",), ("HELLO", 2), ("MAILBOX.CLOSE", LAYER, MAILBOX)])
def test_who_has_let_a_mailbox_go_is_not_told_that_it_was_taken(
    server_factory: Callable[..., Server], how: tuple[str | int, ...]
) -> None:
    """It was taken just before, and the push was still on its way to the connection."""
    server = server_factory(threads=1, enable_debug_command="yes")
    with server.connect() as control:
        for _ in range(5):
            older, newer = Owner(server), server.connect(protocol=3)
            control.send("DEBUG", "SLEEP", "0.1")
            newer.send("MAILBOX.OPEN", LAYER, MAILBOX)
            older.client.send(*how)
            older.client.send("PING")
            assert control.read() == OK
            assert len(newer.read()) == 2
            older.client.read_reply()
            older.client.pushes.clear()  # it may have been told before its command was read
            assert older.client.read_reply() == Simple("PONG")
            assert not older.client.pushes
            assert older.client.is_quiet(0.01)
            older.client.close()
            newer.close()


def test_acknowledging_what_was_never_sent_is_an_error(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "m")
        owner.event(b"channel-message", b"p.one!a", b"m")
        assert owner.ack(0, number=2) == NEVER_SENT
        assert owner.ack(2) == NEVER_SENT
        assert owner.ack(1) == OK
        assert owner.ack(0, number=0) == OK, "less than before does no harm"
        assert owner.ack(0, "channel") == Error("ERR syntax error")
        error = Error("ERR value is not an integer or out of range")
        assert owner.ack(0, number=-1) == error
        assert owner.ack(0, "channel", "x") == error
        assert client.command("MAILBOX.ACK", LAYER, MAILBOX, 0, 0) == NOT_OPEN


def test_an_acknowledgement_of_an_epoch_that_is_over_changes_nothing(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "before")
        owner.event(b"channel-message", b"p.one!a", b"before")
        client.ok("LAYER.FLUSH", LAYER)
        over, owner.epoch, owner.number = owner.epoch, owner.client.read_push()[2], 0
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "after")
        owner.event(b"channel-message", b"p.one!a", b"after")
        assert owner.ack(1, "EPOCH", over) == OK
        assert owner.ack(1, "epoch", over, MAILBOX + "a", 0) == OK
        numbers = stats(client)
        assert (numbers[b"mailbox_messages"], numbers[b"received"]) == (1, 0)
        assert numbers[b"mailbox_bytes"] > 0
        assert owner.ack(2, "EPOCH", owner.epoch) == NEVER_SENT
        assert owner.ack(1, "EPOCH") == Error("ERR syntax error")
        assert owner.ack(1, "EPOCH", owner.epoch, MAILBOX + "a") == Error("ERR syntax error")
        assert owner.ack(1, "EPOCH", owner.epoch, MAILBOX + "a", 0) == OK
        numbers = stats(client)
        assert (numbers[b"mailbox_messages"], numbers[b"mailbox_bytes"]) == (0, 0)


@pytest.mark.parametrize("number", [2**63, 2**64, -1, -(2**63), "1.0", "nan", "1\0", " 1", ""])
def test_numbers_are_integers_of_63_bits(server: Server, number: int | str) -> None:
    owner = Owner(server)
    error = Error("ERR value is not an integer or out of range")
    for command in (
        ("MAILBOX.ACK", LAYER, MAILBOX, number, 0),
        ("MAILBOX.ACK", LAYER, MAILBOX, 0, number),
        ("MAILBOX.ACK", LAYER, MAILBOX, 0, 0, MAILBOX + "a", number),
        ("MAILBOX.ACK", LAYER, MAILBOX, 0, 0, "EPOCH", number),
        ("MAILBOX.OPEN", LAYER, MAILBOX, "RESUME", number, 0),
        ("MAILBOX.OPEN", LAYER, MAILBOX, "RESUME", owner.epoch, number),
    ):
        assert owner.client.command(*command) == error, command
    for bad in (f"{number}", "inf", "-inf", "nan", "1e19"):
        reply = owner.client.command("LAYER.SET", LAYER, "EXPIRY", bad)
        assert reply == OK or reply.text.startswith("ERR EXPIRY is not a number"), bad
    assert owner.ack(0, number=0) == OK, "it is open still"


def test_capacity_is_shared_by_the_channels_of_a_mailbox(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "CAPACITY", 3)
        client.ok("GROUP.ADD", LAYER, "group", MAILBOX + "a", MAILBOX + "b")
        for channel in "ab":
            assert client.command("CHANNEL.SEND", LAYER, MAILBOX + channel, "m") == OK
        assert client.command("GROUP.SEND", LAYER, "group", "m") == [2, 0]
        assert client.command("CHANNEL.SEND", LAYER, MAILBOX + "c", "m") == FULL
        assert client.command("GROUP.SEND", LAYER, "group", "m") == [0, 2]
        assert owner.client.command("PING") == Simple("PONG")
        wait_until(lambda: owner.ack(1, number=0) == OK)
        assert client.command("CHANNEL.SEND", LAYER, MAILBOX + "c", "m") == OK
        assert client.command("CHANNEL.SEND", LAYER, MAILBOX + "c", "m") == FULL
        numbers = stats(client)
        assert (numbers[b"full"], numbers[b"group_full"]) == (2, 2)


def test_in_the_channel_scope_a_slow_consumer_holds_up_no_other(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "CAPACITY", 2, "SCOPE", "CHANNEL")
        slow, quick = MAILBOX + "slow", MAILBOX + "quick"
        client.ok("GROUP.ADD", LAYER, "group", slow, quick)
        owner.event(b"group-join", b"group", slow.encode(), quick.encode())
        for _ in range(2):
            assert client.command("GROUP.SEND", LAYER, "group", "m") == [2, 0]
            owner.event(b"group-message", b"group", b"m")
            assert owner.ack(0, quick, 0) == OK
        assert client.command("GROUP.SEND", LAYER, "group", "m") == [1, 1]
        owner.event(b"group-message", b"group", b"m", slow.encode())
        assert client.command("CHANNEL.SEND", LAYER, slow, "m") == FULL
        assert client.command("CHANNEL.SEND", LAYER, quick, "m") == OK
        assert client.command("GROUP.SEND", LAYER, "group", "m") == [0, 2]
        owner.event(b"channel-message", quick.encode(), b"m")
        assert owner.ack(2, slow, 1, quick, 1) == OK
        assert client.command("GROUP.SEND", LAYER, "group", "m") == [2, 0]


@pytest.mark.parametrize("size", [100, 64 << 10, 1 << 20])
def test_a_large_message_arrives_whole_in_every_mailbox(server: Server, size: int) -> None:
    owners = [Owner(server, f"p.{i}!") for i in range(4)]
    full, members = "p.0!full", ["p.0!a", "p.1!a", "p.2!a", "p.3!a"]
    with server.connect(deadline=30) as client:
        client.ok("LAYER.SET", LAYER, "SCOPE", "CHANNEL", "CHANNEL_CAPACITY", "*!full", 1)
        client.ok("CHANNEL.SEND", LAYER, full, "m")
        owners[0].event(b"channel-message", full.encode(), b"m")
        client.ok("GROUP.ADD", LAYER, "group", full, *members)
        for owner, member in zip(owners, members, strict=True):
            joined = [full.encode()] if owner is owners[0] else []
            owner.event(b"group-join", b"group", *joined, member.encode())
        for i in range(3):
            message = b"%d" % i * size
            assert client.command("GROUP.SEND", LAYER, "group", message) == [4, 1]
            for owner in owners:
                left_out = [full.encode()] if owner is owners[0] else []
                owner.event(b"group-message", b"group", message, *left_out)


def test_an_owner_that_never_acknowledges_costs_bounded_memory(
    server_factory: Callable[..., Server],
) -> None:
    server = server_factory(mailbox_buffer_limit=100_000)
    owner = Owner(server)
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "CAPACITY", 1_000_000)
        client.ok("GROUP.ADD", LAYER, "group", MAILBOX + "a")
        owner.event(b"group-join", b"group", b"p.one!a")
        client.pipeline([("GROUP.SEND", LAYER, "group", "x" * 1000)] * 200)
        assert stats(client)[b"mailbox_bytes"] <= 100_000
        assert stats(client)[b"reset"] > 0
        while (push := owner.client.read_push())[0] != b"mailbox-reset":
            assert push[0] == b"group-message"
        assert [push[1], push[3]] == [owner.epoch, b"overflow"]
        owner.epoch, owner.number = push[2], 0
        owner.event(b"group-join", b"group", b"p.one!a")


def test_messages_wait_in_the_mailbox_of_an_owner_that_does_not_read(
    server_factory: Callable[..., Server],
) -> None:
    """More than the sockets take; they count, and arrive when it reads again."""
    server = server_factory(mailbox_buffer_limit="32mb")
    owner = Owner(server)
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "CAPACITY", 10)
        messages = [b"%d" % i * (2 << 20) for i in range(10)]
        for message in messages:
            assert client.command("CHANNEL.SEND", LAYER, MAILBOX + "a", message) == OK
        assert client.command("CHANNEL.SEND", LAYER, MAILBOX + "a", "m") == FULL
        assert client.command("CHANNEL.LEN", LAYER, MAILBOX + "a") == 10
        assert unsent(client, owner) < 4 << 20
        for message in messages:
            owner.event(b"channel-message", b"p.one!a", message)
        assert owner.ack(3) == OK
        for _ in range(3):
            assert client.command("CHANNEL.SEND", LAYER, MAILBOX + "a", "m") == OK
        assert client.command("CHANNEL.SEND", LAYER, MAILBOX + "a", "m") == FULL


def test_what_waits_for_an_owner_that_does_not_read_expires(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "CAPACITY", 20, "EXPIRY", "0.2")
        for _ in range(20):
            client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "x" * (1 << 20))
        wait_until(lambda: client.command("CHANNEL.LEN", LAYER, MAILBOX + "a") < 20)
        client.ok("LAYER.SET", LAYER, "CAPACITY", 20)
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "last")
        texts = []
        while not texts or texts[-1] != b"last":
            texts.append(owner.client.read_push()[4])
        assert len(texts) < 21
        assert stats(client)[b"expired"] == 21 - len(texts)


def test_an_owner_that_does_not_read_costs_bounded_memory_and_is_full_in_the_end(
    server_factory: Callable[..., Server],
) -> None:
    """Though it overflows before it is at its capacity."""
    server = server_factory(mailbox_buffer_limit="4mb")
    owner = Owner(server)
    with server.connect(deadline=60) as client:
        client.ok("LAYER.SET", LAYER, "CAPACITY", 100)
        before = server.peak_memory()
        message = "x" * (256 << 10)
        sent = 0
        while (reply := client.command("CHANNEL.SEND", LAYER, MAILBOX + "a", message)) == OK:
            sent += 1
            assert sent < 1000, "it is never full"
        assert reply == FULL
        assert stats(client)[b"reset"] > 0
        assert stats(client)[b"mailbox_bytes"] <= 4 << 20
        assert unsent(client, owner) < 1 << 20
        if SCALE == 1:  # a sanitizer keeps what is freed
            assert server.peak_memory() - before < 24 << 20
        while (push := owner.client.read_push())[0] != b"mailbox-reset":
            pass
        assert push[3] == b"overflow"


def test_a_mailbox_that_is_closed_takes_its_memberships_with_it(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("GROUP.ADD", LAYER, "group", MAILBOX + "a", "general")
        assert owner.client.command("MAILBOX.CLOSE", LAYER, MAILBOX) == OK
        assert client.command("GROUP.MEMBERS", LAYER, "group") == [b"general"]
        assert owner.client.command("MAILBOX.CLOSE", LAYER, MAILBOX) == NOT_OPEN


def test_no_member_is_left_after_the_grace_time_and_a_live_one_stays(server: Server) -> None:
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "GRACE", "0.5")
        dead, live = Owner(server, "p.dead!"), Owner(server, "p.live!")
        client.ok("GROUP.ADD", LAYER, "group", "p.dead!a", "p.live!a")
        dead.client.abort()
        wait_until(lambda: client.command("GROUP.COUNT", LAYER, "group") == 1)
        start = client.command("TIME")
        wait_until(lambda: int(client.command("TIME")[0]) > int(start[0]) + 2)
        assert client.command("GROUP.MEMBERS", LAYER, "group") == [b"p.live!a"]
        assert live.ack(0, number=0) == OK
        assert stats(client)[b"mailboxes"] == 1


@pytest.mark.parametrize("how", [("RESET",), ("HELLO", 2)])
def test_a_connection_that_begins_anew_lets_its_mailboxes_go(
    server: Server, how: tuple[str | int, ...]
) -> None:
    owner = Owner(server)
    with server.connect() as client:
        assert stats(client)[b"mailboxes_open"] == 1
        owner.client.ok(*how)
        assert stats(client)[b"mailboxes_open"] == 0


# ---- groups ----


def test_a_message_to_a_group_crosses_the_wire_once_for_each_process(server: Server) -> None:
    one, two = Owner(server, "p.one!"), Owner(server, "p.two!")
    with server.connect() as client:
        members = [f"p.{name}!{i}" for name in ("one", "two") for i in range(50)]
        assert client.command("GROUP.ADD", LAYER, "group", *members, "general") == 101
        assert client.command("GROUP.ADD", LAYER, "group", *members) == 0
        assert client.command("GROUP.COUNT", LAYER, "group") == 101
        assert client.command("GROUP.SEND", LAYER, "group", "m") == [101, 0]
        for owner, name in ((one, "one"), (two, "two")):
            owner.event(b"group-join", b"group", *[f"p.{name}!{i}".encode() for i in range(50)])
            owner.event(b"group-message", b"group", b"m")
            assert owner.is_quiet()
        assert client.command("CHANNEL.RECEIVE", LAYER, "general") == [b"general", b"m"]


def test_members_come_and_go_in_the_order_of_the_messages(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        for name in "ab":
            assert client.command("GROUP.ADD", LAYER, "group", MAILBOX + name) == 1
            client.ok("GROUP.SEND", LAYER, "group", name)
        assert client.command("GROUP.DISCARD", LAYER, "group", MAILBOX + "a", MAILBOX + "x") == 1
        assert client.command("GROUP.SEND", LAYER, "group", "c") == [1, 0]
        assert client.command("GROUP.DISCARD", LAYER, "group", MAILBOX + "b") == 1
        assert client.command("GROUP.SEND", LAYER, "group", "d") == [0, 0]
        assert owner.client.command("GROUP.ADD", LAYER, "group", MAILBOX + "a") == 1
    owner.event(b"group-join", b"group", b"p.one!a")
    owner.event(b"group-message", b"group", b"a")
    owner.event(b"group-join", b"group", b"p.one!b")
    owner.event(b"group-message", b"group", b"b")
    owner.event(b"group-leave", b"group", b"p.one!a")
    owner.event(b"group-message", b"group", b"c")
    owner.event(b"group-leave", b"group", b"p.one!b")
    owner.event(b"group-join", b"group", b"p.one!a")
    assert owner.is_quiet()


def test_memberships_expire_after_the_latest_add(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("LAYER.SET", LAYER, "GROUP_EXPIRY", "0.05")
        client.ok("GROUP.ADD", LAYER, "group", MAILBOX + "old", "general")
        client.ok("LAYER.SET", LAYER)
        client.ok("GROUP.ADD", LAYER, "group", MAILBOX + "new")
        wait_until(lambda: client.command("GROUP.MEMBERS", LAYER, "group") == [b"p.one!new"])
        assert client.command("GROUP.SEND", LAYER, "group", "m") == [1, 0]
        owner.event(b"group-join", b"group", b"p.one!old")
        owner.event(b"group-join", b"group", b"p.one!new")
        owner.event(b"group-leave", b"group", b"p.one!old")
        owner.event(b"group-message", b"group", b"m")


def test_groups_can_be_listed(server: Server) -> None:
    with server.connect() as client:
        for group in ("chat.1", "chat.2", "news"):
            client.ok("GROUP.ADD", LAYER, group, "general", MAILBOX + "a")
        assert sorted(client.command("GROUP.LIST", LAYER)) == [b"chat.1", b"chat.2", b"news"]
        assert sorted(client.command("GROUP.LIST", LAYER, "MATCH", "chat.*")) == [
            b"chat.1",
            b"chat.2",
        ]
        assert client.command("GROUP.LIST", LAYER, "LIKE", "x") == Error("ERR syntax error")
        client.ok("GROUP.DISCARD", LAYER, "news", "general", MAILBOX + "a")
        assert client.command("GROUP.LIST", LAYER, "MATCH", "n*") == []


def test_a_flush_empties_the_layer_and_tells_the_owners(server: Server) -> None:
    owner = Owner(server)
    with server.connect() as client:
        client.ok("GROUP.ADD", LAYER, "group", MAILBOX + "a", "general")
        client.ok("GROUP.SEND", LAYER, "group", "m")
        owner.event(b"group-join", b"group", b"p.one!a")
        owner.event(b"group-message", b"group", b"m")
        assert client.command("LAYER.FLUSH", LAYER) == OK
        reset = owner.client.read_push()
        assert [reset[0], reset[1], reset[3]] == [b"mailbox-reset", owner.epoch, b"flush"]
        assert client.command("CHANNEL.LEN", LAYER, "general") == 0
        assert client.command("GROUP.LIST", LAYER) == []
        owner.epoch, owner.number = reset[2], 0
        client.ok("CHANNEL.SEND", LAYER, MAILBOX + "a", "after")
        owner.event(b"channel-message", b"p.one!a", b"after")


def test_a_flush_holds_up_no_other_thread(server_factory: Callable[..., Server]) -> None:
    server = server_factory(threads=2)
    by_thread = clients_on_two_threads(server)
    flusher, other = by_thread[0][0], by_thread[1][0]
    channels = [f"p.{i}!a" for i in range(400)]
    groups = 1000 if SCALE == 1 else 100
    flusher.pipeline([("GROUP.ADD", LAYER, f"group.{i}", *channels) for i in range(groups)])
    flusher.ok("CHANNEL.SEND", LAYER, "work", "m")
    flusher.send("LAYER.FLUSH", LAYER)
    begin = time.monotonic()
    longest = 0.0
    while not select.select([flusher.socket], [], [], 0)[0]:
        sent = time.monotonic()
        other.ok("SET", "key", "value")
        longest = max(longest, time.monotonic() - sent)
    assert flusher.read() == OK
    assert longest < (time.monotonic() - begin) / 2, "a command has waited for the flush"
    assert other.command("CHANNEL.LEN", LAYER, "work") == 0
    assert other.command("GROUP.LIST", LAYER) == []


def test_group_messages_of_one_connection_arrive_in_order_on_every_thread(
    server_factory: Callable[..., Server],
) -> None:
    server = server_factory(threads=2)
    by_thread = clients_on_two_threads(server)
    sender = by_thread[0][0]
    sender.ok("LAYER.SET", LAYER, "CAPACITY", 100_000)
    owners = [Owner(server, f"p.{i}!") for i in range(6)]
    sender.ok("GROUP.ADD", LAYER, "group", *[f"p.{i}!a" for i in range(6)])
    count = 5000
    batch = b"".join(encode("GROUP.SEND", LAYER, "group", i) for i in range(count))
    sender.send_raw(batch)
    assert [sender.read() for _ in range(count)] == [[6, 0]] * count
    for owner in owners:
        owner.event(b"group-join", b"group", owner.mailbox.encode() + b"a")
        for i in range(count):
            owner.event(b"group-message", b"group", b"%d" % i)


class Consumer(threading.Thread):
    """An owner whose connection is cut again and again; keeps the messages that arrive."""

    def __init__(self, server: Server, mailbox: str, count: int, seed: int) -> None:
        super().__init__()
        self.owner = Owner(server, mailbox)
        self.server, self.count = server, count
        self.random = random.Random(seed)
        self.received: list[bytes] = []
        self.resumes = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while len(self.received) < self.count:
                self.receive()
                self.cut()
        except BaseException as error:  # shown by the test
            self.error = error

    def receive(self) -> None:
        owner = self.owner
        for _ in range(self.random.randint(1, 1000)):
            if len(self.received) == self.count:
                return
            kind, epoch, number, *values = owner.client.read_push()
            assert (epoch, number) == (owner.epoch, owner.number + 1)
            owner.number = number
            if kind == b"group-message":
                self.received.append(values[1])
            if self.random.random() < 0.1:
                assert owner.ack(len(self.received)) == OK

    def cut(self) -> None:
        if self.random.random() < 0.5:
            self.owner.client.abort()
        else:
            self.owner.client.close()
        epoch, number = self.owner.epoch, self.owner.number
        self.owner = Owner(self.server, self.owner.mailbox, epoch, number)
        assert (self.owner.epoch, self.owner.number) == (epoch, number), "a gap"
        self.resumes += 1


def test_however_often_connections_are_cut_every_message_arrives_once_in_order(
    server_factory: Callable[..., Server],
) -> None:
    """Members of other connections come and go meanwhile."""
    server = server_factory(threads=4)
    count = 20_000 if SCALE == 1 else 4000
    with server.connect(deadline=60) as sender, server.connect() as other:
        sender.ok("LAYER.SET", LAYER, "CAPACITY", 1_000_000, "EXPIRY", 3600)
        consumers = [Consumer(server, f"p.{i}!", count, i) for i in range(4)]
        for consumer in consumers:
            sender.ok("GROUP.ADD", LAYER, "group", consumer.owner.mailbox + "stays")
            consumer.start()
        sent = 0
        while sent < count:
            batch = [("GROUP.SEND", LAYER, "group", i) for i in range(sent, sent + 500)]
            for reached, full in sender.pipeline(batch):
                assert full == 0
                assert 4 <= reached <= 8
            sent += 500
            for consumer in consumers:
                action = "GROUP.ADD" if sent % 1000 else "GROUP.DISCARD"
                other.ok(action, LAYER, "group", consumer.owner.mailbox + "passes")
        for consumer in consumers:
            consumer.join(scaled(60))
            if consumer.error is not None:
                raise consumer.error
            assert consumer.received == [b"%d" % i for i in range(count)]
            assert consumer.resumes > count // 2000
        assert stats(sender)[b"reset"] == 0
        assert stats(sender)[b"resumed"] == sum(consumer.resumes for consumer in consumers)
