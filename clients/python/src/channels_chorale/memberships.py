"""Which channels of a mailbox are in which groups."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

Pair = tuple[bytes, bytes]  # group, channel


class Memberships:
    """What the broker has said, by events, and what a broker that knows nothing is to be told.

    Belongs to the mailbox's event loop; note() can be called in any thread.
    """

    def __init__(self) -> None:
        self._members: dict[bytes, dict[bytes, None]] = {}
        # Guarded by the lock. What the broker has acknowledged to this process before the event
        # that says so has come: whether the channel is in the group.
        self._lock = threading.Lock()
        self._noted: dict[Pair, bool] = {}
        self._lost: dict[bytes, set[bytes]] = {}  # those that a restarted broker is to be told

    def of(self, group: bytes) -> Mapping[bytes, None]:
        """The members at this event."""
        return self._members.get(group, {})

    def join(self, group: bytes, channels: Sequence[bytes]) -> None:
        """The event."""
        self._members.setdefault(group, {}).update(dict.fromkeys(channels))
        self._settle(group, channels, True)

    def leave(self, group: bytes, channels: Sequence[bytes]) -> None:
        """The event."""
        members = self._members.get(group, {})
        for channel in channels:
            members.pop(channel, None)
        if not members:
            self._members.pop(group, None)
        self._settle(group, channels, False)

    def _settle(self, group: bytes, channels: Sequence[bytes], joined: bool) -> None:
        if not self._noted and not self._lost:
            return
        with self._lock:
            self._drop_lost(group, channels)
            for channel in channels:
                if self._noted.get((group, channel)) is joined:
                    del self._noted[group, channel]

    def note(self, group: bytes, channel: bytes, joined: bool) -> None:
        """The broker has acknowledged GROUP.ADD or GROUP.DISCARD to this process."""
        with self._lock:
            self._drop_lost(group, (channel,))
            if (channel in self._members.get(group, ())) != joined:
                self._noted[group, channel] = joined
            else:
                self._noted.pop((group, channel), None)

    def forget(self) -> None:
        """Another epoch begins: its events tell the members anew."""
        with self._lock:
            self._members = {}
            self._noted = {}

    def lose(self) -> None:
        """Another epoch begins, of a broker that may know nothing."""
        with self._lock:
            for group, channels in self._members.items():
                self._lost.setdefault(group, set()).update(channels)
            for (group, channel), joined in self._noted.items():
                if joined:
                    self._lost.setdefault(group, set()).add(channel)
                else:
                    self._drop_lost(group, (channel,))
        self.forget()

    def lost(self) -> list[tuple[bytes, list[bytes]]]:
        """What the broker is to be told: groups, and channels to be added to them."""
        with self._lock:
            return [(group, sorted(channels)) for group, channels in self._lost.items()]

    def restored(self, group: bytes, channels: Iterable[bytes]) -> None:
        """The broker has acknowledged that."""
        with self._lock:
            self._drop_lost(group, channels)

    def clear(self) -> None:
        """The layer was flushed."""
        self.forget()
        with self._lock:
            self._lost = {}

    def _drop_lost(self, group: bytes, channels: Iterable[bytes]) -> None:
        lost = self._lost.get(group)
        if lost is None:
            return
        lost.difference_update(channels)
        if not lost:
            del self._lost[group]
