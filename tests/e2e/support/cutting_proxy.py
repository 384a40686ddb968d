"""A TCP proxy whose connections can be cut, as a network or a load balancer would."""

import asyncio
import contextlib
import ssl

READ_SIZE = 1 << 16


class CuttingProxy:
    """`async with CuttingProxy(address) as proxy:` listens on proxy.port meanwhile.

    With a context its clients speak TLS.
    """

    def __init__(self, target: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        self._target, self._tls = target, tls
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task] = set()
        self._refusing = False
        self.accepted = 0
        self.port = 0

    async def __aenter__(self) -> "CuttingProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._pairs)

    def cut(self) -> None:
        """Ends all connections at once; what is under way in either direction is lost."""
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()

    @contextlib.contextmanager
    def refusing(self):
        """Cuts, and ends new connections as soon as they are made."""
        self._refusing = True
        self.cut()
        try:
            yield
        finally:
            self._refusing = False

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._refusing:
            to_client.transport.abort()
            return
        self.accepted += 1
        server, to_server = await asyncio.open_connection(*self._target)
        pair = (to_client, to_server)
        self._pairs.add(pair)
        tasks = [
            asyncio.ensure_future(_copy(client, to_server)),
            asyncio.ensure_future(_copy(server, to_client)),
        ]
        self._tasks.update(tasks)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._pairs.discard(pair)
            for writer in pair:
                writer.transport.abort()
            for task in tasks:
                task.cancel()
                self._tasks.discard(task)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(READ_SIZE):
            writer.write(data)
            await writer.drain()
