"""Server CPU per operation and memory per idle connection, Chorale beside redis-server.

    python3 bench/cpu_per_operation.py [--rounds 3] [--requests 400000] [--server PATH]

Both servers run on loopback at the same time, each with one thread and without persistence;
redis-benchmark (one thread, 50 connections, 100,000 random keys) loads them alternately, A B A B.
What is compared is the CPU time of the server process, user and system, from /proc/PID/stat,
divided by the operations: unlike throughput it does not depend on the load generator. Printed are
medians over the rounds and the ratio Chorale / Redis.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
WORKLOADS = [
    (name, test, pipeline)
    for pipeline in (1, 16, 64)
    for name, test in (("PING", "ping_mbulk"), ("SET", "set"), ("GET", "get"))
]


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


def cpu_per_operation(server: Server, test: str, pipeline: int, requests: int) -> float:
    """Microseconds of server CPU per operation."""
    before = server.cpu_seconds()
    subprocess.run(
        ["redis-benchmark", "-p", str(server.port), "-t", test, "-P", str(pipeline)]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=400_000)
    parser.add_argument("--connections", type=int, default=4000)
    parser.add_argument("--server", default=str(ROOT / "build/release/bin/chorale-server"))
    arguments = parser.parse_args()

    redis = Server("redis", ["redis-server", "--save", "", "--appendonly", "no"])
    chorale = Server("chorale", [arguments.server, "--threads", "1"])
    try:
        columns = f"{'workload':22}{'redis us':>10}{'chorale us':>12}{'ratio':>8}"
        print(columns + "   spread of the ratio")
        for name, test, pipeline in WORKLOADS:
            # Unpipelined the kernel dominates and fewer requests are precise enough.
            requests = arguments.requests if pipeline == 1 else arguments.requests * 5
            figures: dict[str, list[float]] = {"redis": [], "chorale": []}
            for _ in range(arguments.rounds):
                for server in (redis, chorale):
                    cost = cpu_per_operation(server, test, pipeline, requests)
                    figures[server.name].append(cost)
            a, b = (statistics.median(figures[name]) for name in ("redis", "chorale"))
            ratios = [y / x for x, y in zip(figures["redis"], figures["chorale"], strict=True)]
            label = f"{name}, pipeline {pipeline}"
            print(f"{label:22}{a:10.3f}{b:12.3f}{b / a:8.2f}   {min(ratios):.2f}-{max(ratios):.2f}")
        for server in (redis, chorale):
            size = bytes_per_idle_connection(server, arguments.connections)
            print(f"idle connection, {server.name}: {size:.0f} bytes")
    finally:
        redis.stop()
        chorale.stop()


if __name__ == "__main__":
    main()
