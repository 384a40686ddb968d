"""Pieces of the protocol that both kinds of connection share."""

from __future__ import annotations

from typing import Any, Union

import hiredis

from channels_chorale.errors import ServerError
from channels_chorale.hosts import Host

Word = Union[str, bytes, int]  # noqa: UP007, evaluated in Python 3.10 too

NOT_YET = object()  # from a reader that has no whole reply


def new_reader() -> hiredis.Reader:
    return hiredis.Reader(
        protocolError=hiredis.ProtocolError, replyError=ServerError, notEnoughData=NOT_YET
    )


def hello(host: Host) -> list[Any]:
    """The first command on a connection (https://redis.io/docs/latest/commands/hello/)."""
    words: list[Any] = ["HELLO", 3]
    if host.password is not None:
        words += ["AUTH", host.username or "default", host.password]
    return [*words, "SETNAME", "channels_chorale"]
