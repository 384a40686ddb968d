"""Command forms as short text, and the reader that expands one at random.

    SET {s} {v} [EX {ttl}|PX {pttl}|KEEPTTL] [NX|XX] [GET]
    MSET ({s} {v})+

A bare word stands for itself, `{name}` for a random value of that kind (see `values.py`),
`[a|b]` for one of the alternatives or nothing, `(a|b)` for exactly one of them, and `+` after a
value or a group for one to three of it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

Arguments = tuple[bytes, ...]
Kinds = dict[str, Callable[[random.Random], bytes]]

_TOKEN = re.compile(r"\s*(\[|\]|\(|\)\+?|\||\{\w+\}\+?|[^\s\[\]()|{}]+)")


@dataclass(frozen=True)
class _Word:
    text: bytes

    def expand(self, rng: random.Random, kinds: Kinds) -> list[bytes]:
        return [self.text]


@dataclass(frozen=True)
class _Value:
    kind: str
    repeated: bool

    def expand(self, rng: random.Random, kinds: Kinds) -> list[bytes]:
        count = rng.choice((1, 1, 2, 3)) if self.repeated else 1
        return [kinds[self.kind](rng) for _ in range(count)]


@dataclass(frozen=True)
class _Group:
    alternatives: tuple[tuple[object, ...], ...]
    optional: bool
    repeated: bool

    def expand(self, rng: random.Random, kinds: Kinds) -> list[bytes]:
        if self.optional and rng.random() < 0.6:
            return []
        count = rng.choice((1, 1, 2, 3)) if self.repeated else 1
        words: list[bytes] = []
        for _ in range(count):
            for item in rng.choice(self.alternatives):
                words += item.expand(rng, kinds)
        return words


class Form:
    """One parsed command form."""

    def __init__(self, text: str):
        self.text = text
        tokens = _TOKEN.findall(text)
        if "".join(tokens) != re.sub(r"\s", "", text):
            raise ValueError(f"cannot read the form {text!r}")
        self._items, rest = _read_items(tokens)
        if rest:
            raise ValueError(f"unbalanced form {text!r}")

    @property
    def command(self) -> str:
        return self.text.split(" ", 1)[0]

    def expand(self, rng: random.Random, kinds: Kinds) -> Arguments:
        words: list[bytes] = []
        for item in self._items:
            words += item.expand(rng, kinds)
        return tuple(words)


def _read_items(tokens: list[str]) -> tuple[list, list[str]]:
    items: list = []
    while tokens and tokens[0][0] not in "])|":
        token, tokens = tokens[0], tokens[1:]
        if token in "[(":
            group, tokens = _read_group(token, tokens)
            items.append(group)
        elif token.startswith("{"):
            items.append(_Value(token.strip("{}+"), token.endswith("+")))
        else:
            items.append(_Word(token.encode()))
    return items, tokens


def _read_group(opening: str, tokens: list[str]) -> tuple[_Group, list[str]]:
    alternatives = []
    while True:
        items, tokens = _read_items(tokens)
        alternatives.append(tuple(items))
        if not tokens:
            raise ValueError("a group does not end")
        closing, tokens = tokens[0], tokens[1:]
        if closing != "|":
            return _Group(tuple(alternatives), opening == "[", closing.endswith("+")), tokens
