"""A blocking connection, and the pieces of the protocol that both kinds of connection share."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

import hiredis

from channels_chorale.errors import (
    REFUSALS,
    BrokerAway,
    ConnectionLost,
    ServerError,
    explained,
)
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
        _wires.add(self)

    def execute(
        self, words: Sequence[Any], *, repeatable: bool = False, patience: float | None = None
    ) -> Any:
        """Sends a command and returns its reply.

        Waits `patience` seconds (by default PATIENCE) for a broker that is away or a connection
        that others use. A `repeatable` command is sent again when its reply was lost. Raises
        ServerError and ConnectionLost.
        """
        deadline = time.monotonic() + (PATIENCE if patience is None else patience)
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise BrokerAway(f"the connection to {self._host.name} is busy")
        try:
            while True:
                connected = self._connect_until(deadline)
                try:
                    return self._ask(connected, words)
                except ConnectionLost:
                    if not repeatable or time.monotonic() >= deadline:
                        raise
        finally:
            self._lock.release()

    def close(self) -> None:
        """Ends the connection; the next command makes another."""
        with self._lock:
            self._close()

    def start_in_child(self) -> None:
        """In a process that was forked: the connection is the parent's, and ends with it."""
        if self._socket is not None:
            close_in_child(self._socket.fileno())
        self._lock = threading.Lock()  # another thread may have had it
        self._socket = None

    def _connect_until(self, deadline: float) -> socket.socket:
        if self._socket is not None and not _is_silent(self._socket):
            self._close()
        while self._socket is None:
            try:
                self._connect(max(0.1, deadline - time.monotonic()))
            except ServerError as error:
                if error.code in REFUSALS or time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_AFTER)
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise BrokerAway(f"the broker {self._host.name} is away: {error}") from error
                time.sleep(RETRY_AFTER)
        return self._socket

    def _connect(self, patience: float) -> None:
        self._reader = new_reader()
        made = _open(self._host, min(CONNECT_TIMEOUT, patience))
        try:
            self._ask(made, hello(self._host))
            if self._setup is not None:
                try:
                    self._ask(made, self._setup)
                except ServerError as error:
                    raise explained(error, self._host.name) from error
            made.settimeout(REPLY_TIMEOUT)
        except BaseException:
            made.close()
            raise
        self._socket = made

    def _ask(self, connected: socket.socket, words: Sequence[Any]) -> Any:
        try:
            connected.sendall(hiredis.pack_command(tuple(words)))
            while (reply := self._reader.gets()) is NOT_YET:
                data = connected.recv(READ_SIZE)
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


def _open(host: Host, timeout: float) -> socket.socket:
    if host.path:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(timeout)
        try:
            made.connect(host.path)
        except BaseException:
            made.close()
            raise
        return made
    made = socket.create_connection((host.host, host.port), timeout)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if host.tls is not None:
            return host.tls.wrap_socket(made, server_hostname=host.host)
    except BaseException:
        made.close()
        raise
    return made


def _is_silent(connected: socket.socket) -> bool:
    """Nothing was asked: whatever there is to read is the end of the connection."""
    if not hasattr(select, "poll"):  # on Windows
        return not select.select([connected], [], [], 0)[0]
    readable = select.poll()
    readable.register(connected, select.POLLIN)
    return not readable.poll(0)


def close_in_child(descriptor: int) -> None:
    """Lets go of a connection of the parent's, and keeps its number taken for whoever closes it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def _after_fork() -> None:
    for wire in list(_wires):
        wire.start_in_child()


_wires: weakref.WeakSet[Wire] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
