"""Called by `run`. Starts the Django Channels chat: two daphne processes on one broker."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from launcher import main  # noqa: E402


def daphne(programs: Path, port: int) -> list[str]:
    # Keeps Ctrl-C quick while browsers are connected.
    options = ["-b", "127.0.0.1", "-p", str(port), "-v", "0", "--application-close-timeout", "2"]
    return [str(programs / "daphne"), *options, "chat.asgi:application"]


main(
    "Django Channels chat on two server processes", FOLDER, daphne, [8001, 8002], choose_layer=True
)
