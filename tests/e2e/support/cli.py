"""redis-cli and redis-benchmark as subprocesses."""

import subprocess

from support.prerequisites import program
from support.server import Server
from support.waiting import scaled


def command(server: Server, name: str, *arguments: str) -> list[str]:
    line = [program(name), "-h", "127.0.0.1", "-p", str(server.port)]
    if server.password:
        line += ["-a", str(server.password), "--no-auth-warning"]
    return line + list(arguments)


def run(server: Server, name: str, *arguments: str, stdin: str = "", deadline: float = 60) -> str:
    """Runs to the end, which must be a good one. Returns what it printed, errors included."""
    done = subprocess.run(
        command(server, name, *arguments),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=scaled(deadline),
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def cli(server: Server, *arguments: str, stdin: str = "") -> str:
    return run(server, "redis-cli", *arguments, stdin=stdin)
