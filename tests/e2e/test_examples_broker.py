"""An example's launcher where no broker runs: the scripts that build one are stand-ins."""

import shutil
import subprocess
import sys

import pytest

from support.examples import EXAMPLES
from support.resp import RespClient
from support.server import binary_under_test, free_port
from support.waiting import scaled

pytestmark = pytest.mark.chorale_only

PROGRAM = """
import sys
import launcher
with launcher.ending_on_ctrl_c(), launcher.broker(sys.argv[1]):
    print("there", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def clone(tmp_path):
    """As much of the repository as the launcher needs."""
    examples = tmp_path / "clients" / "examples"
    binary = tmp_path / "build" / "release" / "bin" / "chorale-server"
    for folder in (examples, binary.parent, tmp_path / "broker"):
        folder.mkdir(parents=True)
    shutil.copy(EXAMPLES / "launcher.py", examples)
    binary.symlink_to(shutil.which(binary_under_test()))
    for script in ("install-packages", "build"):
        path = tmp_path / "broker" / script
        path.write_text(f'#!/bin/bash\necho "{script} $*"\n')
        path.chmod(0o755)
    return tmp_path


def launch(clone, url):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url],
        cwd=clone / "clients" / "examples",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_builds_and_starts_one_which_ends_with_it(clone):
    port = free_port()
    with launch(clone, f"redis://127.0.0.1:{port}") as program:
        lines = [program.stdout.readline().strip() for _ in range(4)]
        assert lines[1:] == ["install-packages build", "build release chorale-server", "there"]
        with RespClient(("127.0.0.1", port)) as client:
            client.ok("PING")
        program.communicate(timeout=scaled(20))
        assert program.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        RespClient(("127.0.0.1", port))


def test_it_uses_the_one_that_is_there(clone, server):
    with launch(clone, server.url()) as program:
        output, _ = program.communicate(timeout=scaled(20))
    assert output == "there\n"
    assert server.running()


def test_one_that_it_cannot_start_is_asked_for(clone):
    url = f"unix://{clone}/no.sock"
    with launch(clone, url) as program:
        output, _ = program.communicate(timeout=scaled(20))
        assert program.returncode == 1
    assert output.startswith(f"No broker at {url} (")
    assert "broker/run" in output
