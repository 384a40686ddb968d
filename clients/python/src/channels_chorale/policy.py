"""The rules of a layer, as CONFIG states them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SCOPES = ("mailbox", "channel")


@dataclass(frozen=True)
class Policy:
    """What the broker is told about the layer, and what this side needs to know of it.

    Times are in seconds. `capacities` are pairs of a glob pattern or a compiled regular expression
    and a capacity; the first that matches a channel's name counts, as in
    BaseChannelLayer.get_capacity.
    """

    layer: str
    expiry: float = 60
    group_expiry: float = 86400
    grace: float = 60
    capacity: int = 100
    capacities: tuple[tuple[str | re.Pattern[str], int], ...] = ()
    capacity_scope: str = "mailbox"
    capacity_of: Callable[[str], int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.capacity_scope not in SCOPES:
            raise ValueError(f"capacity_scope must be one of {', '.join(SCOPES)}")
        compiled = [
            (re.compile(fnmatch.translate(pattern)) if isinstance(pattern, str) else pattern, n)
            for pattern, n in self.capacities
        ]

        def capacity_of(name: str) -> int:
            return next((n for pattern, n in compiled if pattern.match(name)), self.capacity)

        object.__setattr__(self, "capacity_of", capacity_of)

    @property
    def has_regexes(self) -> bool:
        """The broker matches globs only: capacities are then told with each channel."""
        return any(not isinstance(pattern, str) for pattern, _ in self.capacities)

    def command(self) -> list[Any]:
        """LAYER.SET of this policy."""
        words: list[Any] = ["LAYER.SET", self.layer, "EXPIRY", str(self.expiry)]
        words += ["GROUP_EXPIRY", str(self.group_expiry), "GRACE", str(self.grace)]
        words += ["CAPACITY", self.capacity]
        for pattern, capacity in self.capacities:
            if isinstance(pattern, str):
                # fnmatch writes [!a] what the broker writes [^a].
                words += ["CHANNEL_CAPACITY", pattern.replace("[!", "[^"), capacity]
        return [*words, "SCOPE", self.capacity_scope.upper()]


def layer_name(prefix: str, database: int) -> str:
    """Projects that share a broker are kept apart by the database too, as they are on Redis."""
    return f"{prefix}@{database}" if database else prefix
