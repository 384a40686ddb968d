"""What persistence costs: throughput, server CPU, restarts and bytes, beside redis-server.

    python3 bench/persistence.py [--rounds 3] [--seconds 3] [--pin] [--server PATH]

Chorale in memory only, with everysec and with always, and redis-server with an append-only file of
the same kinds, one after the other in every round, each with a fresh directory. chorale-bench
(one thread, 50 connections, 100,000 random keys or members) loads them, for some seconds each, so
that rounds of the journal come and go meanwhile; `received` is CHANNEL.SEND, then CHANNEL.RECEIVE,
and `send` CHANNEL.SEND of --requests messages to channels that nobody reads, the worst case of
native traffic (redis-benchmark). Printed are medians over the rounds:
operations per second, the server's CPU time per operation, and the ratios that matter. Then the
time and the memory of a restart with --keys small keys after a kill (redis-server with its
append-only file as it was written, four commands for each key, and with one that it has just
rewritten), and the bytes that reach the disk when native messages are received within 100 ms.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from servers import CHORALE_SERVER, cpu_seconds, find_tools, free_port

SETTINGS = ("memory", "everysec", "redis everysec", "always", "redis always")
# "send" last: its messages stay, and go on being compacted.
WORKLOADS = ("set", "lpush", "rpop", "zadd", "received", "send")
NATIVE = ("send", "received")
MESSAGE = "x" * 100
LONGEST_START = 120.0


class Server:
    """A server process on a directory, which outlives it."""

    def __init__(self, arguments: argparse.Namespace, setting: str, directory: str) -> None:
        self.port = free_port()
        command = [*self._command(arguments, setting), "--dir", directory]
        command += ["--port", str(self.port), "--bind", "127.0.0.1"]
        began = time.monotonic()
        self.process = subprocess.Popen(
            [*arguments.on_server_cores, *command], cwd=directory, stdout=subprocess.DEVNULL
        )
        while time.monotonic() < began + LONGEST_START:
            try:
                if self.command("PING") == b"+PONG\r\n":
                    self.start_seconds = time.monotonic() - began
                    return
            except OSError:
                pass
            time.sleep(0.002)
        raise TimeoutError(f"{setting} does not answer")

    @staticmethod
    def _command(arguments: argparse.Namespace, setting: str) -> list[str]:
        if setting.startswith("redis"):
            options = ["--save", "", "--auto-aof-rewrite-percentage", "0", "--appendonly", "yes"]
            return [arguments.redis, *options, "--appendfsync", setting.split()[1]]
        persistence = "off" if setting == "memory" else setting
        return [arguments.server, "--persistence", persistence, "--threads", arguments.threads]

    def command(self, line: str) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            client.sendall(f"{line}\r\n".encode())
            return client.recv(4096)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    def memory(self, field: str) -> float:
        """Megabytes of resident memory: VmRSS now, VmHWM at most until now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(field))
        return int(line.split()[1]) / 1024

    def bytes_written(self) -> int:
        """What the process has handed to the kernel for files, which is what the disk gets."""
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=60)


