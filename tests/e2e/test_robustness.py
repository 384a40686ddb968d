"""Bytes and clients that misbehave: no crash, nothing leaks, other clients do not notice."""

import random
import socket

import pytest

from support.observe import info_number
from support.resp import Error, Push, RespClient, Simple, encode
from support.server import THREADS
from support.waiting import SCALE, wait_until

CONNECTIONS = 10_000
MANY_MEBIBYTES = 100 << 20
LARGEST = 512 << 20


class Canary:
    """A well-behaved client, connected all along, that must not notice anything."""

    def __init__(self, server):
        self._server = server
        self._client = server.connect(protocol=3)
        self._client.ok("SET", "canary", "alive")
        self._client.send("SUBSCRIBE", "canary channel")
        self._client.read_push()

    def check(self):
        assert self._server.running(), self._server.output
        assert self._client.command("GET", "canary") == b"alive"
        with self._server.connect() as other:
            assert other.command("PUBLISH", "canary channel", "song") == 1
        assert self._client.read_push() == Push([b"message", b"canary channel", b"song"])

    def close(self):
        self._client.close()


@pytest.fixture
def canary(server):
    canary = Canary(server)
    yield canary
    canary.check()
    canary.close()


@pytest.fixture
def nothing_stays_open(server, canary):
    """After the test the server holds no more descriptors than before it."""
    # Every thread opens what it needs for itself with its first connection.
    crowd = [server.connect() for _ in range(4 * THREADS)]
    before = server.descriptors() - len(crowd)
    for client in crowd:
        client.close()
    wait_until(lambda: server.descriptors() <= before)
    yield
    wait_until(
        lambda: server.descriptors() <= before,
        what=f"{server.descriptors()} descriptors down to {before}",
    )


# Garbage


def random_garbage(rng):
    """Bytes that begin like the protocol more often than by chance."""
    pieces = []
    for _ in range(rng.randint(1, 20)):
        pieces.append(
            rng.choice(
                [
                    lambda: rng.randbytes(rng.randint(1, 200)),
                    lambda: b"*%d\r\n" % rng.randint(-3, 5),
                    lambda: b"$%d\r\n" % rng.randint(-3, 30),
                    lambda: rng.choice([b"\r", b"\n", b"\r\n", b"\0", b"*", b"$", b'"', b"'"]),
                    lambda: encode(rng.choice(["PING", "GET", "MULTI", "EXEC", "HELLO"])),
                    lambda: encode("SET", rng.randbytes(5), rng.randbytes(20)),
                    lambda: rng.choice([b"PING\r\n", b"ECHO 'a b'\r\n", b'"\\x00\\xzz"\r\n']),
                ]
            )()
        )
    return b"".join(pieces)


@pytest.mark.sanitizer
@pytest.mark.parametrize("seed", range(5))
def test_garbage_harms_nobody_else(server, canary, nothing_stays_open, seed):
    rng = random.Random(seed)
    for _ in range(200):
        with RespClient(server.address) as client:
            try:
                for _ in range(rng.randint(1, 3)):
                    client.send_raw(random_garbage(rng))
                if rng.random() < 0.5:
                    client.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server had seen enough
            if rng.random() < 0.5:
                client.abort()
    canary.check()


