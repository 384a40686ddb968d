"""The asyncio twin of support.resp.RespClient, for tests that need many connections at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from support.resp import Address, Argument, ConnectionClosed, Incomplete, encode, parse

READ_SIZE = 1 << 18


class AsyncRespClient:
    """One connection, used by one task at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._offset = 0

    @classmethod
    async def connect(cls, address: Address) -> AsyncRespClient:
        if isinstance(address, str):
            return cls(*await asyncio.open_unix_connection(address))
        return cls(*await asyncio.open_connection(*address))

    async def command(self, *args: Argument) -> Any:
        """Sends one command and returns its reply; an error is returned, not raised."""
        self.send(*args)
        return await self.read()

    def send(self, *args: Argument) -> None:
        self._writer.write(encode(*args))

    def send_all(self, commands: Iterable[Sequence[Argument]]) -> None:
        """In one write."""
        self._writer.write(b"".join(encode(*command) for command in commands))

    async def read(self) -> Any:
        """The next value on the wire, pushes included."""
        while True:
            if self._offset < len(self._buffer):
                try:
                    value, self._offset = parse(self._buffer, self._offset)
                    return value
                except Incomplete:
                    pass
            del self._buffer[: self._offset]
            self._offset = 0
            data = await self._reader.read(READ_SIZE)
            if not data:
                raise ConnectionClosed("the server closed the connection")
            self._buffer += data

    def check_open(self) -> None:
        """Raises if the server has ended the connection, and all that it sent was read."""
        if failure := self._reader.exception():
            raise failure
        if self._reader.at_eof():
            raise ConnectionClosed("the server closed the connection")

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
