"""A blocking connection, and the pieces of the protocol that both kinds of connection share."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

import hiredis

from channels_chorale.errors import ConnectionLost, ServerError
from channels_chorale.hosts import Host

# Seconds.
CONNECT_TIMEOUT = 5.0
REPLY_TIMEOUT = 10.0
# How long a broker that is away is waited for, and how long between two attempts.
PATIENCE = 10.0
RETRY_AFTER = 0.1

READ_SIZE = 65536

Word = str | bytes | int

NOT_YET = object()  # from a reader that has no whole reply


def new_reader() -> hiredis.Reader:
    return hiredis.Reader(
        protocolError=hiredis.ProtocolError, replyError=ServerError, notEnoughData=NOT_YET
    )


def hello(host: Host) -> list[Any]:
    """The first command on a connection (https://redis.io/docs/latest/commands/hello/)."""
    words: list[Any] = ["HELLO", 3]
    if host.password is not None:
        words += ["AUTH", host.username or "default", host.password]
    return [*words, "SETNAME", "channels_chorale"]


class Wire:
    """A connection to one broker, made when it is needed. Thread-safe: calls take turns.

    `setup` is a command that is sent on each new connection, after HELLO.
    """

    def __init__(self, host: Host, setup: Sequence[Any] | None = None) -> None:
        self._host, self._setup = host, setup
        self._lock = threading.Lock()
        # Guarded by the lock:
        self._socket: socket.socket | None = None
        self._reader = new_reader()
        self._process = os.getpid()

    def execute(
        self, words: Sequence[Any], *, again: bool = False, patience: float | None = None
    ) -> Any:
        """Sends a command and returns its reply.

        Waits `patience` seconds (by default PATIENCE) for a broker that is away. With `again`, a
        command whose reply was lost is repeated. Raises ServerError and ConnectionLost.
        """
        deadline = time.monotonic() + (PATIENCE if patience is None else patience)
        with self._lock:
            while True:
                self._connect_until(deadline)
                try:
                    return self._ask(words)
                except ConnectionLost:
                    if not again or time.monotonic() >= deadline:
                        raise

    def close(self) -> None:
        """Ends the connection; the next command makes another."""
        with self._lock:
            self._close()

    def _connect_until(self, deadline: float) -> None:
        if self._process != os.getpid():
            self._socket = None  # the parent's
            self._process = os.getpid()
        if self._socket is not None and not self._is_silent():
            self._close()
        while self._socket is None:
            try:
                self._connect()
            except ServerError:  # such as a wrong password: to wait will not help
                self._close()
                raise
            except OSError as error:
                self._close()
                if time.monotonic() >= deadline:
                    raise ConnectionLost(
                        f"the broker {self._host.name} is away: {error}"
                    ) from error
                time.sleep(RETRY_AFTER)

    def _is_silent(self) -> bool:
        """Nothing was asked: whatever there is to read is the end of the connection."""
        assert self._socket is not None
        readable = select.poll()
        readable.register(self._socket, select.POLLIN)
        return not readable.poll(0)

    def _connect(self) -> None:
        self._reader = new_reader()
        host = self._host
        if host.path:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(CONNECT_TIMEOUT)
            self._socket.connect(host.path)
        else:
            self._socket = socket.create_connection((host.host, host.port), CONNECT_TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if host.tls is not None:
                self._socket = host.tls.wrap_socket(self._socket, server_hostname=host.host)
        self._socket.settimeout(REPLY_TIMEOUT)
        self._ask(hello(host))
        if self._setup is not None:
            self._ask(self._setup)

    def _ask(self, words: Sequence[Any]) -> Any:
        assert self._socket is not None
        try:
            self._socket.sendall(hiredis.pack_command(tuple(words)))
            while (reply := self._reader.gets()) is NOT_YET:
                data = self._socket.recv(READ_SIZE)
                if not data:
                    raise ConnectionLost(f"lost {self._host.name}: closed")
                self._reader.feed(data)
        except ConnectionLost:
            self._close()
            raise
        except (OSError, hiredis.ProtocolError) as error:
            self._close()
            raise ConnectionLost(f"lost {self._host.name}: {error}") from error
        except BaseException:  # such as KeyboardInterrupt: the reply would be the next command's
            self._close()
            raise
        if isinstance(reply, ServerError):
            raise reply
        return reply

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
