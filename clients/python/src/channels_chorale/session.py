"""What one event loop has to do with one broker."""

from __future__ import annotations

import asyncio
from typing import Any

from channels_chorale.connection import Connection
from channels_chorale.errors import ServerError, explained
from channels_chorale.hosts import Host
from channels_chorale.mailbox import Mailbox
from channels_chorale.policy import Policy
from channels_chorale.reports import HostReports


class Session:
    """A connection, the mailboxes that are open on it, and what has to be said on each new one."""

    def __init__(self, policy: Policy, host: Host, reports: HostReports) -> None:
        self.policy, self.host = policy, host
        self._reports = reports
        self._mailboxes: dict[str, Mailbox] = {}
        self._by_epoch: dict[int, Mailbox] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._was_connected = False
        self.connection = Connection(
            host, on_connect=self._on_connect, on_push=self._on_push, on_lost=reports.lost
        )
        reports.connections.add(self.connection)

    def open_mailbox(self, mailbox: Mailbox) -> None:
        """Keeps the mailbox open on this connection and on those that follow it."""
        self._mailboxes[mailbox.name] = mailbox
        if self.connection.ready:
            task = asyncio.get_running_loop().create_task(self._open(mailbox))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def release(self, mailbox: Mailbox) -> None:
        """The mailbox is another session's from here on."""
        self._mailboxes.pop(mailbox.name, None)
        self._by_epoch.pop(mailbox.epoch.name, None)
        mailbox.leave()

    async def _open(self, mailbox: Mailbox) -> None:
        try:
            await mailbox.open(self.connection)
        except (ServerError, ConnectionError):
            self.connection.reconnect()

    def route(self, mailbox: Mailbox, epoch: int) -> None:
        """Events of that epoch are the mailbox's."""
        for old in [number for number, owner in self._by_epoch.items() if owner is mailbox]:
            del self._by_epoch[old]
        self._by_epoch[epoch] = mailbox

    async def _on_connect(self, connection: Connection) -> None:
        try:
            await connection.command(*self.policy.command())
        except ServerError as error:
            raise explained(error, self.host.name) from error
        opened: set[str] = set()
        while new := self._mailboxes.keys() - opened:  # others may be added meanwhile
            mailboxes = [self._mailboxes[name] for name in new]
            await asyncio.gather(*(mailbox.open(connection) for mailbox in mailboxes))
            opened |= new
        self._reports.connected(again=self._was_connected)
        self._was_connected = True

    def _on_push(self, push: list[Any]) -> None:
        mailbox = self._by_epoch.get(push[1])
        if mailbox is not None:
            mailbox.handle(push)

    def stop(self) -> None:
        """Nothing is begun any more; what there is to be sent leaves."""
        self._reports.connections.discard(self.connection)
        for task in self._opening:
            task.cancel()
        self.connection.stop()

    async def close(self) -> None:
        """stop(), and waits for the end; not long."""
        opening = self._opening.copy()
        self.stop()
        if opening:
            await asyncio.wait(opening, timeout=1.0)
        await self.connection.close()
