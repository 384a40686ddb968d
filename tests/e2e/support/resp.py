"""A synchronous RESP2/RESP3 client that keeps every reply's exact type.

Client libraries turn replies into friendly Python values and so hide what a compatible server must
get right: which kind of null, a simple or a bulk string, an integer or a double, an array, a set
or a push. Here each wire type becomes its own Python type and `==` between two types is False.

    :1          int                $-1   NULL_BULK
    +OK         Simple("OK")       *-1   NULL_ARRAY
    -ERR x      Error("ERR x")     _     NULL
    $1 a        bytes              #t    Boolean(True)
    *2 ...      list               ,1.5  Double("1.5")
    %1 ...      Map                =..   Verbatim("txt", b"...")
    ~2 ...      Set                (12   BigNumber("12")
    >2 ...      Push               |1    read into `attributes`, then the reply itself

A client belongs to one thread at a time. Every read has a deadline; passing it raises
`TimeoutError`, and the end of the connection raises `ConnectionClosed`.
"""

from __future__ import annotations

import collections
import math
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from typing import Any

Address = tuple[str, int] | str
Argument = bytes | str | int | float


class ConnectionClosed(ConnectionError):
    """The server ended the connection."""


class ProtocolError(Exception):
    """The server sent bytes that are no RESP."""


class _Text(bytes):
    """Bytes of one wire type: equal only to the same type."""

    __slots__ = ()

    def __new__(cls, value: bytes | str):
        return super().__new__(cls, value.encode() if isinstance(value, str) else value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and bytes.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self).__name__, bytes(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({bytes(self)!r})"

    @property
    def text(self) -> str:
        return self.decode(errors="backslashreplace")


class Simple(_Text):
    """A simple string such as `+OK`."""

    __slots__ = ()


class Error(_Text):
    """An error reply; the text without the leading `-`."""

    __slots__ = ()

    @property
    def code(self) -> str:
        """The first word, such as `WRONGTYPE`."""
        return self.text.split(" ", 1)[0]


class BigNumber(_Text):
    """A RESP3 big number, as its digits."""

    __slots__ = ()


class Double(_Text):
    """A RESP3 double, as sent; equal to another Double that was sent in the same digits."""

    __slots__ = ()

    def __float__(self) -> float:
        return float(bytes(self))

    def close_to(self, other: float) -> bool:
        mine = float(self)
        return mine == other or math.isclose(mine, other, rel_tol=1e-12)


class Verbatim:
    """A RESP3 verbatim string: three letters of format and the text."""

    __slots__ = ("format", "data")

    def __init__(self, format: str, data: bytes):
        self.format = format
        self.data = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verbatim) and (self.format, self.data) == (
            other.format,
            other.data,
        )

    def __hash__(self) -> int:
        return hash((self.format, self.data))

    def __repr__(self) -> str:
        return f"Verbatim({self.format!r}, {self.data!r})"


class Boolean:
    """A RESP3 boolean; unlike Python's, it never equals an integer."""

    __slots__ = ("value",)

    def __init__(self, value: bool):
        self.value = value

    def __bool__(self) -> bool:
        return self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Boolean) and self.value == other.value

    def __hash__(self) -> int:
        return hash(("Boolean", self.value))

    def __repr__(self) -> str:
        return f"Boolean({self.value})"


class Null:
    """One of the three nulls; each is a single object, so `is` works too."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return self.name


NULL = Null("NULL")
NULL_BULK = Null("NULL_BULK")
NULL_ARRAY = Null("NULL_ARRAY")


class _Sequence(list):
    """A list of one wire type: equal only to the same type."""

    __slots__ = ()
    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and list.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list.__repr__(self)})"


class Set(_Sequence):
    """A RESP3 set, in the order of arrival."""

    __slots__ = ()


class Push(_Sequence):
    """A RESP3 push frame."""

    __slots__ = ()


class Map(_Sequence):
    """A RESP3 map: a list of (key, value) pairs in the order of arrival."""

    __slots__ = ()

    def dict(self) -> dict[Any, Any]:
        return dict(self)

    def get(self, key: Any, default: Any = None) -> Any:
        return next((value for name, value in self if name == key), default)


def encode(*args: Argument) -> bytes:
    """One command as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        if isinstance(arg, bytes):
            data = arg
        elif isinstance(arg, str):
            data = arg.encode()
        elif isinstance(arg, float):
            data = repr(arg).encode()
        else:
            data = b"%d" % arg
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Incomplete(Exception):
    """The buffer ends inside a value."""


def parse(buffer: bytearray, start: int) -> tuple[Any, int]:
    """The value at `start` and the offset behind it; raises Incomplete."""
    end = buffer.find(b"\r\n", start)
    if end < 0:
        raise Incomplete
    kind = buffer[start]
    line = bytes(buffer[start + 1 : end])
    position = end + 2
    if kind == 0x24:  # $
        length = int(line)
        if length < 0:
            return NULL_BULK, position
        return _bytes_at(buffer, position, length), position + length + 2
    if kind == 0x3A:  # :
        return int(line), position
    if kind == 0x2B:  # +
        return Simple(line), position
    if kind == 0x2D:  # -
        return Error(line), position
    if kind == 0x2A:  # *
        length = int(line)
        if length < 0:
            return NULL_ARRAY, position
        return _items(buffer, position, length, list)
    return _parse_resp3(buffer, kind, line, position)


