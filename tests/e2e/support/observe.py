"""What a server says about itself, and waiting until it says something."""

from __future__ import annotations

import re

from support.resp import RespClient
from support.server import Server
from support.waiting import wait_until


def info(client: RespClient, section: str = "everything") -> dict[str, str]:
    """INFO's fields by name. `client` speaks RESP2 or RESP3."""
    reply = client.ok("INFO", section)
    text = (reply if isinstance(reply, bytes) else reply.data).decode()
    lines = (line for line in text.split("\r\n") if line and not line.startswith("#"))
    return dict(line.split(":", 1) for line in lines)


def info_number(client: RespClient, section: str, field: str) -> int:
    return int(info(client, section)[field])


def client_row(client: RespClient, number: int) -> dict[str, str] | None:
    """The CLIENT LIST row of the connection with that id."""
    reply = client.ok("CLIENT", "LIST")
    text = (reply if isinstance(reply, bytes) else reply.data).decode()
    for line in text.splitlines():
        row = dict(field.split("=", 1) for field in line.split(" "))
        if row["id"] == str(number):
            return row
    return None


def wait_until_blocked(control: RespClient, count: int) -> None:
    """Until exactly that many clients wait in blocking commands."""
    wait_until(
        lambda: info_number(control, "clients", "blocked_clients") == count,
        what=f"{count} clients are blocked",
    )


def thread_of(client: RespClient) -> int:
    found = re.search(rb" io-thread=(\d+)", client.ok("CLIENT", "INFO"))
    assert found
    return int(found[1])


def clients_on_two_threads(server: Server, each: int = 2) -> dict[int, list[RespClient]]:
    """At least so many on each thread, by thread."""
    by_thread: dict[int, list[RespClient]] = {0: [], 1: []}
    while min(map(len, by_thread.values())) < each:
        client = server.connect(deadline=30)
        by_thread[thread_of(client)].append(client)
    return by_thread
