"""The core layer's tests once more, with older redis-py versions: they speak RESP2."""

import subprocess
from pathlib import Path

import pytest

from support.server import binary_under_test
from support.venvs import python_with

HERE = Path(__file__).parent
SUITES = [
    "test_channels_redis_core.py",
    "test_channels_redis_cancellation.py",
    "test_layer_behaviour.py",
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", [5, 7])
def test_the_core_layer_works_with_redis_py(version):
    python = python_with(HERE / f"requirements-redis{version}.txt")
    installed = subprocess.check_output(
        [python, "-c", "import redis; print(redis.__version__)"], text=True
    )
    assert installed.startswith(f"{version}.")
    suite = subprocess.run(
        [python, "-m", "pytest", "-q", "-m", "not slow", "-k", "not core-on-redis", *SUITES],
        cwd=HERE,
        check=False,
        capture_output=True,
        text=True,
    )
    assert suite.returncode == 0, f"{binary_under_test()}:\n{suite.stdout}{suite.stderr}"
    assert " passed" in suite.stdout
