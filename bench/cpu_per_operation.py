"""Server CPU per operation and memory per idle connection, Chorale beside redis-server.

    python3 bench/cpu_per_operation.py [--rounds 3] [--requests 400000] [--server PATH] [--check]

Both servers run on loopback at the same time, each with one thread and without persistence;
redis-benchmark (one thread, 50 connections, 100,000 random keys) loads them alternately, A B A B.
What is compared is the CPU time of the server process, user and system, from /proc/PID/stat,
divided by the operations: unlike throughput it does not depend on the load generator. Printed are
medians over the rounds, the ratio Chorale / Redis and the limit that the ratio has to keep, if it
has one. With --check the exit code is 1 if a limit is not kept; a tool for whoever runs the broker
or changes it, on a quiet machine, and no test.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Where tests/run puts the program redis-server, which Debian ships in redis-tools by another name.
TOOLS = ROOT / "build/tools"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
WORKLOADS = [
    (name, test, pipeline)
    for pipeline in (1, 16, 64)
    for name, test in (("PING", "ping_mbulk"), ("SET", "set"), ("GET", "get"))
]
# The most that the ratio may be, by workload and pipeline, and a connection's bytes.
RATIO_LIMITS = {
    (name, pipeline): limit
    for name in ("PING", "SET")
    for pipeline, limit in ((1, 1.0), (16, 0.75), (64, 0.55))
}
IDLE_CONNECTION_LIMIT = 3072


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


class Server:
    """A server process on a free loopback port; stopped by its id."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.port = free_port()
        self.directory = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "--bind", "127.0.0.1"],
            cwd=self.directory.name,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError(f"{name} does not listen")

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)
        self.directory.cleanup()


def cpu_per_operation(
    benchmark: str, server: Server, test: str, pipeline: int, requests: int
) -> float:
    """Microseconds of server CPU per operation."""
    before = server.cpu_seconds()
    subprocess.run(
        [benchmark, "-p", str(server.port), "-t", test, "-P", str(pipeline)]
        + ["-n", str(requests), "-c", "50", "-r", "100000", "-q"],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
    )
    return (server.cpu_seconds() - before) / requests * 1e6


def bytes_per_idle_connection(server: Server, connections: int) -> float:
    before = server.resident_bytes()
    idle = []
    for _ in range(connections):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"PING\r\n")
        idle.append(client)
    for client in idle:
        assert client.recv(16) == b"+PONG\r\n"
    after = server.resident_bytes()
    for client in idle:
        client.close()
    return (after - before) / connections


def verdict(value: float, limit: float | None) -> str:
    """A cell of the table: the limit, and whether it is kept."""
    if limit is None:
        return ""
    return f"<= {limit:g}" + ("" if value <= limit else ", not kept")


def measure(
    arguments: argparse.Namespace, benchmark: str, redis: Server, chorale: Server
) -> list[str]:
    """Prints the table and returns a line for each limit that is not kept."""
    broken: list[str] = []
    columns = f"{'workload':22}{'redis us':>10}{'chorale us':>12}{'ratio':>8}"
    print(columns + f"   {'spread of the ratio':22}limit")
    for name, test, pipeline in WORKLOADS:
        # Unpipelined the kernel dominates and fewer requests are precise enough.
        requests = arguments.requests if pipeline == 1 else arguments.requests * 5
        figures: dict[str, list[float]] = {"redis": [], "chorale": []}
        for _ in range(arguments.rounds):
            for server in (redis, chorale):
                cost = cpu_per_operation(benchmark, server, test, pipeline, requests)
                figures[server.name].append(cost)
        a, b = (statistics.median(figures[server]) for server in ("redis", "chorale"))
        ratios = [y / x for x, y in zip(figures["redis"], figures["chorale"], strict=True)]
        ratio, limit = b / a, RATIO_LIMITS.get((name, pipeline))
        label, spread = f"{name}, pipeline {pipeline}", f"{min(ratios):.2f}-{max(ratios):.2f}"
        row = f"{label:22}{a:10.3f}{b:12.3f}{ratio:8.2f}   {spread:22}{verdict(ratio, limit)}"
        print(row.rstrip(), flush=True)
        if limit is not None and ratio > limit:
            broken.append(f"{label}: {ratio:.3f} times Redis, limit {limit:g}")
    for server in (redis, chorale):
        size = bytes_per_idle_connection(server, arguments.connections)
        limit = IDLE_CONNECTION_LIMIT if server is chorale else None
        row = f"idle connection, {server.name}: {size:.0f} bytes   {verdict(size, limit)}"
        print(row.rstrip())
        if limit is not None and size > limit:
            broken.append(f"idle connection: {size:.0f} bytes, limit {limit}")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=400_000)
    parser.add_argument("--connections", type=int, default=4000)
    parser.add_argument("--server", default=str(ROOT / "build/release/bin/chorale-server"))
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is not kept")
    arguments = parser.parse_args()

    redis_server, benchmark = find_tools("redis-server", "redis-benchmark")
    servers: list[Server] = []
    try:
        servers.append(Server("redis", [redis_server, "--save", "", "--appendonly", "no"]))
        servers.append(Server("chorale", [arguments.server, "--threads", "1"]))
        broken = measure(arguments, benchmark, *servers)
    finally:
        for server in servers:
            server.stop()
    if not arguments.check:
        return 0
    for line in broken:
        print(f"not kept: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
