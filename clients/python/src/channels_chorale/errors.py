"""What can go wrong."""

from __future__ import annotations

from channels.exceptions import MessageTooLarge

__all__ = ["BrokerAway", "ConnectionLost", "MessageTooLarge", "ServerError"]

# What a broker answers to a new connection that it will not take, however often it is tried.
REFUSALS = frozenset({"NOAUTH", "NOPERM", "NOTCHORALE", "WRONGPASS"})


class ServerError(Exception):
    """The broker answered with an error; `code` is its first word, such as "WRONGPASS"."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.split(" ", 1)[0]


def explained(error: ServerError, host: str) -> ServerError:
    """The answer to the first command of a layer: Redis does not know it."""
    if "unknown command" in str(error):
        return ServerError(f"NOTCHORALE {host} is not a Chorale broker: {error}")
    return error


class ConnectionLost(ConnectionError):
    """The connection ended before the reply came: whether it was carried out is unknown."""


class BrokerAway(ConnectionLost):
    """The broker was not there in time: the command was not sent."""
