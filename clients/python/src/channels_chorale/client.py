"""A client without event loop: for Celery tasks, WSGI views and scripts."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from types import TracebackType
from typing import Any

import hiredis

from channels_chorale.errors import ConnectionLost, ServerError
from channels_chorale.hosts import Host
from channels_chorale.settings import Command, Reached, Settings, names, sum_of
from channels_chorale.wire import NOT_YET, hello, new_reader

# Seconds.
CONNECT_TIMEOUT = 5.0
REPLY_TIMEOUT = 10.0
# How long a broker that is away is waited for, and how long between two attempts.
PATIENCE = 10.0
RETRY_AFTER = 0.1

READ_SIZE = 65536


class Client:
    """Sends to channels and groups, and asks who is in a group; it blocks, and needs no event loop.

    Takes the same CONFIG as ChoraleChannelLayer, apart from its callbacks. Can be used from any
    thread; each host has one connection, made with the first command, and calls take turns. In a
    process that was forked it makes its own.

    A broker that is away is waited for for 10 seconds. Raises ConnectionLost then, or when the
    connection ends before the reply comes: whether the message was sent is unknown then, and it is
    not sent again.
    """

    def __init__(self, *args: Any, **config: Any) -> None:
        self._settings = Settings(*args, **config)
        self._wires = [
            _Wire(host, self._settings.policy.command()) for host in self._settings.hosts
        ]

    @classmethod
    def from_settings(cls, alias: str = "default") -> Client:
        """A client for the layer that Django's CHANNEL_LAYERS has under that alias."""
        from django.conf import settings

        config = dict(settings.CHANNEL_LAYERS[alias].get("CONFIG", {}))
        for callback in ("on_disconnect", "on_reconnect", "on_gap"):
            config.pop(callback, None)
        return cls(**config)

    def send(self, channel: str, message: dict[str, Any]) -> None:
        """Sends a message to a channel. Raises ChannelFull, MessageTooLarge, TypeError for a bad
        name, ConnectionLost, and ServerError for other refusals."""
        self._execute(self._settings.send_command(channel, message), channel)

    def group_send(self, group: str, message: dict[str, Any]) -> Reached:
        """Sends a message to all channels of a group, but for those that are full. Returns how many
        it was sent to, and how many were full."""
        return Reached(*self._execute(self._settings.group_send_command(group, message), group))

    def group_add(self, group: str, channel: str) -> None:
        """Adds a channel to a group."""
        self._execute(self._settings.group_add_command(group, channel), group)

    def group_discard(self, group: str, channel: str) -> None:
        """Removes a channel from a group, if it is in it."""
        self._execute(self._settings.group_discard_command(group, channel), group)

    def group_members(self, group: str) -> list[str]:
        """The channels of the group, in all processes."""
        return names(self._execute(self._settings.group_members_command(group), group))

    def group_count(self, group: str) -> int:
        """How many channels are in the group."""
        return self._execute(self._settings.group_count_command(group), group)

    def groups(self, pattern: str = "*") -> list[str]:
        """The groups that have members, and whose names match the glob pattern."""
        commands = self._settings.on_every_host("GROUP.LIST", "MATCH", pattern)
        replies = [self._execute(command, pattern) for command in commands]
        return sorted(name for reply in replies for name in names(reply))

    def stats(self) -> dict[str, int]:
        """The counters of the layer, summed over the hosts."""
        commands = self._settings.on_every_host("LAYER.STATS")
        return sum_of([self._execute(command, "") for command in commands])

    def close(self) -> None:
        """Ends the connections; the next command makes new ones."""
        for wire in self._wires:
            wire.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _execute(self, command: Command, name: str) -> Any:
        try:
            return self._wires[command.home].execute(command.words, again=command.again)
        except ServerError as error:
            raise self._settings.exception_for(error, name) from None


class _Wire:
    """One connection to one broker. Thread-safe: calls take turns."""

    def __init__(self, host: Host, policy: list[Any]) -> None:
        self._host, self._policy = host, policy
        self._lock = threading.Lock()
        # Guarded by the lock:
        self._socket: socket.socket | None = None
        self._reader = new_reader()
        self._process = os.getpid()

    def execute(self, words: Any, *, again: bool) -> Any:
        deadline = time.monotonic() + PATIENCE
        with self._lock:
            while True:
                self._connect_until(deadline)
                try:
                    return self._ask(words)
                except ConnectionLost:
                    if not again or time.monotonic() >= deadline:
                        raise

    def close(self) -> None:
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
            except (OSError, ServerError) as error:
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
        self._ask(self._policy)

    def _ask(self, words: Any) -> Any:
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