def run_loader(arguments: argparse.Namespace, *command: object) -> str:
    done = subprocess.run(
        [*arguments.on_loader_core, *map(str, command)],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.stdout


def load(arguments: argparse.Namespace, server: Server, workload: str, pipeline: int, n: int):
    """Operations per second, and microseconds of server CPU per operation."""
    if workload == "send":
        return load_unread(arguments, server, pipeline, n)
    command = [CHORALE_SERVER.with_name("chorale-bench"), "--port", server.port, "--workload"]
    command += ["native_general_send_receive" if workload == "received" else workload]
    command += ["--connections", 50, "--pipeline", pipeline, "--seconds", arguments.seconds]
    command += ["--server-pid", server.process.pid, "--json", "-"]
    result = json.loads(run_loader(arguments, *command))
    return result["throughput"], result["server"]["cpu_us_per_operation"]


def load_unread(arguments: argparse.Namespace, server: Server, pipeline: int, n: int):
    server.command("LAYER.SET layer CAPACITY 1000000000")
    before = server.cpu_seconds()
    command = [arguments.benchmark, "-p", server.port, "-n", n, "-r", 100000, "-P", pipeline]
    command += ["--csv", "CHANNEL.SEND", "layer", "channel.__rand_int__", MESSAGE]
    printed = run_loader(arguments, *command)
    rate = float(list(csv.reader(io.StringIO(printed)))[-1][1])
    return rate, (server.cpu_seconds() - before) / n * 1e6


def measure_load(arguments: argparse.Namespace) -> None:
    figures: dict[tuple[str, int, str], list[tuple[float, float]]] = {}
    for _ in range(arguments.rounds):
        for setting in SETTINGS:
            always = setting.endswith("always")
            for pipeline in (1, 16):
                n = arguments.requests // (5 if always else 1)
                if pipeline == 1:
                    n = arguments.requests // 10
                with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
                    server = Server(arguments, setting, directory)
                    for workload in WORKLOADS:
                        if workload in NATIVE and setting.startswith("redis"):
                            continue
                        run = load(arguments, server, workload, pipeline, n)
                        figures.setdefault((workload, pipeline, setting), []).append(run)
                    server.stop()
    print(f"{'':12}" + "".join(f"{setting:>26}" for setting in SETTINGS))
    ratios = []
    for pipeline in (1, 16):
        for workload in WORKLOADS:
            row = f"{workload} P{pipeline}"
            rates = {}
            cells = []
            for setting in SETTINGS:
                runs = figures.get((workload, pipeline, setting))
                if runs is None:
                    cells.append(f"{'-':>26}")
                    continue
                rates[setting] = statistics.median(rate for rate, _ in runs)
                cost = statistics.median(cost for _, cost in runs)
                cells.append(f"{rates[setting]:14,.0f}/s {cost:6.2f} us")
            print(f"{row:12}" + "".join(cells), flush=True)
            for a, b in (
                ("everysec", "memory"),
                ("everysec", "redis everysec"),
                ("always", "redis always"),
            ):
                if a in rates and b in rates:
                    ratios.append((row, f"{a} / {b}", rates[a] / rates[b]))
    print("\nratios of throughput")
    for row, name, ratio in ratios:
        print(f"{row:12}{name:28}{ratio:6.2f}")


def compact(server: Server) -> None:
    """Gives redis-server an append-only file with each key once, the best that it can have."""
    server.command("BGREWRITEAOF")
    deadline = time.monotonic() + 60
    while b"aof_rewrite_in_progress:1" in server.command("INFO persistence"):
        if time.monotonic() > deadline:
            raise TimeoutError("the append-only file is not rewritten")
        time.sleep(0.1)


def measure_restart(arguments: argparse.Namespace) -> None:
    print(f"\na restart with {arguments.keys:,} small keys, after a kill")
    for setting, rewritten in (
        ("everysec", False),
        ("redis everysec", False),
        ("redis everysec", True),
    ):
        times, peaks = [], []
        with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
            server = Server(arguments, setting, directory)
            for _ in range(2):  # each key, nearly
                subprocess.run(
                    [arguments.benchmark, "-p", str(server.port), "-n", str(arguments.keys * 2)]
                    + ["-r", str(arguments.keys), "-P", "64", "-q", "-t", "set"],
                    check=True,
                    stdout=subprocess.DEVNULL,
                    timeout=600,
                )
            if rewritten:
                compact(server)
            time.sleep(2)
            for _ in range(arguments.rounds):
                server.stop(signal.SIGKILL)
                server = Server(arguments, setting, directory)
                times.append(server.start_seconds)
                peaks.append(server.memory("VmHWM") / server.memory("VmRSS"))
            keys = server.command("DBSIZE").decode().strip().lstrip(":")
            rss = server.memory("VmRSS")
            server.stop()
        name = f"{setting}, rewritten" if rewritten else setting
        print(
            f"{name:28}{statistics.median(times):7.3f} s   {keys} keys, {rss:.0f} MB, "
            f"at most {statistics.median(peaks):.2f} times that on the way"
        )


def measure_traffic(arguments: argparse.Namespace) -> None:
    """Messages of 1,000 bytes that wait 50 ms in a channel before they are received."""
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        server = Server(arguments, "everysec", directory)
        time.sleep(1.5)
        before = server.bytes_written()
        sent = 0
        message = "x" * 1000
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            replies = client.makefile("rb")
            end = time.monotonic() + 5
            while time.monotonic() < end:
                for _ in range(50):
                    client.sendall(f"CHANNEL.SEND layer jobs {message}\r\n".encode())
                    assert replies.readline() == b"+OK\r\n"
                    sent += 1
                time.sleep(0.05)
                for _ in range(50):
                    client.sendall(b"CHANNEL.RECEIVE layer jobs\r\n")
                    for _ in range(5):
                        replies.readline()
        time.sleep(1.5)
        written = server.bytes_written() - before
        server.stop()
    share = written / (sent * len(message))
    print(f"\n{sent:,} messages of 1,000 bytes, received within 100 ms: {written:,} bytes written,")
    print(f"{share:.2%} of the messages")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", default="3")
    parser.add_argument("--requests", type=int, default=3_000_000)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--threads", default="2")
    parser.add_argument(
        "--pin",
        action="store_true",
        help="the loader has the first core, and the server all others (taskset)",
    )
    parser.add_argument("--directory", help="where the data directories are made")
    parser.add_argument("--server", default=str(CHORALE_SERVER))
    parser.add_argument("--only", choices=("load", "restart", "traffic"))
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if arguments.pin and len(cores) < 2:
        parser.error("--pin needs two cores")
    arguments.on_loader_core = ["taskset", "-c", str(cores[0])] if arguments.pin else []
    others = ",".join(map(str, cores[1:]))
    arguments.on_server_cores = ["taskset", "-c", others] if arguments.pin else []
    arguments.redis, arguments.benchmark = find_tools("redis-server", "redis-benchmark")
    for name, measure in (
        ("load", measure_load),
        ("restart", measure_restart),
        ("traffic", measure_traffic),
    ):
        if arguments.only in (None, name):
            measure(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
