"""The examples' `run` where nothing is installed: apt is a stand-in that takes notes."""

import os
import subprocess

import pytest

from support.examples import EXAMPLES
from support.waiting import scaled

# What dpkg-query says of every package, and programs that note how they were called.
STAND_INS = {
    "dpkg-query": "exit 1",
    "sudo": 'exec "$@"',
    "apt-get": 'echo "apt-get $*" >>"$NOTES"',
    "python3": 'echo "python3 $*" >>"$NOTES"',
}


@pytest.mark.chorale_only
@pytest.mark.parametrize(
    ("example", "options"),
    [
        ("django_chat", ["--layer", "redis", "--ports", "1", "2"]),
        ("django_worker", ["--layer", "redis", "--jobs", "1"]),
        ("flask_chat", ["--ports", "1", "2"]),
    ],
)
def test_one_command_installs_what_an_example_needs_and_starts_it(tmp_path, example, options):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (programs / name).chmod(0o755)
    notes = tmp_path / "notes"
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "NOTES": str(notes)}
    subprocess.run(
        [EXAMPLES / example / "run", *options],
        env=environment,
        check=True,
        timeout=scaled(30),
        stdout=subprocess.DEVNULL,
    )
    *installed, started = notes.read_text().splitlines()
    assert installed[-1].endswith(" python3 python3-venv ca-certificates")
    assert started == " ".join(["python3", str(EXAMPLES / example / "start.py"), *options])
