"""The thinnest slice: a server starts, answers on every kind of connection, and stops cleanly."""

import pytest

from support.resp import NULL, NULL_BULK, RespClient, Simple


@pytest.mark.sanitizer
def test_a_value_set_on_one_connection_is_read_on_another(server):
    with server.connect() as first, server.connect() as second:
        assert first.command("SET", "key", b"\x00\r\n\xff") == Simple("OK")
        assert second.command("GET", "key") == b"\x00\r\n\xff"


@pytest.mark.sanitizer
def test_hello_3_switches_a_connection_to_resp3(server):
    with server.connect(protocol=3) as client:
        assert client.command("GET", "missing") is NULL
        assert client.command("HSET", "hash", "field", "value") == 1
        assert client.command("HGETALL", "hash").dict() == {b"field": b"value"}


def test_a_password_is_asked_for(server_factory):
    server = server_factory(requirepass="secret")
    with RespClient(server.address) as client:
        assert client.command("GET", "key").code == "NOAUTH"
        assert client.command("AUTH", "wrong").code == "WRONGPASS"
        assert client.command("AUTH", "secret") == Simple("OK")
        assert client.command("GET", "key") is NULL_BULK


def test_a_unix_socket_serves_like_a_port(server_factory, tmp_path):
    server = server_factory(unixsocket=tmp_path / "server.sock")
    with RespClient(str(server.unixsocket)) as local, server.connect() as remote:
        assert local.command("SET", "key", "value") == Simple("OK")
        assert remote.command("GET", "key") == b"value"


def test_after_an_unknown_command_the_connection_lives_on(server):
    with server.connect() as client:
        reply = client.command("NOSUCHCOMMAND", "argument")
        assert reply.text == (
            "ERR unknown command 'NOSUCHCOMMAND', with args beginning with: 'argument' "
        )
        assert client.command("PING") == Simple("PONG")


def test_an_infinite_score_times_zero_counts_as_zero_in_every_combination(connect):
    client = connect()
    client.command("ZADD", "endless", "inf", "a")
    client.command("ZADD", "usual", 5, "a")
    twice = ("2", "endless", "endless", "WEIGHTS", 1, 0, "WITHSCORES")
    assert client.command("ZINTER", *twice) == [b"a", b"0"]
    assert client.command("ZUNION", *twice) == [b"a", b"inf"]
    lowest = ("2", "usual", "endless", "WEIGHTS", 1, 0, "AGGREGATE", "MIN", "WITHSCORES")
    assert client.command("ZINTER", *lowest) == [b"a", b"5"]
    assert client.command("ZUNION", *lowest) == [b"a", b"0"]


def test_debug_that_is_not_allowed_aborts_a_transaction(connect):
    client = connect()
    client.ok("MULTI")
    assert bytes(client.command("DEBUG", "SLEEP", "0")).startswith(b"ERR DEBUG command not allowed")
    assert bytes(client.command("EXEC")).startswith(b"EXECABORT")
