"""Virtual environments with other versions of a client, built once per requirements file."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from support.server import REPOSITORY


def python_with(requirements: Path) -> Path:
    """The interpreter of the environment that has these requirements; builds it if need be.

    It lives in build/venv-NAME, where NAME is the part of the file's name behind `requirements-`,
    and is rebuilt when the requirements or this interpreter change.
    """
    directory = REPOSITORY / "build" / f"venv-{requirements.stem.removeprefix('requirements-')}"
    python = directory / "bin" / "python"
    stamp = directory / "stamp"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    venv.create(directory, clear=True, with_pip=True)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        + ["-r", requirements],
        check=True,
    )
    stamp.write_text(wanted)
    return python
