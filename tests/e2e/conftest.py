"""Fixtures that every end-to-end test shares: the servers it talks to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.server import Server, binary_under_test, is_redis, redis_binary


def pytest_configure() -> None:
    if not Path(binary_under_test()).exists():
        raise pytest.UsageError(f"{binary_under_test()} is not built; set CHORALE_SERVER")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not is_redis(binary_under_test()):
        return
    skip = pytest.mark.skip(reason="only Chorale does this")
    for item in items:
        if item.get_closest_marker("chorale_only"):
            item.add_marker(skip)


@pytest.fixture
def server_factory(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers with the given options; stops and judges each one after the test."""
    servers: list[Server] = []

    def start(binary: str | None = None, **options: object) -> Server:
        directory = tmp_path / f"server{len(servers)}"
        server = Server(binary or binary_under_test(), directory, **options)
        servers.append(server)
        return server.start()

    yield start
    failures = []
    for server in servers:
        try:
            server.stop()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


@pytest.fixture
def server(server_factory: Callable[..., Server]) -> Server:
    """A server with default options."""
    return server_factory()


@pytest.fixture
def redis_server(server_factory: Callable[..., Server]) -> Server:
    """A real redis-server, to compare with."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("redis-server is not installed")
    return server_factory(binary)
