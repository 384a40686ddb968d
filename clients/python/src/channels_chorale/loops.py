"""Sessions by event loop.

A loop that receives, or that sends often, has sessions of its own. Any other, such as those that
async_to_sync makes for one call, has its commands carried out by the background loop: a thread that
is there while it is needed, and shared by the process, so that a thousand calls need no thousand
connections.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from channels_chorale.connection import Connection
from channels_chorale.errors import BrokerAway, ConnectionLost, ServerError
from channels_chorale.hosts import Host
from channels_chorale.mailbox import Mailbox
from channels_chorale.policy import Policy
from channels_chorale.queues import Delivery, Queue, Queues
from channels_chorale.receiver import Receiver
from channels_chorale.reports import HostReports
from channels_chorale.session import Session

logger = logging.getLogger("channels_chorale")

Result = TypeVar("Result")

# Seconds for which a command waits for a broker that is away.
PATIENCE = 10.0
# Seconds between looks for messages that nobody has asked for in time.
TIDY_EVERY = 1.0
# For messages that go back: they were in the channel before.
ANY_CAPACITY = 2**62
# Seconds for which the background loop waits for another command.
IDLE = 1.0


class LoopSessions:
    """The sessions of one event loop with all brokers, and the messages that wait in it.

    Belongs to that loop; made and closed in it.
    """

    def __init__(
        self,
        policies: Sequence[Policy],
        hosts: Sequence[Host],
        reports: Sequence[HostReports],
        client_prefix: str,
        on_tidy: Callable[[], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.client_prefix = client_prefix  # of the mailboxes that begin in this loop
        self._reports, self._on_tidy = reports, on_tidy
        by_channel = policies[0].capacity_scope == "channel"
        self.queues = Queues(on_taken=self._note_taken if by_channel else None)
        self.general = Queues(on_waiting=self._update_receivers)
        self.mailboxes: dict[str, list[Mailbox]] = {}  # by name, one for each host
        self._receivers: list[Receiver] = []
        self.sessions = [Session(*each) for each in zip(policies, hosts, reports, strict=True)]
        self.closed = False
        # In an empty context: this outlives whoever happened to need it first.
        self._context = contextvars.Context()
        self._timer = self._context.run(self.loop.call_later, TIDY_EVERY, self._tidy)
        self._giving_back: set[asyncio.Task[None]] = set()

    async def execute(self, home: int, words: Sequence[Any], *, repeatable: bool) -> Any:
        """Sends a command to a broker and returns its reply.

        Waits PATIENCE seconds for a broker that is away. A `repeatable` command, one that may be
        carried out twice, is sent again when its reply was lost. Raises ServerError and
        ConnectionLost.
        """
        connection = self.sessions[home].connection
        deadline = time.monotonic() + PATIENCE
        while True:
            patience = max(0.0, deadline - time.monotonic())
            try:
                return await connection.execute(*words, patience=patience)
            except BrokerAway:
                raise
            except ConnectionLost:
                if not repeatable or self.closed or time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0)

    # ---- mailboxes ----

    def open_mailbox(self, name: str) -> None:
        """The mailbox, on every broker: any of them can be the home of a group."""
        if name in self.mailboxes:
            return
        self.mailboxes[name] = [
            Mailbox(
                name,
                session.policy,
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

    def _note_taken(self, queue: Queue) -> None:
        name = queue.channel[: queue.channel.index(b"!") + 1].decode()
        for mailbox in self.mailboxes.get(name, ()):
            mailbox.note_taken(queue)

    # ---- general channels ----

    def general_queue(self, channel: bytes) -> Queue:
        """What arrives there is asked for from all brokers while somebody waits for it."""
        if not self._receivers:
            self._receivers = [
                Receiver(session.policy, session.connection, self.general)
                for session in self.sessions
            ]
            for receiver, report in zip(self._receivers, self._reports, strict=True):
                report.connections.add(receiver.connection)
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
        for connection in self.connections():
            connection.keep()
        for channel, delivery in self.general.unclaimed():
            task = self.loop.create_task(self._give_back(channel, delivery))
            self._giving_back.add(task)
            task.add_done_callback(self._giving_back.discard)

    async def _give_back(self, channel: bytes, delivery: Delivery) -> None:
        """What was taken for somebody who has left goes to the end of the channel's queue."""
        for session in self.sessions:
            words = ("CHANNEL.SEND", session.policy.layer, channel, delivery.body)
            try:
                await session.connection.execute(*words, "CAPACITY", ANY_CAPACITY, patience=0.5)
            except (ServerError, BrokerAway):
                continue
            except ConnectionLost:  # it may be there
                pass
            return
        self.general.of(channel).put(delivery)

    def connections(self) -> list[Connection]:
        """All that there are."""
        of_sessions = [session.connection for session in self.sessions]
        return of_sessions + [receiver.connection for receiver in self._receivers]

    # ---- the end ----

    async def close(self) -> None:
        """Ends the connections; it does not take long. Messages that were taken for somebody who
        left go back."""
        self.closed = True
        self._timer.cancel()
        self.queues.close()
        self.general.close()
        try:
            await asyncio.gather(*(receiver.close() for receiver in self._receivers))
            unclaimed = self.general.clear()
            await asyncio.gather(*(self._give_back(*each) for each in unclaimed))
            if kept := len(self.general.clear()):
                logger.error("%d messages were received for nobody, and could not go back", kept)
        finally:
            for report in self._reports:
                report.connections.difference_update(self.connections())
            for session in self.sessions:
                session.stop()
        await asyncio.gather(*(session.close() for session in self.sessions))


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
                self._thread = _Thread(self._make, self._may_leave, self._forget)
            future = self._thread.submit(action)
        return await asyncio.wrap_future(future)

    def _may_leave(self, thread: _Thread) -> bool:
        """Whether the thread may end: it has been idle, and nobody will come any more."""
        with self._lock:
            if thread.busy():
                return False
            self._thread = None
            return True

    def _forget(self, thread: _Thread) -> None:
        """The thread has ended, however it did."""
        with self._lock:
            if self._thread is thread:
                self._thread = None

    def connections(self) -> list[Connection]:
        """Those of the thread, for a process that was forked from this one."""
        sessions = self._thread.sessions if self._thread is not None else None
        return sessions.connections() if sessions is not None else []


class _Thread:
    """One life of the background loop."""

    def __init__(
        self,
        make: Callable[[], LoopSessions],
        may_leave: Callable[[_Thread], bool],
        on_end: Callable[[_Thread], None],
    ) -> None:
        self._make, self._may_leave, self._on_end = make, may_leave, on_end
        self._submitted: list[concurrent.futures.Future[Any]] = []
        self._loop = asyncio.new_event_loop()
        self.sessions: LoopSessions | None = None
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
        if self.sessions is None:
            self.sessions = self._make()
        return await action(self.sessions)

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._stay())
        finally:
            self._on_end(self)
            self._loop.close()

    async def _stay(self) -> None:
        while not self._may_leave(self):
            await asyncio.sleep(IDLE)
        if self.sessions is not None:
            await self.sessions.close()