def _parse_resp3(buffer: bytearray, kind: int, line: bytes, position: int) -> tuple[Any, int]:
    match chr(kind):
        case "_":
            return NULL, position
        case "#":
            return Boolean(line == b"t"), position
        case ",":
            return Double(line), position
        case "(":
            return BigNumber(line), position
        case "~":
            return _items(buffer, position, int(line), Set)
        case ">":
            return _items(buffer, position, int(line), Push)
        case "%":
            flat, position = _items(buffer, position, 2 * int(line), list)
            return Map(zip(flat[::2], flat[1::2], strict=True)), position
        case "=":
            data = _bytes_at(buffer, position, int(line))
            return Verbatim(data[:3].decode(), data[4:]), position + int(line) + 2
        case "!":
            return Error(_bytes_at(buffer, position, int(line))), position + int(line) + 2
        case "|":
            _, position = _items(buffer, position, 2 * int(line), list)
            return parse(buffer, position)
    raise ProtocolError(f"no RESP type starts with {chr(kind)!r}: {line[:80]!r}")


def _bytes_at(buffer: bytearray, position: int, length: int) -> bytes:
    end = position + length
    if len(buffer) < end + 2:
        raise Incomplete
    if buffer[end : end + 2] != b"\r\n":
        raise ProtocolError(f"a string of {length} bytes does not end in CR LF")
    return bytes(buffer[position:end])


def _items(buffer: bytearray, position: int, count: int, kind: type) -> tuple[Any, int]:
    items = []
    for _ in range(count):
        item, position = parse(buffer, position)
        items.append(item)
    return kind(items), position


class RespClient:
    """One connection. `address` is (host, port) or the path of a unix socket."""

    def __init__(self, address: Address, *, protocol: int = 2, timeout: float = 10.0):
        self.timeout = timeout
        self.pushes: collections.deque[Push] = collections.deque()
        self._buffer = bytearray()
        self._offset = 0
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if protocol != 2:
            reply = self.command("HELLO", protocol)
            if isinstance(reply, Error):
                raise ProtocolError(f"HELLO {protocol}: {reply.text}")

    def __enter__(self) -> RespClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def abort(self) -> None:
        """Close with a reset, as when a process with unread data is killed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, *args: Argument) -> None:
        """Send one command and wait for nothing."""
        self.send_raw(encode(*args))

    def send_raw(self, data: bytes) -> None:
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data)

    def read(self, timeout: float | None = None) -> Any:
        """The next value on the wire, pushes included."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if self._offset < len(self._buffer):
                try:
                    value, self._offset = parse(self._buffer, self._offset)
                    return value
                except Incomplete:
                    pass
            self._fill(deadline)

    def read_reply(self, timeout: float | None = None) -> Any:
        """The next value that is no push; pushes on the way are kept in `pushes`."""
        while True:
            value = self.read(timeout)
            if not isinstance(value, Push):
                return value
            self.pushes.append(value)

    def read_push(self, timeout: float | None = None) -> Push:
        """The next push: one that was kept, or the next on the wire."""
        if self.pushes:
            return self.pushes.popleft()
        value = self.read(timeout)
        if not isinstance(value, Push):
            raise AssertionError(f"expected a push, got {value!r}")
        return value

    def command(self, *args: Argument, timeout: float | None = None) -> Any:
        """Send one command and return its reply; an error is returned, not raised."""
        self.send(*args)
        return self.read_reply(timeout)

    def ok(self, *args: Argument) -> Any:
        """Like `command`, and fails on an error reply: for the steps that set up a test."""
        reply = self.command(*args)
        if isinstance(reply, Error):
            raise AssertionError(f"{args!r} answered {reply.text!r}")
        return reply

    def pipeline(self, commands: Iterable[Sequence[Argument]]) -> list[Any]:
        """Send all commands in one write and return as many replies."""
        batch = [encode(*command) for command in commands]
        self.send_raw(b"".join(batch))
        return [self.read_reply() for _ in batch]

    def is_quiet(self, seconds: float = 0.1) -> bool:
        """Whether nothing arrives for that long."""
        try:
            value = self.read(seconds)
        except TimeoutError:
            return True
        raise AssertionError(f"expected silence, got {value!r}")

    def is_closed_by_server(self, timeout: float | None = None) -> bool:
        """Whether the server ends the connection before the deadline; drops what it still sends."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        try:
            while True:
                self._buffer.clear()
                self._offset = 0
                self._fill(deadline)
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def _fill(self, deadline: float) -> None:
        if self._offset:
            del self._buffer[: self._offset]
            self._offset = 0
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("no complete reply in time")
        self.socket.settimeout(remaining)
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionClosed("the server closed the connection")
        self._buffer += data
