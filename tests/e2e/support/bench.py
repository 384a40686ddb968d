"""chorale-bench as a subprocess."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from support.server import REPOSITORY, Server, binary_under_test, is_redis
from support.waiting import scaled

# Long enough for something to happen, however busy the machine is.
SHORT = 0.1


def program() -> str:
    """Of the same build as the server, if that is Chorale."""
    binary = Path(binary_under_test())
    if is_redis(str(binary)):
        return str(REPOSITORY / "build/release/bin/chorale-bench")
    return str(binary.resolve().parent / "chorale-bench")


def command(server: Server, workload: str, **options: object) -> list[str]:
    """Options are spelt as keyword arguments: value_size=10."""
    line = [program(), "--workload", workload, "--port", str(server.port)]
    for name, value in ({"seconds": SHORT, "warmup": 0} | options).items():
        line += ["--" + name.replace("_", "-"), str(value)]
    return line


def run_to_exit(*arguments: str) -> tuple[int, str, str]:
    """Returns code, stdout, stderr."""
    done = subprocess.run(
        [program(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=scaled(60),
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def bench(server: Server, workload: str, **options: object) -> dict[str, Any]:
    """Runs it to a good end. Returns its JSON."""
    line = command(server, workload, json="-", **options)
    code, out, errors = run_to_exit(*line[1:])
    assert code == 0, errors
    assert not errors
    return json.loads(out)
