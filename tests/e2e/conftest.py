"""Fixtures that every end-to-end test shares: the servers it talks to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from differential.runner import Pair, running_pair
from support.observe import info_number
from support.prerequisites import program
from support.resp import RespClient
from support.server import Server, binary_under_test, is_redis
from support.waiting import wait_until


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
def keeping_server(server_factory: Callable[..., Server], tmp_path: Path) -> Callable[..., Server]:
    """Starts servers that keep their data, in tmp_path/data unless `dir` says otherwise."""

    def start(appendfsync: str = "always", **options: object) -> Server:
        directory = Path(str(options.setdefault("dir", tmp_path / "data")))
        directory.mkdir(exist_ok=True)
        return server_factory(appendonly="yes", appendfsync=appendfsync, **options)

    return start


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a file; for tests that change nothing but data."""
    server = Server(binary_under_test(), tmp_path_factory.mktemp("shared") / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def connect(shared_server: Server) -> Iterator[Callable[..., RespClient]]:
    """Opens connections to the shared server, emptied before and closed after the test.

    The server has noticed by then that the clients of the test before are gone.
    """
    clients: list[RespClient] = []

    def open_connection(protocol: int = 2, deadline: float = 10.0) -> RespClient:
        clients.append(shared_server.connect(protocol, deadline))
        return clients[-1]

    control = open_connection()
    control.ok("FLUSHALL")
    wait_until(lambda: info_number(control, "clients", "connected_clients") == 1)
    yield open_connection
    for client in clients:
        client.close()


@pytest.fixture
def redis_server(server_factory: Callable[..., Server]) -> Server:
    """A real redis-server, to compare with."""
    return server_factory(program("redis-server"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A real redis-server and the server under test, to be asked the same things."""
    reference, tested = program("redis-server"), binary_under_test()
    directory = tmp_path_factory.mktemp("pair")
    # redis-server looks for blocking commands past their timeout hz times a second.
    prompt = {"hz": 500}
    with running_pair(
        Server(reference, directory / "reference", **prompt),
        Server(tested, directory / "tested", **(prompt if is_redis(tested) else {})),
    ) as running:
        yield running
