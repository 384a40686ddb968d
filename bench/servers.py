"""The servers that the measurements start: where their programs are, and what a process costs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHORALE_SERVER = ROOT / "build/release/bin/chorale-server"
# Where tests/run puts the program redis-server, which Debian ships in redis-tools by another name.
TOOLS = ROOT / "build/tools"
# Without these redis-server saves its data from time to time.
REDIS_IN_MEMORY = ("--save", "", "--appendonly", "no")
START_SECONDS = 10.0
STOP_SECONDS = 20.0


def find_tools(*names: str) -> list[str]:
    """Their paths, from build/tools or else from PATH; ends the program if one is missing."""
    search = f"{TOOLS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    found = {name: shutil.which(name, path=search) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        sys.exit(
            f"{' and '.join(missing)} not found in build/tools or PATH; "
            "install redis-tools and run tests/run once, or install redis"
        )
    return [path for path in found.values() if path]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all of its threads.

    From the clock that clock_getcpuclockid(3) names, which is exact to the nanosecond where
    /proc/PID/stat counts in hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)


class Server:
    """A server process on a free loopback port, in a directory of its own; ended by its id."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.port = free_port()
        self._directory = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port), "--bind", "127.0.0.1"],
            cwd=self._directory.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.005)
        raise RuntimeError(f"{self.name} does not listen")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._directory.cleanup()
