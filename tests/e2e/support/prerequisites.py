"""Programs that a test needs beside the server under test."""

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Ends the test: skipped on a developer's machine, failed where everything must run (CI)."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not installed, and CI is set: no test may be left out")
    pytest.skip(f"{what} is not installed")


def program(name: str) -> str:
    """The program's path."""
    return shutil.which(name) or lacking(name)
