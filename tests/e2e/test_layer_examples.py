"""The examples of protocol/README.md: a client that is written after them gets what they show."""

from __future__ import annotations

import re

import pytest

from support.resp import RespClient, encode, parse
from support.server import REPOSITORY, Server

pytestmark = [pytest.mark.chorale_only, pytest.mark.sanitizer]

# Those of the examples; the broker draws others.
EPOCHS = {716253441, 285771906, 550102387}


def examples() -> list[tuple[str, str, bytes]]:
    """Of each line the client, `C` or `S` for who sends it, and the bytes."""
    text = (REPOSITORY / "protocol/README.md").read_text()
    lines = re.findall(r"^    ([CS])(\d?): (.*)$", text, re.MULTILINE)
    return [(client, who, raw.replace(r"\r\n", "\r\n").encode()) for who, client, raw in lines]


class Epochs:
    """Puts the broker's epochs in the place of the examples'."""

    def __init__(self) -> None:
        self.real: dict[int, int] = {}

    def in_command(self, words: list[bytes]) -> list[bytes | int]:
        return [self.real.get(int(word), word) if word.isdigit() else word for word in words]

    def matches(self, shown: object, real: object) -> bool:
        if isinstance(shown, list) and isinstance(real, list):
            pairs = zip(shown, real, strict=False)
            return len(shown) == len(real) and all(self.matches(*pair) for pair in pairs)
        if isinstance(shown, int) and isinstance(real, int) and shown in EPOCHS:
            return self.real.setdefault(shown, real) == real
        return shown == real


def test_every_line_of_the_examples_is_true(server: Server) -> None:
    clients: dict[str, RespClient] = {}
    epochs = Epochs()
    for number, who, raw in examples():
        if number not in clients:
            clients[number] = server.connect(protocol=3)
        client = clients[number]
        value, end = parse(bytearray(raw), 0)
        assert end == len(raw), raw
        if who == "C":
            assert encode(*value) == raw, "the lengths are right"
            client.send(*epochs.in_command(value))
        else:
            real = client.read()
            assert type(real) is type(value), raw
            assert epochs.matches(value, real), (raw, real)
    assert set(epochs.real) == EPOCHS
    assert all(client.is_quiet(0.05) for client in clients.values())


@pytest.mark.parametrize("prefix", ["CHANNEL.", "GROUP.", "LAYER.", "MAILBOX."])
def test_there_is_no_command_that_the_reference_does_not_have(server: Server, prefix: str) -> None:
    text = (REPOSITORY / "protocol/README.md").read_text()
    with server.connect() as client:
        names = [name.decode().upper() for name in client.ok("COMMAND", "LIST")]
        for name in names:
            assert not name.startswith(prefix) or f"`{name} " in text or f"`{name}`" in text, name
