"""A client without event loop: for Celery tasks, WSGI views and scripts."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from channels_chorale.errors import ServerError
from channels_chorale.settings import Command, Reached, Settings, names, sum_of
from channels_chorale.wire import Wire


class Client:
    """Sends to channels and groups, and asks who is in a group; it blocks, and needs no event loop.

    Takes the same CONFIG as ChoraleChannelLayer, apart from its callbacks. Can be used from any
    thread; each host has one connection, made with the first command, and calls take turns. In a
    process that was forked it makes its own.

    A broker that is away is waited for for 10 seconds; then it raises BrokerAway: nothing was sent.
    ConnectionLost is raised when the connection ends before the reply comes, or there is none
    for 10 seconds: whether the message was sent is unknown then, and it is not sent again.
    """

    def __init__(self, *args: Any, **config: Any) -> None:
        self._settings = Settings(*args, **config)
        self._wires = [
            Wire(host, policy.command())
            for host, policy in zip(self._settings.hosts, self._settings.policies, strict=True)
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
        return int(self._execute(self._settings.group_count_command(group), group))

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
            return self._wires[command.home].execute(command.words, repeatable=command.repeatable)
        except ServerError as error:
            raise self._settings.exception_for(error, name) from None
