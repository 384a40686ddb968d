"""Runs an example the way its README says, and stops it with Ctrl-C."""

import os
import signal
import subprocess
from pathlib import Path

from support.server import REPOSITORY, free_port
from support.waiting import scaled, wait_until

EXAMPLES = REPOSITORY / "clients" / "examples"

# The first start installs the example's packages.
START_DEADLINE = 240.0
STOP_DEADLINE = 20.0


def _heed_ctrl_c() -> None:
    """As under a terminal: a shell ignores SIGINT for the tests it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Example:
    """`with Example("django_chat", url, directory) as example:` serves on two example.ports."""

    def __init__(self, name: str, url: str, directory: Path) -> None:
        self.ports = [free_port(), free_port()]
        self._log = directory / f"{name}.log"
        ports = [str(port) for port in self.ports]
        self._command = [EXAMPLES / name / "run", "--url", url, "--ports", *ports]

    def __enter__(self) -> "Example":
        with open(self._log, "wb") as log:
            # A process group of its own: a terminal's Ctrl-C reaches every process of it.
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_heed_ctrl_c,
            )
        wait_until(self._started, START_DEADLINE, "both server processes listen")
        return self

    def _started(self) -> bool:
        assert self._process.poll() is None, self.log
        return "Ctrl-C stops" in self.log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def __exit__(self, *_: object) -> None:
        group = self._process.pid
        os.killpg(group, signal.SIGINT)
        try:
            code = self._process.wait(scaled(STOP_DEADLINE))
        except subprocess.TimeoutExpired:
            os.killpg(group, signal.SIGKILL)
            self._process.wait()
            raise
        assert code == 0, self.log
        assert "Traceback" not in self.log, self.log
