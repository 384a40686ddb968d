"""One connection to one broker for one event loop: pipelined, and reconnecting for ever."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import hiredis

from channels_chorale.errors import REFUSALS, BrokerAway, ConnectionLost, ServerError
from channels_chorale.hosts import Host
from channels_chorale.waiting import within
from channels_chorale.wire import NOT_YET, Word, close_in_child, hello, new_reader

logger = logging.getLogger("channels_chorale")

# Seconds: for the connection itself, for what is said on it first, and for its end.
CONNECT_TIMEOUT = 5.0
SETUP_TIMEOUT = 30.0
CLOSE_TIMEOUT = 1.0
# A connection on which nothing has arrived for so long is asked whether it is alive,
PING_AFTER = 10.0
# so often, so many seconds apart; if nothing arrives then, it is given up.
PINGS = 2
PING_EVERY = 5.0
# Between two attempts. Each pause is drawn at random, because many processes lose the same broker
# at the same time.
FIRST_DELAY = 0.05
LONGEST_DELAY = 5.0

Push = Callable[[list[Any]], None]
OnReply = Callable[[Any], None]
# Who waits for a reply: a future, a future with a function that is called first, or nobody.
_Asker = asyncio.Future[Any] | tuple[asyncio.Future[Any], OnReply] | None


class Connection(asyncio.Protocol):
    """Sends commands and hands pushes over. Belongs to the event loop that made it.

    Commands of one turn of the loop leave in one write; replies are awaited side by side. While the
    broker is away, commands wait for it. `on_connect` is awaited on every new connection before
    other commands are sent: it says what the connection is for, through `command`. `on_push` gets
    each push, in order; `on_lost` is told when a connection that was up ends.
    """

    def __init__(
        self,
        host: Host,
        *,
        on_connect: Callable[[Connection], Awaitable[None]],
        on_push: Push,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.host = host
        self.connected_since: float | None = None  # as time.time()
        self.last_error: str | None = None
        self.client_id = 0  # as CLIENT ID has it
        self._on_connect, self._on_push, self._on_lost = on_connect, on_push, on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = new_reader()
        self._replies: collections.deque[_Asker] = collections.deque()
        self._unsent: list[bytes] = []
        self._flushing = False
        self._writable = True
        self._waiters: list[asyncio.Future[None]] = []  # until commands can be sent
        self._lost = asyncio.Event()
        self._last_received = 0.0
        self._closed = False
        self._start()

    def _start(self) -> None:
        # In an empty context: the connection outlives whoever happened to need it first.
        context = contextvars.Context()
        self._keeper = context.run(self._loop.create_task, self._keep_connected())

    def keep(self) -> None:
        """Goes on after somebody has cancelled all tasks of the event loop."""
        if self._keeper.done() and not self._closed:
            self._start()

    # ---- commands ----

    async def execute(self, *words: Word, patience: float) -> Any:
        """Sends a command when the broker is there, and returns its reply.

        Raises ServerError for an error reply, or when the broker refuses the connection; BrokerAway
        if it is away for more than `patience` seconds; ConnectionLost if the connection ends before
        the reply comes, which one without an answer does after some 20 seconds.
        """
        if not self._may_send():
            await self._wait_until_ready(patience)
        return await self.command(*words)

    def _may_send(self) -> bool:
        return self.ready and self._writable

    async def _wait_until_ready(self, patience: float) -> None:
        deadline = self._loop.time() + patience
        while not self._may_send():
            if self._closed:
                raise BrokerAway(f"the connection to {self.host.name} was closed")
            self.keep()
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await within(deadline - self._loop.time(), waiter)
            except TimeoutError:
                reason = self.last_error or "it does not answer"
                raise BrokerAway(f"the broker {self.host.name} is away: {reason}") from None
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def _release_waiters(self, error: Exception | None = None) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def command(self, *words: Word, on_reply: OnReply | None = None) -> asyncio.Future[Any]:
        """Sends a command on the connection that is up, and returns its reply to come.

        `on_reply` gets a reply that is no error before anything that follows it is handled.
        """
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self._transport is None:
            reply.set_exception(ConnectionLost(f"not connected to {self.host.name}"))
        else:
            self._send(words, reply if on_reply is None else (reply, on_reply))
        return reply

    def post(self, *words: Word) -> None:
        """Sends a command, if the connection is up; nobody wants to know its reply."""
        if self._transport is not None:
            self._send(words, None)

    def _send(self, words: tuple[Any, ...], asker: _Asker) -> None:
        self._replies.append(asker)
        self._unsent.append(hiredis.pack_command(words))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Sends at once what would leave at the end of this turn of the loop."""
        self._flushing = False
        if self._transport is not None and self._unsent:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    @property
    def ready(self) -> bool:
        """It is up, and on_connect is done."""
        return self._transport is not None and self.connected_since is not None

    def reconnect(self) -> None:
        """Gives the connection up that there is, for a new one."""
        if self._transport is not None:
            self._transport.abort()

    def stop(self) -> None:
        """Ends the attempts to have a connection; what there is to be sent leaves, then it ends."""
        self._closed = True
        self._keeper.cancel()
        self._release_waiters()
        if self._transport is not None:
            self.flush()
            self._transport.close()

    async def close(self) -> None:
        """stop(), and waits for the end; not long."""
        self.stop()
        try:
            await asyncio.wait({self._keeper}, timeout=CLOSE_TIMEOUT)
            if self._transport is not None:
                await within(CLOSE_TIMEOUT, self._lost.wait())
        except TimeoutError:  # the broker does not read what was sent last
            pass
        finally:
            self.reconnect()

    def close_in_child(self) -> None:
        """In a process that was forked: the connection is the parent's, and must end with it."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        if sock is not None and sock.fileno() >= 0:
            close_in_child(sock.fileno())

    # ---- staying connected ----

    async def _keep_connected(self) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                await within(CONNECT_TIMEOUT, self._connect())
                await within(SETUP_TIMEOUT, self._set_up())
            except Exception as error:  # whatever it is: it is tried again, and told
                self._note_failure(error)
                await asyncio.sleep(random.uniform(delay / 2, delay))
                delay = min(delay * 2, LONGEST_DELAY)
                continue
            delay = FIRST_DELAY
            self.last_error = None
            await self._watch()
            await asyncio.sleep(random.uniform(0, FIRST_DELAY))

    def _note_failure(self, error: BaseException) -> None:
        text = str(error) or type(error).__name__
        if text != self.last_error:
            logger.warning("cannot use the broker %s: %s", self.host.name, text)
        self.last_error = text
        if isinstance(error, ServerError) and error.code in REFUSALS:
            self._release_waiters(error)
        if self._transport is not None:
            self._transport.abort()

    async def _connect(self) -> None:
        if self._transport is not None:
            await self._lost.wait()
        self._lost.clear()
        self._reader = new_reader()
        host = self.host
        if host.path:
            await self._loop.create_unix_connection(lambda: self, host.path)
        else:
            await self._loop.create_connection(lambda: self, host.host, host.port, ssl=host.tls)
        reply = await self.command(*hello(host))
        self.client_id = reply[b"id"]

    async def _set_up(self) -> None:
        await self._on_connect(self)
        if self._transport is None:
            raise ConnectionLost(f"lost {self.host.name}")
        self.connected_since = time.time()
        self._release_waiters()

    async def _watch(self) -> None:
        """Until the connection is lost; asks after it when it is silent.

        It counts its questions, not the time: the event loop may have stood still.
        """
        asked = 0
        while not self._lost.is_set():
            if self._loop.time() - self._last_received < PING_AFTER:
                asked = 0
            elif asked == PINGS:
                logger.warning("the broker %s does not answer; reconnecting", self.host.name)
                self.reconnect()
                await self._lost.wait()
                return
            else:
                self.post("PING")
                asked += 1
            with contextlib.suppress(TimeoutError):
                await within(PING_EVERY, self._lost.wait())

    # ---- asyncio.Protocol ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an asyncio.Transport in every loop: uvloop's is a class of its own.
        self._transport = cast(asyncio.Transport, transport)
        self._last_received = self._loop.time()

    def data_received(self, data: bytes) -> None:
        self._last_received = self._loop.time()
        reader = self._reader
        try:
            reader.feed(data)
            while (value := reader.gets()) is not NOT_YET:
                if isinstance(value, hiredis.PushNotification):
                    self._on_push(value)
                else:
                    self._answer(value)
        except hiredis.ProtocolError as error:
            self._note_failure(error)

    def _answer(self, value: Any) -> None:
        asker = self._replies.popleft()
        if asker is None:
            return
        failed = isinstance(value, ServerError)
        if isinstance(asker, tuple):
            reply, on_reply = asker
            if not failed:
                on_reply(value)
        else:
            reply = asker
        if reply.done():  # whoever asked was cancelled
            return
        if failed:
            reply.set_exception(value)
        else:
            reply.set_result(value)

    def connection_lost(self, error: Exception | None) -> None:
        was_ready = self.connected_since is not None
        self._transport = None
        self.connected_since = None
        self._writable = True
        self._unsent.clear()
        replies, self._replies = self._replies, collections.deque()
        for asker in replies:
            reply = asker[0] if isinstance(asker, tuple) else asker
            if reply is not None and not reply.done():
                reply.set_exception(ConnectionLost(f"lost {self.host.name}: {error or 'closed'}"))
        self._lost.set()
        if was_ready and not self._closed:
            self._on_lost()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._may_send():
            self._release_waiters()
