"""A proxy that hands the server's replies on in crumbs.

A reader behind it sees a reply arrive over many turns of its event loop, so that a cancellation
can hit the middle of any reply. What the reader sends passes unchanged.
"""

import asyncio
import random

from support.layers import loop_turns

READ_SIZE = 1 << 16


class Chopper:
    """`async with Chopper(address, rng) as chopper:` listens on chopper.port meanwhile."""

    def __init__(self, target: tuple[str, int], rng: random.Random) -> None:
        self._target = target
        self._rng = rng
        self._tasks: set[asyncio.Task] = set()
        self.port = 0

    async def __aenter__(self) -> "Chopper":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(*self._target)
        task = asyncio.ensure_future(self._chop(server, to_client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while data := await client.read(READ_SIZE):
                to_server.write(data)
        except ConnectionError:
            pass
        finally:
            to_server.close()
            task.cancel()

    async def _chop(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            while data := await server.read(READ_SIZE):
                start = 0
                while start < len(data):
                    end = start + self._rng.randint(1, 12)
                    to_client.write(data[start:end])
                    start = end
                    await loop_turns(self._rng.randint(0, 3))
        except ConnectionError:
            pass
        finally:
            to_client.close()
