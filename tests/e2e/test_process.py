"""How the process starts, refuses to start, and ends."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.resp import Incomplete, RespClient, Simple, encode, parse
from support.server import binary_under_test, command_line, free_port, run_to_exit
from support.waiting import scaled, wait_until

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def refuses_to_start(directory, *arguments):
    """The one line on stderr with which the process gave up."""
    code, _, errors = run_to_exit(binary_under_test(), arguments, directory)
    assert code == 1, errors
    lines = errors.splitlines()
    assert len(lines) == 1, errors
    return lines[0]


@pytest.mark.chorale_only
@pytest.mark.sanitizer
def test_a_port_in_use_is_named_in_one_line(server, tmp_path):
    line = refuses_to_start(tmp_path, "--bind", "127.0.0.1", "--port", str(server.port))
    assert str(server.port) in line
    assert "in use" in line.lower()
    with server.connect() as client:
        client.ok("PING")


@pytest.mark.chorale_only
def test_an_unknown_option_is_named_in_one_line(tmp_path):
    assert "no-such-option" in refuses_to_start(tmp_path, "--no-such-option", "1")


@pytest.mark.chorale_only
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("port", "many"),
        ("port", "70000"),
        ("port", "-1"),
        ("threads", "-1"),
        ("threads", "x"),
        ("maxmemory", "12 parsecs"),
        ("timeout", "-5"),
        ("protected-mode", "perhaps"),
    ],
)
def test_a_bad_value_is_named_in_one_line(tmp_path, option, value):
    arguments = ["--port", str(free_port())] if option != "port" else []
    line = refuses_to_start(tmp_path, *arguments, f"--{option}", value)
    assert option in line
    assert value in line


@pytest.mark.chorale_only
def test_an_address_of_another_machine_is_named_in_one_line(tmp_path):
    arguments = ["--port", str(free_port()), "--bind", "192.0.2.1"]
    assert "192.0.2.1" in refuses_to_start(tmp_path, *arguments)


def ipv6_socket(port):
    """Listens on the IPv6 loopback address."""
    taken = socket.socket(socket.AF_INET6)
    taken.bind(("::1", port))
    taken.listen()
    return taken


@pytest.mark.chorale_only
@pytest.mark.parametrize("bind", ["-::1", "127.0.0.1 -::1", None])
def test_an_address_that_may_be_missing_must_not_be_in_use(tmp_path, bind):
    port = free_port()
    options = ["--port", str(port)] + (["--bind", bind] if bind else [])
    with ipv6_socket(port):
        line = refuses_to_start(tmp_path, *options)
    assert f"[::1]:{port}" in line
    assert "in use" in line.lower()


@pytest.mark.chorale_only
def test_an_address_that_may_be_missing_is_passed_over(server_factory):
    server = server_factory(bind="127.0.0.1 -192.0.2.1 -2001:db8::1")
    assert f"listens on 127.0.0.1:{server.port}\n" in server.output


def test_the_wildcards_of_both_families_are_listened_on(server_factory):
    server = server_factory(bind="* -::*")
    for host, shown in (("127.0.0.1", b"127.0.0.1:"), ("::1", b"[::1]:")):
        with RespClient((host, server.port)) as client:
            assert b" addr=" + shown in client.ok("CLIENT", "INFO")
            assert b" laddr=" + shown + b"%d " % server.port in client.ok("CLIENT", "INFO")


def test_a_name_is_listened_on(server_factory):
    server = server_factory(bind="localhost")
    with server.connect() as client:
        client.ok("PING")


@pytest.mark.chorale_only
def test_a_name_that_does_not_exist_is_named_in_one_line(tmp_path):
    arguments = ["--port", str(free_port()), "--bind", "no-such-name.invalid"]
    line = refuses_to_start(tmp_path, *arguments)
    assert "no-such-name.invalid" in line
    assert "not found" in line.lower()


def banner(server):
    """What the server printed at its start, which is whole once it serves."""
    wait_until(lambda: "CHANNEL_LAYERS" in server.output)
    return server.output


@pytest.mark.chorale_only
@pytest.mark.parametrize(
    ("bind", "host"),
    [("127.0.0.1", "127.0.0.1"), ("127.0.0.2 127.0.0.1", "127.0.0.2"), ("*", "127.0.0.1")],
)
def test_the_banner_names_an_address_that_is_listened_on(server_factory, bind, host):
    server = server_factory(bind=bind)
    assert f'"hosts": ["redis://{host}:{server.port}"]' in banner(server)


@pytest.mark.chorale_only
def test_the_banner_says_where_the_password_goes_and_does_not_tell_it(server_factory):
    server = server_factory(requirepass="sesame")
    assert f'["redis://:PASSWORD@127.0.0.1:{server.port}"]' in banner(server)
    assert "sesame" not in server.output


@pytest.mark.chorale_only
def test_the_banner_names_the_unix_socket_where_there_is_nothing_else(tmp_path):
    path = tmp_path / "server.sock"
    options = {"port": 0, "unixsocket": "server.sock"}
    line = command_line(binary_under_test(), options)
    with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        printed = [process.stdout.readline() for _ in range(3)]
        process.terminate()
        assert process.wait(scaled(10)) == 0
    assert f'["unix://{path}"]' in printed[2]


@pytest.mark.chorale_only
def test_an_option_without_its_value_is_named_in_one_line(tmp_path):
    assert "port" in refuses_to_start(tmp_path, "--port")


@pytest.mark.chorale_only
def test_a_unix_socket_that_cannot_be_made_is_named_in_one_line(tmp_path):
    path = str(tmp_path / "no such directory" / "server.sock")
    line = refuses_to_start(tmp_path, "--port", str(free_port()), "--unixsocket", path)
    assert path in line


@pytest.mark.chorale_only
def test_a_configuration_file_that_cannot_be_read_is_named_in_one_line(tmp_path):
    path = str(tmp_path / "missing.conf")
    assert path in refuses_to_start(tmp_path, path)


def test_a_configuration_file_is_read_and_the_command_line_wins(tmp_path):
    ports = [free_port(), free_port()]
    path = tmp_path / "server.conf"
    path.write_text(
        f"# a comment\n\nport {ports[0]}\nbind 127.0.0.1\n"
        f'requirepass "pass word"\nmaxclients 123\nunixsocket {tmp_path}/server.sock\n'
    )
    line = [*command_line(binary_under_test(), {}), str(path), "--port", str(ports[1])]
    process = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: (tmp_path / "server.sock").exists())
        with RespClient(("127.0.0.1", ports[1])) as client:
            assert client.command("PING").code == "NOAUTH"
            client.ok("AUTH", "pass word")
            assert client.ok("CONFIG", "GET", "maxclients") == [b"maxclients", b"123"]
        with pytest.raises(ConnectionRefusedError):
            RespClient(("127.0.0.1", ports[0]))
    finally:
        process.terminate()
        assert process.wait(scaled(10)) == 0


@pytest.mark.sanitizer
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_process_well_with_clients_in_every_state(server, number):
    clients = [server.connect() for _ in range(6)]
    idle, blocked, subscribed, transaction, watching, monitor = clients
    idle.ok("PING")
    blocked.send("BLPOP", "list", 0)
    subscribed.ok("SUBSCRIBE", "news")
    transaction.ok("MULTI")
    watching.ok("WATCH", "key")
    monitor.ok("MONITOR")
    server.signal(number)
    assert server.wait() == 0
    for client in clients:
        assert client.is_closed_by_server()
        client.close()


@pytest.mark.chorale_only
@pytest.mark.sanitizer
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_lets_replies_finish(server, number):
    """Much of what is asked for is still on its way when the signal comes."""
    value = b"x" * 100_000
    requests = 300
    with server.connect() as client:
        client.ok("SET", "key", value)
        client.send_raw(encode("GET", "key") * requests)
        assert client.read() == value
        server.signal(number)
        received = bytearray(client._buffer[client._offset :])
        while data := client.socket.recv(1 << 20):
            received += data
    assert server.wait() == 0
    position, replies = 0, 1
    while position < len(received):
        try:
            reply, position = parse(received, position)
        except Incomplete:
            raise AssertionError(f"cut off after {replies} whole replies") from None
        assert reply == value
        replies += 1
    assert 1 <= replies <= requests


def test_shutdown_ends_the_process_well(server):
    with server.connect() as client:
        client.send("SHUTDOWN", "NOSAVE")
        assert client.is_closed_by_server()
    assert server.wait() == 0


def test_a_stopped_server_leaves_no_socket_file(server_factory, tmp_path):
    path = tmp_path / "server.sock"
    server = server_factory(unixsocket=path)
    assert path.exists()
    server.signal()
    assert server.wait() == 0
    assert not path.exists()


def test_a_server_starts_again_on_its_port_at_once(server_factory):
    port = free_port()
    for _ in range(3):
        server = server_factory(port=port)
        with server.connect() as client:
            client.ok("SET", "key", "value")
            server.signal()
            assert client.is_closed_by_server()
        assert server.wait() == 0


# Protected mode

FOREIGN = "10.11.12.13"


def ask_from_another_machine(*options):
    """What PING answers to a client whose address is not the loopback's.

    Runs server and client in a network namespace of their own, so nothing is reachable outside."""
    script = Path(__file__).parent / "support" / "foreign_client.py"
    line = ["unshare", "--map-root-user", "--net", sys.executable, str(script), FOREIGN]
    done = subprocess.run(
        [*line, binary_under_test(), *options],
        capture_output=True,
        text=True,
        timeout=scaled(60),
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_a_password_only_this_machine_is_served():
    reply = ask_from_another_machine()
    assert reply.startswith("-DENIED ")
    assert "protected mode" in reply


@pytest.mark.parametrize("options", [["--requirepass", "secret"], ["--protected-mode", "no"]])
def test_protected_mode_ends_with_a_password_or_on_request(options):
    expected = "-NOAUTH Authentication required." if "secret" in options else "+PONG"
    assert ask_from_another_machine(*options) == expected


def test_the_loopback_address_is_served_in_protected_mode(server):
    with server.connect() as client:
        assert client.ok("CONFIG", "GET", "protected-mode") == [b"protected-mode", b"yes"]
        assert client.command("PING") == Simple("PONG")
