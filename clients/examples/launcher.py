"""What the examples' `start.py` share: options, the broker, packages, processes that end together.

The packages go into a virtual environment inside the example's folder, which is built again only
when what it needs changes.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BROKER = REPOSITORY / "build" / "release" / "bin" / "chorale-server"
DEFAULT_URL = "redis://127.0.0.1:6379"
LAYERS = ("chorale", "redis")
START_SECONDS = 30
STOP_SECONDS = 10


def main(
    title: str,
    folder: Path,
    command: Callable[[Path, int], list[str]],
    ports: list[int],
    choose_layer: bool = False,
) -> None:
    """Runs two server processes until Ctrl-C. `command(bin, port)` is the command line of one;
    `bin` is where the programs are. Its environment holds SERVER_NAME too."""
    parser = options(title, choose_layer)
    parser.add_argument("--ports", type=int, nargs=2, default=ports, metavar="PORT")
    arguments = parser.parse_args()
    with ending_on_ctrl_c(), broker(arguments.url):
        programs = install(folder)
        processes: list[subprocess.Popen] = []
        try:
            for name, port in zip("AB", arguments.ports, strict=True):
                variables = environment(arguments) | {"SERVER_NAME": name}
                line = command(programs, port)
                processes.append(subprocess.Popen(line, cwd=folder, env=variables))
            for name, port in zip("AB", arguments.ports, strict=True):
                _wait_for(port, processes)
                print(f"  server {name}: http://127.0.0.1:{port}/", flush=True)
            print("Open both, chat between them; Ctrl-C stops.", flush=True)
            while all(process.poll() is None for process in processes):
                time.sleep(0.2)
            sys.exit("A server process ended; stopping the other one.")
        finally:
            stop(processes)


def options(title: str, choose_layer: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument(
        "--url",
        default=os.environ.get("REDIS_URL", DEFAULT_URL),
        help=f"the broker; default: REDIS_URL, or else {DEFAULT_URL}",
    )
    if choose_layer:
        parser.add_argument(
            "--layer",
            choices=LAYERS,
            default=os.environ.get("CHANNEL_LAYER", LAYERS[0]),
            help=f"channels_chorale or channels_redis; default: CHANNEL_LAYER, or else {LAYERS[0]}",
        )
    return parser


def environment(arguments: argparse.Namespace) -> dict[str, str]:
    """That of a process that reads its settings from REDIS_URL and CHANNEL_LAYER."""
    variables = os.environ | {"REDIS_URL": arguments.url}
    if "layer" in arguments:
        variables["CHANNEL_LAYER"] = arguments.layer
    return variables


@contextlib.contextmanager
def ending_on_ctrl_c() -> Iterator[None]:
    """Ctrl-C and SIGTERM leave the body, and are no error."""

    def interrupt(*_: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        print("Stopping.", flush=True)
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM)
    for each in signals:
        signal.signal(each, interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        yield


# ---- the broker ----


@contextlib.contextmanager
def broker(url: str) -> Iterator[None]:
    """The broker at that URL; if there is none on this machine, one of this clone until the end."""
    absence = _absence(url)
    if absence is None:
        yield
        return
    address = urllib.parse.urlsplit(url)
    if address.hostname not in ("127.0.0.1", "localhost") or address.password:
        sys.exit(f"No broker at {url} ({absence}). Start one first: broker/run")
    print(f"No broker at {url}: building and starting one.", flush=True)
    for step in (["install-packages", "build"], ["build", "release", "chorale-server"]):
        subprocess.run([REPOSITORY / "broker" / step[0], *step[1:]], check=True)
    line = [BROKER, "--port", str(address.port or 6379), "--loglevel", "warning"]
    # A process group of its own: Ctrl-C is for the others first.
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, process_group=0)
    try:
        deadline = time.monotonic() + START_SECONDS
        while _absence(url) is not None:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("The broker does not start; see its message above.")
            time.sleep(0.1)
        yield
    finally:
        stop([process])


def _absence(url: str) -> OSError | None:
    """Why nothing can be reached at that URL, if so."""
    address = urllib.parse.urlsplit(url)
    try:
        if address.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(address.path)
        else:
            endpoint = (address.hostname or "127.0.0.1", address.port or 6379)
            socket.create_connection(endpoint, 3).close()
    except OSError as error:
        return error
    return None


# ---- the packages ----


def install(folder: Path) -> Path:
    """Where the programs of the example's virtual environment are, which is made if need be."""
    directory = folder / ".venv"
    stamp = directory / "requirements.txt"
    needed = _needed(folder)
    if not stamp.exists() or stamp.read_text() != needed:
        print("Installing the example's packages into .venv ...", flush=True)
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=False)
        if made.returncode != 0:
            sys.exit("Cannot make a virtual environment. On Debian: apt-get install python3-venv")
        subprocess.run(
            [directory / "bin" / "pip", "install", "-q", "--disable-pip-version-check"]
            + ["-r", "requirements.txt"],
            cwd=folder,
            check=True,
        )
        stamp.write_text(needed)
    return directory / "bin"


def _needed(folder: Path) -> str:
    """The example's requirements, and what the packages of this clone among them need in turn."""
    needed = (folder / "requirements.txt").read_text()
    for line in needed.splitlines():
        if line.startswith("-e "):
            needed += (folder / line.removeprefix("-e ") / "pyproject.toml").read_text()
    return needed


# ---- processes ----


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


def stop(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
