"""Called by `run`. Starts the Flask-SocketIO chat: two processes on one broker."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from launcher import main  # noqa: E402


def flask(programs: Path, port: int) -> list[str]:
    return [str(programs / "python"), "app.py", str(port)]


main("Flask-SocketIO chat on two server processes", FOLDER, flask, [5001, 5002])
