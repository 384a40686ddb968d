"""How persistence is turned on, what CONFIG says of it, and directories that cannot be used."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from support.resp import Error
from support.server import Server, binary_under_test, free_port, run_to_exit
from support.waiting import wait_until

OPTIONS = ["persistence", "appendonly", "appendfsync", "dir"]


def config(server: Server) -> dict[str, str]:
    with server.connect() as client:
        flat = [word.decode() for word in client.ok("CONFIG", "GET", *OPTIONS)]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def keeps_data(server: Server) -> bool:
    with server.connect() as client:
        client.ok("SET", "key", "value")
    server.restart(signal.SIGTERM)
    with server.connect() as client:
        return client.ok("EXISTS", "key") == 1


def gives_up(directory: Path, *arguments: str) -> str:
    """The one line on stderr with which the process gave up."""
    line = ["--bind", "127.0.0.1", "--port", str(free_port()), *arguments]
    code, _, errors = run_to_exit(binary_under_test(), line, directory)
    assert code == 1, errors
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("chorale-server: "), errors
    return errors.rstrip("\n")


def test_nothing_is_kept_by_default(server: Server) -> None:
    assert config(server)["appendonly"] == "no"
    assert not keeps_data(server)


@pytest.mark.chorale_only
def test_without_persistence_nothing_is_written(
    server_factory: Callable[..., Server], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    server = server_factory(dir=data, persistence="off")
    assert not keeps_data(server)
    assert list(data.iterdir()) == []


@pytest.mark.chorale_only
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"persistence": "off"}, ("off", "no", None)),
        ({"persistence": "everysec"}, ("everysec", "yes", "everysec")),
        ({"persistence": "always"}, ("always", "yes", "always")),
        ({"persistence": "no-sync"}, ("no-sync", "yes", "no")),
        ({"appendonly": "yes"}, ("everysec", "yes", "everysec")),
        ({"appendonly": "yes", "appendfsync": "always"}, ("always", "yes", "always")),
        ({"appendfsync": "always", "appendonly": "yes"}, ("always", "yes", "always")),
        ({"appendonly": "yes", "appendfsync": "no"}, ("no-sync", "yes", "no")),
        ({"appendonly": "no", "appendfsync": "always"}, ("off", "no", None)),
        ({"appendfsync": "always"}, ("off", "no", None)),
    ],
)
def test_both_spellings_of_the_setting_mean_the_same(
    server_factory: Callable[..., Server],
    tmp_path: Path,
    options: dict[str, str],
    expected: tuple[str, str, str | None],
) -> None:
    data = tmp_path / "data"
    server = server_factory(dir=data, **options)
    found = config(server)
    assert (found["persistence"], found["appendonly"]) == expected[:2]
    assert expected[2] in (None, found["appendfsync"])
    assert found["dir"] == str(data)
    assert keeps_data(server) == (expected[0] != "off")


@pytest.mark.parametrize("in_file", [["appendonly yes", "appendfsync always"]])
def test_a_redis_conf_turns_it_on(
    server_factory: Callable[..., Server], tmp_path: Path, in_file: list[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    included = tmp_path / "included.conf"
    included.write_text("\n".join([*in_file, f'dir "{data}"', ""]))
    server = server_factory(include=included)
    assert config(server)["appendonly"] == "yes"
    assert keeps_data(server)
    assert list(data.iterdir())


@pytest.mark.chorale_only
def test_the_file_says_persistence_and_the_command_line_wins(
    server_factory: Callable[..., Server], tmp_path: Path
) -> None:
    included = tmp_path / "included.conf"
    included.write_text(f"persistence everysec\ndir {tmp_path / 'data'}\n")
    server = server_factory(include=included, persistence="always")
    assert config(server)["persistence"] == "always"
    assert keeps_data(server)


def test_a_relative_directory_is_the_one_below_where_the_process_began(
    server_factory: Callable[..., Server], tmp_path: Path
) -> None:
    data = tmp_path / "server0" / "data"
    data.mkdir(parents=True)
    server = server_factory(appendonly="yes", dir="data")
    assert config(server)["dir"] == str(data)
    assert keeps_data(server)
    assert list(data.iterdir())


@pytest.mark.chorale_only
def test_a_missing_directory_is_made(server_factory: Callable[..., Server], tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = server_factory(persistence="always", dir=data)
    assert list(data.iterdir())
    assert keeps_data(server)


@pytest.mark.chorale_only
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("persistence", "off"),
        ("persistence", "always"),
        ("appendonly", "no"),
        ("dir", "/tmp"),
    ],
)
def test_a_running_broker_keeps_its_setting(
    keeping_server: Callable[..., Server], option: str, value: str
) -> None:
    server = keeping_server("everysec")
    before = config(server)
    with server.connect() as client:
        reply = client.command("CONFIG", "SET", option, value)
    assert isinstance(reply, Error), reply
    assert option in reply.text
    assert config(server) == before
    assert keeps_data(server)


@pytest.mark.chorale_only
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("persistence", "sometimes"),
        ("persistence", "yes"),
        ("appendonly", "perhaps"),
        ("appendfsync", "never"),
    ],
)
def test_a_bad_value_is_named_in_one_line(tmp_path: Path, option: str, value: str) -> None:
    line = gives_up(tmp_path, f"--{option}", value)
    assert option in line
    assert value in line


# ---- directories ----


@pytest.mark.chorale_only
@pytest.mark.sanitizer
def test_a_second_broker_on_the_same_directory_gives_up(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = keeping_server()
    data = tmp_path / "data"
    with server.connect() as client:
        client.ok("SET", "key", "value")
        for _ in range(2):
            line = gives_up(tmp_path, "--dir", str(data), "--persistence", "everysec")
            assert line == (
                f"chorale-server: the data directory {data} is in use by another process"
            )
        client.ok("SET", "other", "value")
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        assert client.ok("EXISTS", "key", "other") == 2


@pytest.mark.chorale_only
def test_a_directory_whose_broker_was_killed_is_free(
    keeping_server: Callable[..., Server], server_factory: Callable[..., Server], tmp_path: Path
) -> None:
    server = keeping_server()
    with server.connect() as client:
        client.ok("SET", "key", "value")
    server.kill()
    other = server_factory(dir=tmp_path / "data", persistence="always")
    with other.connect() as client:
        assert client.ok("GET", "key") == b"value"
    other.stop()
    server.start()


@pytest.mark.chorale_only
def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    data = tmp_path / "missing" / "data"
    line = gives_up(tmp_path, "--dir", str(data), "--persistence", "always")
    assert str(data) in line
    assert not data.parent.exists()


@pytest.mark.chorale_only
def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_text("not a directory")
    assert str(data) in gives_up(tmp_path, "--dir", str(data), "--persistence", "always")
    assert data.read_text() == "not a directory"


@pytest.mark.chorale_only
@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_directory_without_permission_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0)
    try:
        assert str(data) in gives_up(tmp_path, "--dir", str(data), "--persistence", "always")
    finally:
        data.chmod(0o700)


@pytest.mark.chorale_only
@pytest.mark.sanitizer
def test_a_start_that_fails_leaves_the_directory_as_a_stop_does(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Else the owners of all mailboxes were told that something may be missing."""
    server = keeping_server("everysec")
    with server.connect() as client:
        client.ok("SET", "key", "value")
    server.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        data = str(tmp_path / "data")
        line = gives_up(tmp_path, "--dir", data, "--persistence", "everysec", "--port", str(port))
        assert str(port) in line
    code, summary, _ = run_to_exit(binary_under_test(), ["--check", data], tmp_path)
    assert code == 0
    assert f"{data}: format 1, complete\n" in summary
    assert "1 string" in summary


