"""The channel layer for Django Channels."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import uuid
import weakref
from collections.abc import Coroutine
from dataclasses import dataclass
from threading import get_ident
from typing import Any, NamedTuple

from django.utils.module_loading import import_string

from channels_chorale.errors import ServerError
from channels_chorale.loops import Background, LoopSessions
from channels_chorale.mailbox import Mailbox
from channels_chorale.queues import Delivery, Queue
from channels_chorale.reports import Callback, Callbacks, Health, HostReports, overall
from channels_chorale.settings import Command, Reached, Settings, names, sum_of

logger = logging.getLogger("channels_chorale")

# A loop that has carried out so many operations gets connections of its own.
OWN_AFTER = 10
# Mailboxes of loops that have ended that are kept for another loop.
MOST_ORPHANS = 1000

_SCALARS = frozenset({str, int, float, bool, bytes, type(None)})


class _Consumer(NamedTuple):
    """Where a channel's messages wait. Of use in that thread, while that loop runs in it."""

    thread: int
    loop: asyncio.AbstractEventLoop
    queue: Queue


@dataclass
class _Visitor:
    """A loop without connections of its own, so far."""

    operations: int = 0
    under_way: int = 0


class ChoraleChannelLayer(Settings):
    """A channel layer on a Chorale broker, in the place of channels_redis.core.RedisChannelLayer.

    CONFIG takes the keys of that layer (see Settings), and callbacks, as functions, coroutine
    functions or dotted paths of such; each is called with the name of the broker, in the event loop
    whose connection it is about:

    - `on_disconnect`: a connection that was up has ended; another is tried for ever,
    - `on_reconnect`: there is a connection again,
    - `on_gap`: messages may have been lost: the broker was restarted, or was away for longer than
      the grace time.

    Made from any thread; each of its coroutines can be awaited in any event loop. Follows the
    Channels specification (https://channels.readthedocs.io/en/latest/channel_layer_spec.html) with
    its extensions "groups" and "flush".

    A broker that is away is waited for by send and the others for 10 seconds; then they raise
    BrokerAway: nothing was sent. They raise ConnectionLost when the connection ends before the
    reply comes, or, after some 20 seconds, when the broker does not answer: whether the message was
    sent is unknown then, and it is not sent again. Both are ConnectionErrors. receive() never fails
    because of the broker.
    """

    extensions = ["groups", "flush"]  # noqa: RUF012, as in the specification

    def __init__(
        self,
        *args: Any,
        on_disconnect: Callback | str | None = None,
        on_reconnect: Callback | str | None = None,
        on_gap: Callback | str | None = None,
        **config: Any,
    ) -> None:
        super().__init__(*args, **config)
        callbacks = Callbacks(_function(on_disconnect), _function(on_reconnect), _function(on_gap))
        self._reports = [HostReports(host.name, callbacks) for host in self.hosts]
        self._start()
        _layers.add(self)

    def _start(self) -> None:
        """Without any connection, as in a process that has just begun."""
        self.client_prefix = uuid.uuid4().hex
        self._background = Background(self._new_sessions)
        self._lock = threading.Lock()
        # Guarded by the lock:
        self._own: dict[asyncio.AbstractEventLoop, LoopSessions] = {}
        self._visitors: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Visitor] = (
            weakref.WeakKeyDictionary()
        )
        self._orphans: dict[str, tuple[float, list[Mailbox]]] = {}  # by name, and since when
        self._closing_with: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._loops_seen = 0
        # What receive() has found out about channels. Only the running loop's are of use; it is
        # emptied every now and then, and when a mailbox changes hands.
        self._consumers: dict[str, _Consumer] = {}
        for report in self._reports:
            report.connections.clear()

    def _start_in_child(self) -> None:
        """In a process that was forked: the connections are the parent's, and end with it."""
        connections = self._background.connections()
        for sessions in self._own.values():
            connections += sessions.connections()
        for connection in connections:
            connection.close_in_child()
        self._start()

    # ---- channels ----

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Sends a message to a general or a process-specific channel.

        Raises ChannelFull, MessageTooLarge, TypeError for a bad name, ConnectionLost, and
        ServerError for other refusals, such as "OOM".
        """
        await self._execute(self.send_command(channel, message), channel)

    async def receive(self, channel: str) -> dict[str, Any]:
        """The next message of a channel; waits for one, as long as it takes.

        Cancelled at any moment, it loses no message. Consumers of a general channel compete, also
        over several processes: each message goes to one of them. A process-specific channel is one
        that new_channel() of this process has named; raises RuntimeError if it is another's, or
        belongs to another event loop of this process that is running.
        """
        consumer = self._consumers.get(channel)
        if consumer is None or consumer.thread != get_ident() or not consumer.loop.is_running():
            consumer = self._new_consumer(channel)
        queue = consumer.queue
        while True:
            delivery = queue.take()
            if delivery is None:
                getter = queue.getter()
                try:
                    await getter
                except BaseException:
                    queue.give_up(getter)
                    raise
                if queue.queues.closed:  # close_pools(): the next connections follow
                    queue = self._new_consumer(channel).queue
                continue
            if delivery.decoded is not None:
                return dict(delivery.decoded)
            try:
                return self._decode(delivery)
            except Exception:
                logger.exception("a message to %s cannot be read; it is left out", channel)

    def _new_consumer(self, channel: str) -> _Consumer:
        self.require_valid_channel_name(channel)
        sessions = self._own_sessions()
        if "!" in channel:
            name = channel[: channel.index("!") + 1]
            if name not in sessions.mailboxes:
                self._find_mailbox(name, sessions)
            queue = sessions.queues.of(channel.encode())
        else:
            queue = sessions.general_queue(channel.encode())
        consumer = self._consumers[channel] = _Consumer(get_ident(), sessions.loop, queue)
        return consumer

    def _decode(self, delivery: Delivery) -> dict[str, Any]:
        """The message, for one of the channels that get it: what it does to it, no other sees."""
        message: dict[str, Any] = self.serializer.deserialize(delivery.body)
        if delivery.shared and _is_flat(message):
            delivery.decoded = message
            return dict(message)
        return message

    async def new_channel(self, prefix: str = "specific") -> str:
        """A new name for a process-specific channel, to be received in this event loop."""
        sessions = self._own_sessions()
        name = f"{prefix}.{sessions.client_prefix}!"
        channel = name + uuid.uuid4().hex
        self.require_valid_channel_name(channel)
        sessions.open_mailbox(name)
        return channel

    # ---- groups ----

    async def group_add(self, group: str, channel: str) -> None:
        """Adds the channel to the group; its membership ends `group_expiry` seconds after the
        latest group_add."""
        command = self.group_add_command(group, channel)
        await self._execute(command, channel)
        self._note_membership(command.home, group, channel, True)

    async def group_discard(self, group: str, channel: str) -> None:
        """Removes the channel from the group, if it is in it."""
        command = self.group_discard_command(group, channel)
        await self._execute(command, channel)
        self._note_membership(command.home, group, channel, False)

    def _note_membership(self, home: int, group: str, channel: str, joined: bool) -> None:
        name = self.non_local_name(channel)
        for sessions in list(self._own.values()):
            mailboxes = sessions.mailboxes.get(name)
            if mailboxes is not None:
                memberships = mailboxes[home].memberships
                memberships.note(group.encode(), channel.encode(), joined)

    async def group_send(self, group: str, message: dict[str, Any]) -> Reached:
        """Sends a message to all channels of the group, but for those that are full.

        Returns how many it was sent to, and how many were full.
        """
        reply = await self._execute(self.group_send_command(group, message), group)
        reached = Reached(*reply)
        if reached.full:
            logger.info("%d channels of group %s are over capacity", reached.full, group)
        return reached

    # ---- what channels_redis cannot tell ----

    async def group_channels(self, group: str) -> list[str]:
        """The channels of the group, in all processes."""
        return names(await self._execute(self.group_members_command(group), group))

    async def group_count(self, group: str) -> int:
        """How many channels are in the group."""
        return int(await self._execute(self.group_count_command(group), group))

    async def groups(self, pattern: str = "*") -> list[str]:
        """The groups that have members, and whose names match the glob pattern."""
        found = [
            await self._execute(command, pattern)
            for command in self.on_every_host("GROUP.LIST", "MATCH", pattern)
        ]
        return sorted(name for reply in found for name in names(reply))

    async def stats(self) -> dict[str, int]:
        """The counters of the layer (LAYER.STATS in protocol/README.md), summed over the hosts."""
        return sum_of(
            [
                await self._execute(command, self.prefix)
                for command in self.on_every_host("LAYER.STATS")
            ]
        )

    def health(self) -> Health:
        """Whether the brokers are connected, since when, and what reconnects have cost.

        Can be called from any thread.
        """
        return overall([report.health() for report in self._reports])

    # ---- flush and close ----

    async def flush(self) -> None:
        """Drops all messages and memberships of the layer, in all processes."""
        for command in self.on_every_host("LAYER.FLUSH"):
            await self._execute(command, self.prefix)

    async def close_pools(self) -> None:
        """Ends this event loop's connections; named as in channels_redis."""
        sessions = self._forget(asyncio.get_running_loop())
        if sessions is not None:
            await sessions.close()

    # ---- which connections ----

    async def _execute(self, command: Command, name: str) -> Any:
        home, words, repeatable = command
        loop = asyncio.get_running_loop()
        sessions = self._own.get(loop)
        try:
            if sessions is None:
                return await self._execute_as_visitor(loop, command)
            return await sessions.execute(home, words, repeatable=repeatable)
        except ServerError as error:
            raise self.exception_for(error, name) from None

    async def _execute_as_visitor(self, loop: asyncio.AbstractEventLoop, command: Command) -> Any:
        home, words, repeatable = command
        with self._lock:
            visitor = self._visitors.setdefault(loop, _Visitor())
        visitor.operations += 1
        # Not while others are under way: what was sent later must not arrive earlier.
        if visitor.operations > OWN_AFTER and not visitor.under_way:
            return await self._own_sessions().execute(home, words, repeatable=repeatable)

        def action(shared: LoopSessions) -> Coroutine[Any, Any, Any]:
            return shared.execute(home, words, repeatable=repeatable)

        visitor.under_way += 1
        try:
            return await self._background.run(action)
        finally:
            visitor.under_way -= 1

    def _own_sessions(self) -> LoopSessions:
        """Those of the running loop."""
        loop = asyncio.get_running_loop()
        sessions = self._own.get(loop)
        if sessions is None:
            sessions = self._new_sessions()
            with self._lock:
                self._own[loop] = sessions
            self._close_with(loop)
        return sessions

    def _new_sessions(self) -> LoopSessions:
        with self._lock:
            self._loops_seen += 1
            client_prefix = f"{self.client_prefix}.{self._loops_seen}"
        # Every loop empties the cache for all: it costs little, and keeps it small.
        on_tidy = self._consumers.clear
        return LoopSessions(self.policies, self.hosts, self._reports, client_prefix, on_tidy)

    def _close_with(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop's connections end when it is closed; nobody else tells."""
        if loop in self._closing_with:
            return
        self._closing_with.add(loop)
        close_loop = loop.close

        def close() -> None:
            try:
                sessions = None if loop.is_running() else self._forget(loop)
                if sessions is not None and not loop.is_closed():
                    loop.run_until_complete(sessions.close())
            finally:
                close_loop()

        loop.close = close  # type: ignore[method-assign]

    def _forget(self, loop: asyncio.AbstractEventLoop) -> LoopSessions | None:
        """Takes the loop's sessions out; their mailboxes wait for another loop."""
        with self._lock:
            sessions = self._own.pop(loop, None)
            if sessions is None:
                return None
            self._consumers.clear()
            now = time.monotonic()
            for name in list(sessions.mailboxes):
                self._orphans[name] = (now, sessions.release(name))
            too_old = now - self.policy.grace
            for name, (since, _) in list(self._orphans.items()):
                if since >= too_old and len(self._orphans) <= MOST_ORPHANS:
                    break
                del self._orphans[name]
        return sessions

    def _find_mailbox(self, name: str, sessions: LoopSessions) -> None:
        """Opens a mailbox of this process that is not this loop's yet."""
        if f".{self.client_prefix}." not in name:
            raise RuntimeError(f"{name} belongs to another process")
        with self._lock:
            self._consumers.clear()
            _, mailboxes = self._orphans.pop(name, (0.0, None))
            for owner in self._own.values():
                if mailboxes is not None or name not in owner.mailboxes:
                    continue
                if owner.loop.is_running():
                    raise RuntimeError(f"{name} belongs to another event loop, which is running")
                mailboxes = owner.release(name)
        if mailboxes is None:
            sessions.open_mailbox(name)
        else:
            sessions.adopt(name, mailboxes)


def _function(callback: Callback | str | None) -> Callback | None:
    return import_string(callback) if isinstance(callback, str) else callback


def _is_flat(message: Any) -> bool:
    """Whether a shallow copy of the message is as good as a deep one."""
    return type(message) is dict and all(type(value) in _SCALARS for value in message.values())


_layers: weakref.WeakSet[ChoraleChannelLayer] = weakref.WeakSet()


def _after_fork() -> None:
    # The connections are the parent's, and so are the loops and the thread.
    for layer in list(_layers):
        layer._start_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
