"""chorale-server --check DIR: what a data directory holds, and whether it is sound.

And --repair DIR, for one whose log is damaged.
"""

from __future__ import annotations

import random
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.disk import files, journal, listing
from support.server import Server, binary_under_test
from support.waiting import scaled

pytestmark = [pytest.mark.chorale_only, pytest.mark.sanitizer]


def check(
    directory: Path, where: Path, option: str = "--check"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binary_under_test(), option, str(directory)],
        check=False,
        cwd=where,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=scaled(60),
    )


def fill(server: Server) -> None:
    with server.connect() as client:
        client.pipeline([("SET", f"string:{n}", "x" * n) for n in range(30)])
        client.pipeline([("HSET", f"hash:{n}", "f", "v") for n in range(20)])
        client.pipeline([("RPUSH", f"list:{n}", *range(200)) for n in range(7)])
        client.ok("SELECT", 3)
        client.pipeline([("ZADD", f"zset:{n}", 1, "m") for n in range(11)])
        client.ok("SADD", "set", "a", "b")
        client.ok("LAYER.SET", "layer", "EXPIRY", 600)
        client.ok("CHANNEL.SEND", "layer", "jobs", "message")
        client.ok("GROUP.ADD", "layer", "team", "jobs", "p.x!a")
        client.ok("GROUP.SEND", "layer", "team", "hello")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_sound_directory_is_summed_up_and_not_changed(
    keeping_server: Callable[..., Server], tmp_path: Path, ending: signal.Signals
) -> None:
    server = keeping_server()
    data = tmp_path / "data"
    fill(server)
    server.signal(ending)
    server.wait()
    before = listing(data)
    done = [check(data, tmp_path) for _ in range(2)]
    assert listing(data) == before
    assert [each.returncode for each in done] == [0, 0], done[0].stderr
    assert done[0].stdout == done[1].stdout
    text = done[0].stdout
    for number in (30, 20, 7, 11):
        assert re.search(rf"\b{number}\b", text), text
    for word in ("format", "string", "hash", "list", "zset", "set", "layer", "mailbox"):
        assert word in text.lower(), text
    server.start()
    with server.connect() as client:
        assert client.ok("DBSIZE") == 57


def test_an_empty_directory_of_a_broker_is_sound(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = keeping_server()
    server.stop()
    done = check(tmp_path / "data", tmp_path)
    assert done.returncode == 0, done.stderr


def refused(directory: Path, where: Path, option: str = "--check") -> str:
    """The one line on stderr, after exit code 1."""
    done = check(directory, where, option)
    assert done.returncode == 1, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("chorale-server: ")
    return done.stderr


@pytest.mark.parametrize("option", ["--check", "--repair"])
@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_what_is_no_data_directory_is_refused_and_stays(
    tmp_path: Path, kind: str, option: str
) -> None:
    path = tmp_path / "data"
    if kind == "file":
        path.write_text("text")
    elif kind == "empty":
        path.mkdir()
    assert str(path) in refused(path, tmp_path, option)
    assert path.exists() == (kind != "missing")
    assert kind != "empty" or not list(path.iterdir())


def test_a_directory_in_use_is_refused_or_summed_up_but_not_disturbed(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = keeping_server()
    fill(server)
    assert check(tmp_path / "data", tmp_path).returncode in (0, 1)
    server.restart(signal.SIGKILL)
    with server.connect() as client:
        assert client.ok("DBSIZE") == 57


def tables(data: Path) -> list[Path]:
    return files(data, "*.sst")


def directory_with_tables(server: Server, data: Path) -> None:
    """Ends the broker with much of its data in table files."""
    rng = random.Random(1)
    for life in range(20):
        with server.connect(deadline=60) as client:
            client.pipeline([("SET", f"key:{life}:{n}", rng.randbytes(20_000)) for n in range(200)])
        server.stop()
        if sum(path.stat().st_size for path in tables(data)) > 2_000_000:
            return
        server.start()
    raise AssertionError(f"no table files in {files(data)}")


def test_a_damaged_table_is_found_and_not_changed(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    directory_with_tables(keeping_server(), data)
    assert check(data, tmp_path).returncode == 0
    path = max(tables(data), key=lambda table: table.stat().st_size)
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 4, len(content) // 4 + 64):
        content[place] ^= 0xFF
    path.write_bytes(content)
    before = listing(data)
    refused(data, tmp_path)
    assert listing(data) == before


def test_a_table_that_is_missing_is_found(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    directory_with_tables(keeping_server(), data)
    tables(data)[0].unlink()
    before = listing(data)
    refused(data, tmp_path)
    assert listing(data) == before


def repair(directory: Path, where: Path) -> subprocess.CompletedProcess[str]:
    return check(directory, where, "--repair")


@pytest.mark.parametrize("persistence", ["everysec", "always"])
@pytest.mark.parametrize("damage", ["zeros", "bit"])
def test_a_damaged_log_is_refused_until_it_is_repaired(
    keeping_server: Callable[..., Server], tmp_path: Path, damage: str, persistence: str
) -> None:
    server = keeping_server(persistence)
    data = tmp_path / "data"
    ends = []
    with server.connect() as client:
        for number in range(1, 7):
            client.ok("MSET", *(word for key in "abc" for word in (key, number)))
            client.ok("SET", "long", str(number) * 100_000)
            client.ok("SAVE")
            ends.append(journal(data).stat().st_size)
    server.signal(signal.SIGKILL)
    server.wait()
    log = journal(data)
    content = bytearray(log.read_bytes())
    if damage == "zeros":
        content[ends[3] + 50_000 :] = bytes(len(content) - ends[3] - 50_000)
    else:
        content[ends[3] + 50_000] ^= 1
    log.write_bytes(content)

    before = listing(data)
    assert f"chorale-server --repair {data} " in refused(data, tmp_path)
    assert listing(data) == before
    start = subprocess.run(
        [binary_under_test(), "--dir", str(data), "--persistence", persistence, "--port", "0"],
        check=False,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=scaled(60),
    )
    assert start.returncode == 1
    assert f"chorale-server --repair {data} " in start.stderr
    done = repair(data, tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"database 0: 4 string", done.stdout), done.stdout
    assert done.stdout.splitlines()[-1].strip() == "what lay in the log behind the damage is gone"
    assert check(data, tmp_path).returncode == 0
    server.start()
    with server.connect() as client:
        values = client.ok("MGET", "a", "b", "c")
        long = client.ok("GET", "long")
        assert len(set(values)) == 1, "a command is there as a whole"
        assert values[0] in (b"4", b"5")
        assert long == b"4" * 100_000
        client.ok("SET", "after", 1)
    server.restart(signal.SIGTERM)
    with server.connect() as client:
        assert client.ok("GET", "after") == b"1"
        assert client.ok("MGET", "a", "b", "c") == values


def test_repair_changes_nothing_of_a_sound_directory(
    keeping_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = keeping_server()
    fill(server)
    assert "in use" in refused(tmp_path / "data", tmp_path, "--repair")
    server.signal(signal.SIGKILL)
    server.wait()
    held = check(tmp_path / "data", tmp_path).stdout
    done = repair(tmp_path / "data", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(held)
    assert "nothing was dropped" in done.stdout
    server.start()
    with server.connect() as client:
        assert client.ok("DBSIZE") == 57
