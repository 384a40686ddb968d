"""CONFIG, and what each operation says to which broker: the same for layer and Client."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from channels.exceptions import ChannelFull, MessageTooLarge
from channels.layers import BaseChannelLayer

from channels_chorale.errors import ServerError
from channels_chorale.hosts import home_of, parse_hosts
from channels_chorale.policy import Policy, layer_name
from channels_chorale.serializers import registry

_GROUP_NAME = re.compile(r"[a-zA-Z0-9\-_.]{1,99}")
_CHANNEL_NAME = re.compile(r"(?=.{1,99}\Z)[a-zA-Z0-9\-_.]+(![a-zA-Z0-9\-_.]+)?")


def _require(what: str, pattern: re.Pattern[str], name: Any) -> bool:
    if isinstance(name, str) and pattern.fullmatch(name):
        return True
    raise TypeError(
        f"{what} name must be a valid unicode string with length < 100 containing only ASCII "
        f"alphanumerics, hyphens, underscores, or periods, not {name!r:.120}"
    )


class Reached(NamedTuple):
    """What became of a message to a group."""

    channels: int  # that it was sent to
    full: int  # left out, because they are at their capacity


class Command(NamedTuple):
    home: int  # the index of the broker
    words: Sequence[Any]
    repeatable: bool  # may be carried out twice: sent again when its reply was lost


class Settings(BaseChannelLayer):
    """CONFIG, read and checked. Raises ValueError and TypeError for what is wrong in it.

    The keys are those of channels_redis.core.RedisChannelLayer, with the same meaning. Those that
    only Chorale has: `grace`, seconds for which the mailbox of a process that is gone is kept, and
    `capacity_scope`, whether `capacity` is that of a process ("mailbox", as the specification of
    channel layers says) or of each of its channels ("channel").
    """

    def __init__(
        self,
        hosts: Sequence[Any] | None = None,
        prefix: str = "asgi",
        expiry: float = 60,
        group_expiry: float = 86400,
        capacity: int = 100,
        channel_capacity: Mapping[Any, int] | None = None,
        symmetric_encryption_keys: Sequence[str | bytes] | None = None,
        random_prefix_length: int = 12,
        serializer_format: str = "msgpack",
        *,
        grace: float = 60,
        capacity_scope: str = "mailbox",
    ) -> None:
        if not isinstance(prefix, str):
            raise TypeError("prefix must be a string")
        self.prefix = prefix
        self.group_expiry = group_expiry
        self.hosts = parse_hosts(hosts)
        super().__init__(expiry=expiry, capacity=capacity)
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self.policy = Policy(
            layer=prefix,
            expiry=expiry,
            group_expiry=group_expiry,
            grace=grace,
            capacity=capacity,
            capacities=tuple((channel_capacity or {}).items()),
            capacity_scope=capacity_scope,
        )
        self.policies = [
            replace(self.policy, layer=layer_name(prefix, host.database)) for host in self.hosts
        ]
        self.serializer = registry.get_serializer(
            serializer_format,
            symmetric_encryption_keys=symmetric_encryption_keys,
            random_prefix_length=random_prefix_length,
            expiry=expiry,
        )

    # ---- names ----

    def require_valid_channel_name(self, name: Any, receive: bool = False) -> bool:
        """True, or TypeError. The broker holds to the same rules, and so do all versions of
        Channels, by methods of different names."""
        return _require("Channel", _CHANNEL_NAME, name)

    def require_valid_group_name(self, name: Any) -> bool:
        """True, or TypeError."""
        return _require("Group", _GROUP_NAME, name)

    # ---- commands ----

    def send_command(self, channel: str, message: dict[str, Any]) -> Command:
        if not isinstance(message, dict):
            raise TypeError("message is not a dict")
        self.require_valid_channel_name(channel)
        home = self._home(self.non_local_name(channel))
        body = self.serializer.serialize(message)
        words = ["CHANNEL.SEND", self.policies[home].layer, channel, body]
        if self.policy.has_regexes:
            words += ["CAPACITY", self.get_capacity(channel)]
        return Command(home, words, repeatable=False)

    def group_send_command(self, group: str, message: dict[str, Any]) -> Command:
        if not isinstance(message, dict):
            raise TypeError("message is not a dict")
        body = self.serializer.serialize(message)
        return Command(*self._of_group("GROUP.SEND", group, body), repeatable=False)

    def group_add_command(self, group: str, channel: str) -> Command:
        self.require_valid_channel_name(channel)
        return Command(*self._of_group("GROUP.ADD", group, channel), repeatable=True)

    def group_discard_command(self, group: str, channel: str) -> Command:
        self.require_valid_channel_name(channel)
        return Command(*self._of_group("GROUP.DISCARD", group, channel), repeatable=True)

    def group_members_command(self, group: str) -> Command:
        return Command(*self._of_group("GROUP.MEMBERS", group), repeatable=True)

    def group_count_command(self, group: str) -> Command:
        return Command(*self._of_group("GROUP.COUNT", group), repeatable=True)

    def on_every_host(self, word: str, *more: Any) -> list[Command]:
        return [
            Command(home, [word, policy.layer, *more], repeatable=True)
            for home, policy in enumerate(self.policies)
        ]

    def _of_group(self, word: str, group: str, *more: Any) -> tuple[int, Sequence[Any]]:
        self.require_valid_group_name(group)
        home = self._home(group)
        return home, [word, self.policies[home].layer, group, *more]

    def _home(self, name: str) -> int:
        return home_of(name, self.hosts)

    # ---- replies ----

    @staticmethod
    def exception_for(error: ServerError, channel: str) -> Exception:
        """What Channels calls an error of the broker."""
        found: Exception = error
        if error.code == "CHANNELFULL":
            found = ChannelFull(channel)
        elif error.code == "TOOLARGE":
            found = MessageTooLarge(str(error))
        return found


def names(reply: Sequence[bytes]) -> list[str]:
    return [name.decode() for name in reply]


def sum_of(stats: Sequence[Mapping[bytes, int] | None]) -> dict[str, int]:
    """LAYER.STATS of several brokers as one."""
    total: dict[str, int] = {}
    for each in stats:
        for name, value in (each or {}).items():
            total[name.decode()] = total.get(name.decode(), 0) + value
    return total
