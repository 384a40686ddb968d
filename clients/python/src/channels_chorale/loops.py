"""Sessions by event loop.

A loop that receives, or that sends often, has sessions of its own. Any other, such as those that
async_to_sync makes for one call, has its commands carried out by the background loop: a thread that
is there while it is needed, and shared by the process, so that a thousand calls need no thousand
connections.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from channels_chorale.errors import ConnectionLost
from channels_chorale.hosts import Host
from channels_chorale.mailbox import Mailbox
from channels_chorale.policy import Policy
from channels_chorale.queues import Queue, Queues
from channels_chorale.receiver import Receiver
from channels_chorale.reports import HostReports
from channels_chorale.session import Session

Result = TypeVar("Result")

# Seconds for which a command waits for a broker that is away.
PATIENCE = 10.0
# Seconds between looks for messages that nobody has asked for in time.
TIDY_EVERY = 1.0
# Seconds for which the background loop waits for another command.
IDLE = 1.0


class LoopSessions:
    """The sessions of one event loop with all brokers, and the messages that wait in it.

    Belongs to that loop; made and closed in it.
    """

    def __init__(
        self,
        policy: Policy,
        hosts: Sequence[Host],
        reports: Sequence[HostReports],
        client_prefix: str,
        on_tidy: Callable[[], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.client_prefix = client_prefix  # of the mailboxes that begin in this loop
        self._policy, self._reports, self._on_tidy = policy, reports, on_tidy
        by_channel = policy.capacity_scope == "channel"
        self.queues = Queues(on_taken=self._taken if by_channel else None)
        self.general = Queues(on_waiting=self._update_receivers)
        self.mailboxes: dict[str, list[Mailbox]] = {}  # by name, one for each host
        self._receivers: list[Receiver] = []
        self.sessions = [
            Session(policy, host, report) for host, report in zip(hosts, reports, strict=True)
        ]
        self._timer = self.loop.call_later(TIDY_EVERY, self._tidy)
        self.closed = False

    async def execute(self, home: int, words: Sequence[Any], *, again: bool) -> Any:
        """Sends a command to a broker and returns its reply.

        Waits PATIENCE seconds for a broker that is away. With `again` a command whose reply was
        lost is repeated: for those that may be carried out twice. Raises ServerError and
        ConnectionLost.
        """
        connection = self.sessions[home].connection
        deadline = time.monotonic() + PATIENCE
        while True:
            patience = max(0.0, deadline - time.monotonic())
            try:
                return await connection.execute(*words, patience=patience)
            except ConnectionLost:
                if not again or time.monotonic() >= deadline:
                    raise

    # ---- mailboxes ----

    def open_mailbox(self, name: str) -> None:
        """The mailbox, on every broker: any of them can be the home of a group."""
        if name in self.mailboxes:
            return
        self.mailboxes[name] = [
            Mailbox(
                name,
                self._policy,
                self.queues,
                on_gap=report.gap,
                on_resumed=report.resumed,
                on_epoch=session.route,
            )
            for session, report in zip(self.sessions, self._reports, strict=True)
        ]
        self._open(name)

    def release(self, name: str) -> list[Mailbox]:
        """Gives a mailbox up, with what waits in it, for another loop to adopt."""
        mailboxes = self.mailboxes.pop(name)
        for mailbox, session in zip(mailboxes, self.sessions, strict=True):
            session.release(mailbox)
        return mailboxes

    def adopt(self, name: str, mailboxes: list[Mailbox]) -> None:
        """Takes over a mailbox that another loop has released. That one does not run any more."""
        for mailbox, session in zip(mailboxes, self.sessions, strict=True):
            mailbox.adopt(self.queues, session.route)
        self.mailboxes[name] = mailboxes
        self._open(name)

    def _open(self, name: str) -> None:
        for mailbox, session in zip(self.mailboxes[name], self.sessions, strict=True):
            session.open_mailbox(mailbox)

    def _taken(self, queue: Queue) -> None:
        name = queue.channel[: queue.channel.index(b"!") + 1].decode()
        for mailbox in self.mailboxes.get(name, ()):
            mailbox.note_taken(queue)

    # ---- general channels ----

    def general_queue(self, channel: bytes) -> Queue:
        """What arrives there is asked for from all brokers while somebody waits for it."""
        if not self._receivers:
            self._receivers = [
                Receiver(self._policy, session.connection, self.general)
                for session in self.sessions
            ]
        return self.general.of(channel)

    def _update_receivers(self) -> None:
        for receiver in self._receivers:
            receiver.update()

    def _tidy(self) -> None:
        self._timer = self.loop.call_later(TIDY_EVERY, self._tidy)
        now = time.monotonic()
        self.queues.tidy(now)
        self.general.tidy(now)
        self._on_tidy()

    # ---- the end ----

    async def close(self) -> None:
        """Ends the connections. Messages that were taken for somebody who left go back."""
        self.closed = True
        self._timer.cancel()
        for receiver in self._receivers:
            await receiver.close()
        for channel, delivery in self.general.clear():
            words = ("CHANNEL.SEND", self._policy.layer, channel, delivery.body)
            self.sessions[0].connection.post(*words)
        for session in self.sessions:
            await session.close()


class Background:
    """An event loop in a thread, which is there while it has something to do. Thread-safe."""

    def __init__(self, make: Callable[[], LoopSessions]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._thread: _Thread | None = None  # guarded by the lock

    async def run(self, action: Callable[[LoopSessions], Coroutine[Any, Any, Result]]) -> Result:
        """Carries the action out in the background loop; to be awaited in any other."""
        with self._lock:
            if self._thread is None:
                self._thread = _Thread(self._make, self._leave)
            future = self._thread.submit(action)
        return await asyncio.wrap_future(future)

    def _leave(self, thread: _Thread) -> bool:
        """Whether the thread may end: it has been idle, and nobody will come any more."""
        with self._lock:
            if thread.busy():
                return False
            self._thread = None
            return True


class _Thread:
    """One life of the background loop."""

    def __init__(
        self, make: Callable[[], LoopSessions], may_leave: Callable[[_Thread], bool]
    ) -> None:
        self._make, self._may_leave = make, may_leave
        self._submitted: list[concurrent.futures.Future[Any]] = []
        self._loop = asyncio.new_event_loop()
        self._sessions: LoopSessions | None = None
        threading.Thread(target=self._serve, name="channels_chorale", daemon=True).start()

    def submit(
        self, action: Callable[[LoopSessions], Coroutine[Any, Any, Result]]
    ) -> concurrent.futures.Future[Result]:
        future = asyncio.run_coroutine_threadsafe(self._carry_out(action), self._loop)
        self._submitted.append(future)
        return future

    def busy(self) -> bool:
        """Whether there was anything to do since the last call."""
        busy = bool(self._submitted)
        self._submitted = [future for future in self._submitted if not future.done()]
        return busy

    async def _carry_out(
        self, action: Callable[[LoopSessions], Coroutine[Any, Any, Result]]
    ) -> Result:
        if self._sessions is None:
            self._sessions = self._make()
        return await action(self._sessions)

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._stay())
        finally:
            self._loop.close()

    async def _stay(self) -> None:
        while not self._may_leave(self):
            await asyncio.sleep(IDLE)
        if self._sessions is not None:
            await self._sessions.close()
