"""Every thread of the server at once on the same few keys and channels: nothing gets lost."""

import collections
import json
import subprocess
import sys
from pathlib import Path

import pytest

from support import hammer

PROCESSES = 4  # of 16 connections each
SECONDS = 20


def read_line(process, expected):
    line = process.stdout.readline().strip()
    if line != expected:
        _, errors = process.communicate(timeout=60)
        raise AssertionError(f"{line!r} in place of {expected!r}:\n{errors}")


def tell(process):
    process.stdin.write("\n")
    process.stdin.flush()


def run_hammers(server):
    """The sum of what all processes counted."""
    line = [sys.executable, "-m", "support.hammer", str(server.port)]
    processes = [
        subprocess.Popen(
            [*line, str(seed), str(SECONDS)],
            cwd=Path(__file__).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(1, PROCESSES + 1)
    ]
    try:
        for expected in ("ready", "finished"):
            for process in processes:
                read_line(process, expected)
            if expected == "finished":
                with server.connect() as raw:
                    raw.ok("PUBLISH", hammer.CHANNELS[0], hammer.LAST_MESSAGE)
            for process in processes:
                tell(process)
        total = collections.Counter()
        for process in processes:
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            total.update(json.loads(output))
        return total
    finally:
        for process in processes:
            process.kill()
            process.wait()


def remaining(raw, read, keys):
    members = [int(member) for key in keys for member in raw.ok(read, key, 0, -1)]
    return len(members), sum(members)


@pytest.mark.hammer
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_64_connections_on_8_threads_lose_no_count(server_factory):
    server = server_factory(threads=8)
    total = run_hammers(server)
    with server.connect() as raw:

        def value(key):
            return int(raw.ok("GET", key))

        assert sum(value(key) for key in hammer.COUNTERS) == total["increments"]

        count, ids = remaining(raw, "LRANGE", hammer.LISTS)
        assert total["popped"] + count == total["pushed"]
        assert total["popped sum"] + ids == total["pushed sum"]

        count, ids = remaining(raw, "ZRANGE", hammer.ZSETS)
        assert total["taken"] + count == total["added"]
        assert total["taken sum"] + ids == total["added sum"]

        assert [value(key) for key in hammer.PAIR] == [total["transactions"]] * 2
        assert value(hammer.WATCHED) == total["optimistic successes"]
        assert [value(key) for key in hammer.SCRIPTED] == [total["scripts"]] * 2

        # The last message counts twice for each of the three subscribers of a process.
        assert total["received"] == total["published to"] + 2 * 3 * PROCESSES
        assert raw.ok("PUBSUB", "CHANNELS", "hammer:*") == []
    for workload in ("increments", "popped", "taken", "transactions", "scripts", "received"):
        assert total[workload] > 100, total
    print(dict(total))
