"""What an application can learn about its connections: health(), and the callbacks of CONFIG."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from channels_chorale.connection import Connection

logger = logging.getLogger("channels_chorale")

Callback = Callable[[str], Any]


@dataclass(frozen=True)
class HostHealth:
    """One broker, as this process sees it."""

    name: str
    connected: bool | None  # all connections of this process are up; None: it needs none now
    since: float | None  # as time.time(): since when they all are
    resumed: int  # messages that were sent while a connection was away, and arrived
    gaps: int  # times at which messages may have been lost
    error: str | None  # why it is not connected


@dataclass(frozen=True)
class Health:
    """All brokers, as this process sees them, in the words of HostHealth."""

    connected: bool | None
    since: float | None
    resumed: int
    gaps: int
    hosts: tuple[HostHealth, ...]


@dataclass(frozen=True)
class Callbacks:
    """Functions or coroutine functions that get the name of the broker."""

    on_disconnect: Callback | None = None
    on_reconnect: Callback | None = None
    on_gap: Callback | None = None


class HostReports:
    """Gathers what the sessions with one broker report. Sessions of all event loops share it."""

    def __init__(self, name: str, callbacks: Callbacks) -> None:
        self.name = name
        self.connections: set[Connection] = set()
        self._callbacks = callbacks
        self._resumed = 0
        self._gaps = 0
        self._running: set[asyncio.Task[Any]] = set()

    def connected(self, *, again: bool) -> None:
        if again:
            logger.warning("connected to the broker %s again", self.name)
            self._call(self._callbacks.on_reconnect)

    def lost(self) -> None:
        logger.warning("lost the connection to the broker %s", self.name)
        self._call(self._callbacks.on_disconnect)

    def gap(self) -> None:
        self._gaps += 1
        logger.warning("messages from the broker %s may have been lost", self.name)
        self._call(self._callbacks.on_gap)

    def resumed(self, messages: int) -> None:
        self._resumed += messages

    def health(self) -> HostHealth:
        connections = list(self.connections.copy())
        times = [each.connected_since if each.ready else None for each in connections]
        up = [time for time in times if time is not None]
        connected = len(up) == len(times) if times else None
        errors = [each.last_error for each in connections if each.last_error]
        return HostHealth(
            name=self.name,
            connected=connected,
            since=max(up) if connected else None,
            resumed=self._resumed,
            gaps=self._gaps,
            error=errors[0] if errors else None,
        )

    def _call(self, callback: Callback | None) -> None:
        """Calls it in the event loop that runs; what it raises is logged."""
        if callback is None:
            return
        try:
            result = callback(self.name)
        except Exception:
            logger.exception("a callback of the channel layer failed")
            return
        if inspect.isawaitable(result):
            task = asyncio.get_running_loop().create_task(_logged(result))
            self._running.add(task)
            task.add_done_callback(self._running.discard)


async def _logged(awaitable: Awaitable[Any]) -> None:
    try:
        await awaitable
    except Exception:
        logger.exception("a callback of the channel layer failed")


def overall(hosts: list[HostHealth]) -> Health:
    states = [host.connected for host in hosts if host.connected is not None]
    connected = all(states) if states else None
    since = [host.since for host in hosts if host.since is not None]
    return Health(
        connected=connected,
        since=max(since) if connected else None,
        resumed=sum(host.resumed for host in hosts),
        gaps=sum(host.gaps for host in hosts),
        hosts=tuple(hosts),
    )