@pytest.mark.chorale_only
def test_files_of_others_in_the_directory_are_left_alone(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "notes.txt").write_text("mine")
    server = keeping_server()
    assert keeps_data(server)
    assert (data / "notes.txt").read_text() == "mine"


@pytest.mark.chorale_only
def test_the_port_opens_when_everything_is_there(keeping_server: Callable[..., Server]) -> None:
    """The first connection that is accepted already sees all keys."""
    server = keeping_server("everysec")
    with server.connect(deadline=60) as client:
        for start in range(0, 40_000, 2000):
            client.pipeline([("SET", f"key:{n}", n) for n in range(start, start + 2000)])
    for number in (signal.SIGTERM, signal.SIGTERM):
        server.restart(number)
        with server.connect() as client:
            assert client.ok("DBSIZE") == 40_000
    assert wait_until(lambda: "40000" in server.output.replace(",", "")), server.output


@pytest.mark.chorale_only
@pytest.mark.sanitizer
def test_a_start_that_is_told_to_stop_does_not_read_on_and_changes_nothing(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = keeping_server("everysec")
    with server.connect(deadline=60) as client:
        for start in range(0, 300_000, 5000):
            client.ok("MSET", *(word for n in range(start, start + 5000) for word in (n, n)))
    server.stop()
    data = tmp_path / "data"

    def opened(file: Path) -> str | None:
        """None if it has been closed since the folder was read."""
        try:
            return os.readlink(file)
        except FileNotFoundError:
            return None

    def reading() -> bool:
        """It has the directory open, and signals are for it to handle."""
        return any(
            opened(file) == str(data / "LOCK") for file in Path(f"/proc/{server.pid}/fd").iterdir()
        )

    # Where the test is slower than the broker, that has read everything already.
    for _ in range(20):
        server.launch()
        wait_until(reading)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        if "stopped before everything was read" in server.output:
            break
    else:
        raise AssertionError(server.output)
    code, summary, _ = run_to_exit(binary_under_test(), ["--check", str(data)], tmp_path)
    assert code == 0
    assert f"{data}: format 1, complete\n" in summary
    assert "300000 string" in summary
    server.start()
    with server.connect() as client:
        assert client.ok("DBSIZE") == 300_000
