"""A server process for one test: Chorale, or redis-server to compare with.

CHORALE_SERVER names the binary under test (default: build/release/bin/chorale-server); it may be
a redis-server, against which everything but the tests marked chorale_only holds as well.
"""

import os
import random
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.resp import Error, RespClient, Simple
from support.waiting import scaled, wait_until

REPOSITORY = Path(__file__).resolve().parents[3]
START_DEADLINE = 20.0
STOP_DEADLINE = 20.0
SANITIZER_REPORTS = ("Sanitizer", "runtime error:")

# Connections of one test must meet across threads, whatever the number of cores.
THREADS = 4

# Below the kernel's ephemeral range, so that no outgoing connection can take a port first.
PORTS = range(20000, 32000)


def binary_under_test() -> str:
    default = REPOSITORY / "build/release/bin/chorale-server"
    return os.environ.get("CHORALE_SERVER", str(default))


def is_redis(binary: str) -> bool:
    return Path(binary).name.startswith("redis")


def free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            # As servers do; otherwise connections in TIME_WAIT would make a port look taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def command_line(binary: str, options: dict[str, object]) -> list[str]:
    """Options are spelt as keyword arguments: enable_debug_command="yes"."""
    line = [binary]
    for name, value in options.items():
        line += ["--" + name.replace("_", "-"), str(value)]
    return line


class Server:
    """Started by start(), stopped and judged by stop(). Owned by the test's thread."""

    def __init__(self, binary: str, directory: Path, **options: object) -> None:
        self.binary = binary
        self.directory = directory
        self.port = int(options.setdefault("port", free_port()))
        options.setdefault("bind", "127.0.0.1")
        if is_redis(binary):
            options.pop("threads", None)
            options.setdefault("save", "")
        else:
            options.setdefault("threads", THREADS)
        self.password = options.get("requirepass")
        self.unixsocket = options.get("unixsocket")
        self.options = options
        self.process: subprocess.Popen | None = None

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    @property
    def is_redis(self) -> bool:
        return is_redis(self.binary)

    @property
    def stderr(self) -> str:
        return (self.directory / "stderr").read_text(errors="replace")

    @property
    def output(self) -> str:
        return (self.directory / "stdout").read_text(errors="replace") + self.stderr

    def url(self, database: int = 0) -> str:
        password = f":{self.password}@" if self.password else ""
        return f"redis://{password}127.0.0.1:{self.port}/{database}"

    def start(self) -> "Server":
        self.launch()
        wait_until(self._ready, START_DEADLINE, f"{self.binary} answers PING")
        return self

    def launch(self) -> None:
        """Starts it and waits for nothing."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (
            open(self.directory / "stdout", "wb") as stdout,
            open(self.directory / "stderr", "wb") as stderr,
        ):
            self.process = subprocess.Popen(
                command_line(self.binary, self.options),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    def _ready(self) -> bool:
        assert self.process
        if self.process.poll() is not None:
            raise AssertionError(f"exited with {self.process.returncode}:\n{self.output}")
        try:
            with RespClient(self.address) as client:
                reply = client.command("PING")
        except OSError:
            return False
        return reply == Simple("PONG") or (isinstance(reply, Error) and reply.code == "NOAUTH")

    def connect(self, protocol: int = 2, deadline: float = 10.0) -> RespClient:
        """A client that the server has accepted by the time of return."""
        client = RespClient(self.address, timeout=scaled(deadline))
        if self.password:
            client.ok("AUTH", str(self.password))
        client.ok("PING")
        if protocol != 2:
            client.ok("HELLO", protocol)
        return client

    def descriptors(self) -> int:
        """File descriptors that the process holds open now."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def peak_memory(self) -> int:
        """Bytes that were resident at most so far."""
        with open(f"/proc/{self.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10

    def restart(self, number: int = signal.SIGTERM) -> None:
        """Ends it with that signal and starts it again with the same options."""
        if number == signal.SIGKILL:
            self.kill()
            self.assert_no_sanitizer_report()
        else:
            self.stop()
        self.start()

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int = signal.SIGTERM) -> None:
        assert self.process
        self.process.send_signal(number)

    def wait(self, deadline: float = STOP_DEADLINE) -> int:
        assert self.process
        return self.process.wait(scaled(deadline))

    def assert_no_sanitizer_report(self) -> None:
        text = self.stderr
        assert not any(mark in text for mark in SANITIZER_REPORTS), text

    def stop(self) -> None:
        """Asks it to end (unless it has ended) and checks that it ended well."""
        assert self.process
        if self.process.poll() is None:
            self.signal()
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop on SIGTERM:\n{self.output}") from None
        self.assert_no_sanitizer_report()
        assert code == 0, f"exit code {code}:\n{self.output}"

    def kill(self) -> None:
        assert self.process
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def run_to_exit(binary: str, arguments: Sequence[str], directory: Path) -> tuple[int, str, str]:
    """Runs a server that is expected to refuse to start. Returns code, stdout, stderr."""
    done = subprocess.run(
        [binary, *arguments],
        check=False,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=scaled(START_DEADLINE),
    )
    return done.returncode, done.stdout, done.stderr
