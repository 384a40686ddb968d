"""Random command sequences, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Collection

from .forms import forms_of
from .grammar import Arguments
from .runner import Step
from .values import KINDS, any_key, value

LENGTH = 30
# One command in so many gets an argument dropped, doubled or replaced.
MUTATION_SHARE = 0.03
# A mutation of these could block for ever, stop the server or allocate without limit.
NEVER_MUTATED = {
    b"BLPOP",
    b"BRPOP",
    b"BLMOVE",
    b"BRPOPLPUSH",
    b"BLMPOP",
    b"BZPOPMIN",
    b"BZPOPMAX",
    b"BZMPOP",
    b"WAIT",
    b"MULTI",
    b"EXEC",
    b"DISCARD",
    b"RESET",
    b"CLIENT",
    b"CONFIG",
    b"SCRIPT",
    b"COMMAND",
    b"SETBIT",
    b"SRANDMEMBER",
    b"HRANDFIELD",
    b"ZRANDMEMBER",
    b"HELLO",
    b"SPOP",
    b"SCAN",
    b"ZRANK",  # takes WITHSCORE since 7.2, so that MULTI queues what 7.0 refuses
    b"ZREVRANK",
}
# A timeout that only transactions use: inside MULTI nothing may wait, outside it takes too long.
WAITS_OUTSIDE_MULTI = b"0.3"
TRANSACTION_STATE = {b"MULTI": True, b"EXEC": False, b"DISCARD": False, b"RESET": False}
# How often a sequence starts with each of the forms that put something into the keys.
OPENING_SHARE = 0.6


class Generator:
    """Sequences of one family, without the commands that the server under test lacks.

    Deterministic: family and seed decide everything.
    """

    def __init__(self, family: str, lacking: Collection[bytes] = ()):
        self.family = family
        self.forms = [form for form in forms_of(family) if form.command.encode() not in lacking]
        self.opening = forms_of("opening")

    def sequence(self, seed: int) -> list[Step]:
        rng = random.Random(f"{self.family}/{seed}")
        # Some sequences go one by one, some in long pipelines.
        cut_share = rng.choice((1.0, 0.3, 0.1))
        commands = [
            form.expand(rng, KINDS) for form in self.opening if rng.random() < OPENING_SHARE
        ]
        in_transaction = False
        while len(commands) < LENGTH:
            args = self._command(rng)
            if not _fits(args, in_transaction, rng):
                continue
            in_transaction = TRANSACTION_STATE.get(args[0], in_transaction)
            commands.append(args)
        return [Step(args, rng.random() < cut_share) for args in commands]

    def _command(self, rng: random.Random) -> Arguments:
        args = rng.choice(self.forms).expand(rng, KINDS)
        if args[0] in NEVER_MUTATED or args[0].startswith(b"*") or rng.random() >= MUTATION_SHARE:
            return args
        return _mutated(args, rng)


def _mutated(args: Arguments, rng: random.Random) -> Arguments:
    words = list(args)
    match rng.randrange(5):
        case 0:
            words = words[:-1] or words
        case 1:
            words.append(value(rng))
        case 2:
            words.insert(rng.randint(1, len(words)), any_key(rng))
        case 3:
            words[0] = words[0].lower()
        case _ if len(words) > 1:
            place = rng.randrange(1, len(words))
            words[place] = words[place].swapcase()
    return tuple(words)


def _fits(args: Arguments, in_transaction: bool, rng: random.Random) -> bool:
    """Keeps most commands where they mean something: no EXEC without MULTI but now and then."""
    name = args[0]
    if name in (b"SPOP", b"*EXPIRED"):
        return not in_transaction
    if args[-1] == WAITS_OUTSIDE_MULTI:
        return in_transaction
    if name in TRANSACTION_STATE and name != b"RESET":
        return in_transaction != TRANSACTION_STATE[name] or rng.random() < 0.1
    return True
