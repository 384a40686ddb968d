"""What can go wrong."""

from __future__ import annotations

from channels.exceptions import MessageTooLarge

__all__ = ["ConnectionLost", "MessageTooLarge", "ServerError"]


class ServerError(Exception):
    """The broker answered with an error; `code` is its first word, such as "WRONGPASS"."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.split(" ", 1)[0]


class ConnectionLost(ConnectionError):
    """The connection ended before the reply came: whether it was carried out is unknown."""
