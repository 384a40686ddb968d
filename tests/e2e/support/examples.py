"""Runs an example the way its README says, and stops it with Ctrl-C."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from support.server import REPOSITORY, free_port
from support.waiting import scaled, wait_until

EXAMPLES = REPOSITORY / "clients" / "examples"

# Of the examples that can be run on either.
LAYERS = [pytest.param("chorale", marks=pytest.mark.chorale_only), "redis"]

# The first start installs the example's packages.
START_DEADLINE = 240.0
STOP_DEADLINE = 20.0


def _heed_ctrl_c() -> None:
    """As under a terminal: a shell ignores SIGINT for the tests it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """The `run` command of an example with options. stop() if it has not ended by itself."""

    def __init__(self, name: str, url: str, directory: Path, *options: str) -> None:
        self._log = directory / f"{name}.log"
        with open(self._log, "wb") as log:
            # A process group of its own: a terminal's Ctrl-C reaches every process of it.
            self._process = subprocess.Popen(
                [EXAMPLES / name / "run", "--url", url, *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_heed_ctrl_c,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, text: str) -> None:
        """Until that is in the log."""

        def there() -> bool:
            running = self.running
            if text in self.log:
                return True
            assert running, self.log
            return False

        try:
            wait_until(there, START_DEADLINE, f"{text!r} in the log")
        except BaseException:
            self._kill()
            raise

    def stop(self) -> None:
        """Ctrl-C, which it must heed."""
        os.killpg(self._process.pid, signal.SIGINT)
        self.end(STOP_DEADLINE)

    def end(self, deadline: float = START_DEADLINE) -> None:
        """Waits for its end, and checks that it has ended well."""
        try:
            code = self._process.wait(scaled(deadline))
        except BaseException:
            self._kill()
            raise
        assert code == 0, self.log
        assert "Traceback" not in self.log, self.log

    def _kill(self) -> None:
        """SIGTERM first: some examples have processes outside of the group."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.running:
                os.killpg(self._process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_DEADLINE)


class Example:
    """`with Example("django_chat", url, directory) as example:` serves on two example.ports."""

    def __init__(self, name: str, url: str, directory: Path, *options: str) -> None:
        self.ports = [free_port(), free_port()]
        ports = [str(port) for port in self.ports]
        self._arguments = (name, url, directory, "--ports", *ports, *options)

    def __enter__(self) -> "Example":
        self._program = Program(*self._arguments)
        self._program.wait_for("Ctrl-C stops")
        return self

    @property
    def log(self) -> str:
        return self._program.log

    def __exit__(self, *_: object) -> None:
        self._program.stop()
