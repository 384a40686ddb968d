"""Every thread of the server at once on the same few keys and channels: nothing gets lost."""

import collections
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support import hammer

PROCESSES = 4  # of 16 connections each
SECONDS = 20
WORKLOADS = (
    "increments",
    "popped",
    "taken",
    "transactions",
    "scripts",
    "received",
    "burst received",
)


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
                    for channel in (hammer.CHANNELS[0], hammer.BURST_CHANNEL):
                        raw.ok("PUBLISH", channel, hammer.LAST_MESSAGE)
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


class HeldPublishers:
    """Looks again and again whether a publisher is held because some thread is behind."""

    def __init__(self, server):
        self._client = server.connect(deadline=60)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.seen = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        self._client.close()

    def _look(self):
        while not self._end.wait(0.02):
            rows = self._client.ok("CLIENT", "LIST").splitlines()
            self.seen += any(b" cmd=publish " in row and b" flags=b " in row for row in rows)


def remaining(raw, read, keys):
    members = [int(member) for key in keys for member in raw.ok(read, key, 0, -1)]
    return len(members), sum(members)


@pytest.mark.hammer
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_64_connections_on_8_threads_lose_no_count(server_factory):
    server = server_factory(
        threads=8, enable_debug_command="yes", client_output_buffer_limit="pubsub 0 0 0"
    )
    with HeldPublishers(server) as held:
        total = run_hammers(server)
    assert held.seen or server.is_redis, "no publisher ever had to wait"
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

        # The last message counts twice for each of these subscribers.
        last = 2 * hammer.SUBSCRIBERS * PROCESSES
        assert total["received"] == total["published to"] + last
        assert total["burst received"] == total["burst to"]
        assert raw.ok("PUBSUB", "CHANNELS", "hammer:*") == []
    for workload in WORKLOADS:
        assert total[workload] > 100, total
    print(dict(total), "held", held.seen)
