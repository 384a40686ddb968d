"""Starts one example as two server processes and stops them together.

Each example's `start.py` calls main(). The packages go into a virtual environment inside the
example's folder, which is built again only when requirements.txt changes.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

DEFAULT_URL = "redis://127.0.0.1:6379"
START_SECONDS = 30
STOP_SECONDS = 10


def main(title: str, folder: Path, command: Callable[[Path, int], list[str]], ports: list[int]):
    """Runs until Ctrl-C. `command(bin, port)` is the command line of one server process, whose
    environment holds REDIS_URL and SERVER_NAME; `bin` is where the environment's programs are."""
    arguments = _arguments(title, ports)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _require_broker(arguments.url)
    programs = _environment(folder)
    processes = []
    try:
        for name, port in zip("AB", arguments.ports, strict=True):
            environment = os.environ | {"REDIS_URL": arguments.url, "SERVER_NAME": name}
            processes.append(subprocess.Popen(command(programs, port), cwd=folder, env=environment))
        for name, port in zip("AB", arguments.ports, strict=True):
            _wait_for(port, processes)
            print(f"  server {name}: http://127.0.0.1:{port}/", flush=True)
        print("Open both, chat between them; Ctrl-C stops.", flush=True)
        while all(process.poll() is None for process in processes):
            time.sleep(0.2)
        sys.exit("A server process ended; stopping the other one.")
    except KeyboardInterrupt:
        print("Stopping.", flush=True)
    finally:
        _stop(processes)


def _arguments(title: str, ports: list[int]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument(
        "--url",
        default=os.environ.get("REDIS_URL", DEFAULT_URL),
        help=f"the broker; default: REDIS_URL, or else {DEFAULT_URL}",
    )
    parser.add_argument("--ports", type=int, nargs=2, default=ports, metavar="PORT")
    return parser.parse_args()


def _require_broker(url: str) -> None:
    address = urllib.parse.urlsplit(url)
    try:
        if address.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(address.path)
        else:
            endpoint = (address.hostname or "127.0.0.1", address.port or 6379)
            socket.create_connection(endpoint, 3).close()
    except OSError as error:
        sys.exit(f"No broker at {url} ({error}). Start one first: broker/run")


def _environment(folder: Path) -> Path:
    directory = folder / ".venv"
    requirements = folder / "requirements.txt"
    stamp = directory / "requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != requirements.read_bytes():
        print("Installing the example's packages into .venv ...", flush=True)
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=False)
        if made.returncode != 0:
            sys.exit("Cannot make a virtual environment. On Debian: apt-get install python3-venv")
        subprocess.run(
            [directory / "bin" / "pip", "install", "-q", "--disable-pip-version-check"]
            + ["-r", requirements],
            check=True,
        )
        stamp.write_bytes(requirements.read_bytes())
    return directory / "bin"


def _wait_for(port: int, processes: list[subprocess.Popen]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if any(process.poll() is not None for process in processes):
            sys.exit("A server process ended at once; see its message above.")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                sys.exit(f"Nothing listens on port {port} after {START_SECONDS} s.")
            time.sleep(0.1)


def _stop(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