@pytest.mark.sanitizer
@pytest.mark.parametrize(
    ("announced", "complaint"),
    [
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1x\r\n", "invalid multibulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        (b"*1\r\n$abc\r\n", "invalid bulk length"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*2\r\n$4\r\nPING\r\n*", "expected '$', got '*'"),
        (b"SET key 'unbalanced\r\n", "unbalanced quotes in request"),
        (b"x" * 70_000, "too big inline request"),
        (b"*" + b"1" * 70_000, "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 70_000, "too big bulk count string"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_a_protocol_error_is_answered_and_ends_the_connection(
    server, canary, nothing_stays_open, announced, complaint
):
    with RespClient(server.address) as client:
        client.send("PING")
        client.send_raw(announced)
        if announced.endswith(b"*"):
            client.send_raw(b"\r\n")
        assert client.read() == Simple("PONG")
        assert client.read() == Error(f"ERR Protocol error: {complaint}")
        assert client.is_closed_by_server()


@pytest.mark.chorale_only
def test_more_arguments_than_allowed_are_refused_before_they_arrive(server, canary):
    with RespClient(server.address) as client:
        client.send_raw(b"*1048577\r\n")
        assert client.read() == Error("ERR Protocol error: invalid multibulk length")
        assert client.is_closed_by_server()


@pytest.mark.sanitizer
def test_a_large_announcement_alone_takes_no_memory(server, canary, nothing_stays_open):
    def resident():
        with open(f"/proc/{server.pid}/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    before = resident()
    clients = [RespClient(server.address) for _ in range(20)]
    for client in clients:
        client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\nx" % (400 << 20))
    canary.check()
    assert resident() - before < 200 << 20
    for client in clients:
        client.close()


def test_an_unknown_client_gets_little_credit_before_it_authenticates(server_factory):
    server = server_factory(requirepass="secret")
    with RespClient(server.address) as client:
        client.send_raw(b"*11\r\n")
        assert client.read() == Error("ERR Protocol error: unauthenticated multibulk length")
        assert client.is_closed_by_server()
    with RespClient(server.address) as client:
        client.send_raw(b"*1\r\n$16385\r\n")
        assert client.read() == Error("ERR Protocol error: unauthenticated bulk length")
        assert client.is_closed_by_server()


@pytest.mark.sanitizer
def test_empty_commands_are_passed_over(server):
    with RespClient(server.address) as client:
        client.send_raw(b"*0\r\n*-1\r\n\r\n\n   \r\n" + encode("PING"))
        assert client.read() == Simple("PONG")


# Frames in pieces

CONVERSATION = [
    ("SET", "key", b"va\r\nl$ue*"),
    ("RPUSH", "list", *(f"element {number}" for number in range(12))),
    ("LRANGE", "list", 0, -1),
    ("MULTI",),
    ("INCR", "counter"),
    ("GET", "key"),
    ("EXEC",),
    ("ECHO", ""),
    ("NOSUCHCOMMAND", "x"),
    ("DEL", "key", "list", "counter"),
]
STREAM = b"".join(encode(*command) for command in CONVERSATION) + b"PING 'in line'\r\n"


def read_conversation(client):
    return [client.read() for _ in range(len(CONVERSATION) + 1)]


@pytest.mark.sanitizer
@pytest.mark.parametrize("protocol", [2, 3])
def test_a_pipeline_cut_at_any_byte_is_answered_alike(server, protocol):
    with server.connect(protocol=protocol) as client, server.connect() as other:
        client.send_raw(STREAM)
        expected = read_conversation(client)
        assert expected[-1] == b"in line"
        for cut in range(1, len(STREAM)):
            client.send_raw(STREAM[:cut])
            other.ok("PING")  # the first piece has most likely been read by now
            client.send_raw(STREAM[cut:])
            assert read_conversation(client) == expected, cut


@pytest.mark.sanitizer
def test_a_pipeline_in_single_bytes_is_answered_alike(server):
    with server.connect() as client, server.connect() as other:
        client.send_raw(STREAM)
        expected = read_conversation(client)
        for position in range(len(STREAM)):
            client.send_raw(STREAM[position : position + 1])
            if position % 7 == 0:
                other.ok("PING")
        assert read_conversation(client) == expected


@pytest.mark.sanitizer
def test_a_client_that_goes_in_the_middle_of_a_frame_leaves_nothing(
    server, canary, nothing_stays_open
):
    frame = encode("SET", "truncated", "value" * 5)
    for cut in range(1, len(frame)):
        with RespClient(server.address) as client:
            client.send_raw(encode("INCR", "whole") + frame[:cut])
            if cut % 2:
                assert client.read() == cut
            else:
                client.socket.shutdown(socket.SHUT_WR)
                assert client.read() == cut
                assert client.is_closed_by_server()
    with server.connect() as client:
        assert client.command("EXISTS", "truncated") == 0
        assert client.command("GET", "whole") == b"%d" % (len(frame) - 1)


# Sizes and numbers


@pytest.mark.sanitizer
def test_values_of_100_mib_make_the_round_trip(server, canary):
    value = random.Random(6).randbytes(1 << 20) * (MANY_MEBIBYTES >> 20)
    with server.connect(deadline=60) as client:
        assert client.command("SET", "key", value) == Simple("OK")
        assert client.command("STRLEN", "key") == MANY_MEBIBYTES
        canary.check()
        assert client.command("GET", "key") == value
        assert client.command("RPUSH", "list", value, b"small", value) == 3
        assert client.command("LRANGE", "list", 1, 2) == [b"small", value]
        assert client.command("PUBLISH", "nobody", value) == 0
        assert client.command("ECHO", value) == value


@pytest.mark.skipif(SCALE != 1, reason="a sanitizer's memory says nothing about ours")
def test_the_largest_argument_is_held_once(server_factory):
    """While it arrives, while it is stored and while parts of it are read."""
    server = server_factory()
    piece = random.Random(7).randbytes(1 << 20)
    before = server.peak_memory()
    with server.connect(deadline=60) as client:
        client.send_raw(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$%d\r\n" % LARGEST)
        for _ in range(LARGEST // len(piece)):
            client.send_raw(piece)
        client.send_raw(b"\r\n")
        assert client.read() == Simple("OK")
        assert client.command("STRLEN", "key") == LARGEST
        middle = LARGEST // 2 + 1000
        assert client.command("GETRANGE", "key", middle, middle + 999) == piece[1000:2000]
        assert client.command("GETRANGE", "key", -1000, -1) == piece[-1000:]
    held = server.peak_memory() - before
    assert held < 2.2 * LARGEST, f"{held / LARGEST:.2f} times its size"


@pytest.mark.sanitizer
def test_a_deep_pipeline_is_answered_in_full(server, canary):
    with server.connect(deadline=60) as client:
        replies = client.pipeline(("INCR", "counter") for _ in range(100_000))
        assert replies == list(range(1, 100_001))


@pytest.mark.sanitizer
@pytest.mark.timeout(300)
def test_10000_connects_and_disconnects_leave_no_descriptor(server, canary, nothing_stays_open):
    for number in range(CONNECTIONS):
        client = RespClient(server.address)
        match number % 4:
            case 0:
                client.close()
            case 1:
                client.ok("PING")
                client.close()
            case 2:
                client.send("PING")
                client.abort()
            case 3:
                client.send_raw(b"*2\r\n$4\r\nEC")
                client.close()
    canary.check()


def test_one_client_too_many_is_told_so(server_factory):
    server = server_factory(maxclients=10)
    clients = [server.connect() for _ in range(10)]
    for client in clients:
        client.ok("PING")
    with RespClient(server.address) as refused:
        assert refused.read() == Error("ERR max number of clients reached")
        assert refused.is_closed_by_server()
    clients.pop().close()

    def has_room():
        with RespClient(server.address) as client:
            try:
                return client.command("PING") == Simple("PONG")
            except ConnectionError:
                return False

    wait_until(has_room)
    for client in clients:
        client.ok("PING")
        client.close()


@pytest.mark.sanitizer
def test_a_subscriber_that_does_not_read_is_dropped_and_the_others_get_all(server, canary):
    with server.connect() as control:
        control.ok("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1048576 0 0")
    reader, sleeper = server.connect(), server.connect()
    for client in (reader, sleeper):
        client.ok("SUBSCRIBE", "flood")
    with server.connect() as publisher:
        published = 0
        while publisher.command("PUBLISH", "flood", b"x" * 100_000) == 2:
            published += 1
            assert reader.read()[2] == b"x" * 100_000
            assert published < 1000, "64 MiB and more are waiting for the sleeper"
        assert reader.read()[2] == b"x" * 100_000
        assert sleeper.is_closed_by_server()
        assert publisher.command("PUBLISH", "flood", "again") == 1
    assert reader.read() == [b"message", b"flood", b"again"]
    reader.close()
    sleeper.close()


# Clients that die


def killed_while(client, how):
    """Brings a client into a state from which it is going to disappear."""
    match how:
        case "blocked on a list":
            client.send("BLPOP", "list", "other list", 0)
        case "blocked on a sorted set":
            client.send("BZPOPMIN", "zset", 0)
        case "subscribed":
            client.ok("SUBSCRIBE", "news")
            client.ok("PSUBSCRIBE", "n*")
        case "sharded subscriber":
            client.ok("SSUBSCRIBE", "news")
        case "in a transaction":
            client.ok("MULTI")
            client.ok("SET", "never", "done")
        case "watching":
            client.ok("WATCH", "watched")
        case "monitoring":
            client.ok("MONITOR")


STATES = [
    "blocked on a list",
    "blocked on a sorted set",
    "subscribed",
    "sharded subscriber",
    "in a transaction",
    "watching",
    "monitoring",
]


def blocked_clients(control):
    return int(
        next(
            line.split(b":")[1]
            for line in control.ok("INFO", "clients").splitlines()
            if line.startswith(b"blocked_clients:")
        )
    )


@pytest.mark.sanitizer
@pytest.mark.parametrize("ending", ["close", "abort"])
@pytest.mark.parametrize("how", STATES)
def test_a_client_killed_leaves_nothing_behind(server, canary, nothing_stays_open, how, ending):
    control = server.connect()
    before = server.descriptors()
    clients = [server.connect() for _ in range(20)]
    for client in clients:
        killed_while(client, how)
    if how.startswith("blocked"):
        wait_until(lambda: blocked_clients(control) == 20)
    for client in clients:
        getattr(client, ending)()
    wait_until(lambda: server.descriptors() <= before)
    if how.startswith("blocked"):
        wait_until(lambda: blocked_clients(control) == 0)

    # What the dead waited for goes to nobody.
    assert control.command("RPUSH", "list", "kept") == 1
    assert control.command("ZADD", "zset", 1, "kept") == 1
    assert control.command("PUBLISH", "news", "unheard") == 0
    assert control.command("SPUBLISH", "news", "unheard") == 0
    control.ok("SET", "watched", "changed")
    assert control.command("LRANGE", "list", 0, -1) == [b"kept"]
    assert control.command("ZCARD", "zset") == 1
    assert control.command("EXISTS", "never") == 0
    assert control.command("PUBSUB", "NUMSUB", "news") == [b"news", 0]
    assert control.command("PUBSUB", "NUMPAT") == 0
    control.close()


@pytest.mark.sanitizer
def test_the_next_in_line_is_served_when_the_first_one_died(server, canary):
    first, second, control = server.connect(), server.connect(), server.connect()
    first.send("BLPOP", "list", 0)
    wait_until(lambda: blocked_clients(control) == 1)
    second.send("BLPOP", "list", 0)
    wait_until(lambda: blocked_clients(control) == 2)
    first.abort()
    wait_until(lambda: blocked_clients(control) == 1)
    control.ok("RPUSH", "list", "job")
    assert second.read() == [b"list", b"job"]
    second.close()
    control.close()


@pytest.mark.sanitizer
def test_clients_that_die_while_they_are_served_lose_no_more_than_their_own_reply(server, canary):
    """Pushes race with the death of the waiters: an element is delivered, or it stays."""
    control = server.connect()
    clients = info_number(control, "clients", "connected_clients")
    rng = random.Random(8)
    for _ in range(200):
        victim, survivor = server.connect(), server.connect()
        victim.send("BLPOP", "list", 0)
        survivor.send("BLPOP", "list", 0)
        if rng.random() < 0.5:
            victim.abort()
            control.ok("RPUSH", "list", "one", "two")
        else:
            control.send("RPUSH", "list", "one", "two")
            victim.abort()
            control.read()
        assert survivor.read() in ([b"list", b"one"], [b"list", b"two"])
        survivor.close()
        control.ok("DEL", "list")
        # A victim whose death is not known yet would take an element of the next round as well.
        wait_until(
            lambda: info_number(control, "clients", "connected_clients") == clients,
            what="the victim is gone",
        )
    control.close()
