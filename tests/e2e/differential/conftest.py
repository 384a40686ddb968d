"""The two servers that every differential test of this folder talks to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import Server, binary_under_test, is_redis, redis_binary

from .runner import Pair


@pytest.fixture(scope="package")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    reference = redis_binary()
    if reference is None:
        pytest.skip("redis-server is not installed")
    directory: Path = tmp_path_factory.mktemp("differential")
    # redis-server looks for expired blocking commands hz times a second.
    prompt = {"hz": 500}
    tested = binary_under_test()
    servers = [
        Server(reference, directory / "reference", **prompt),
        Server(tested, directory / "tested", **(prompt if is_redis(tested) else {})),
    ]
    try:
        for server in servers:
            server.start()
        running = Pair(*servers)
        yield running
        running.close()
    finally:
        for server in servers:
            if server.process:
                server.stop()
