"""Random commands on every type, restarts in between, and a redis-server that is never restarted.

The commands are those of differential/, whose runner compares each reply. Before a restart and
after it the broker holds the same, to the millisecond of an expiry; and it holds what the
redis-server holds. Data stays from one sequence to the next, so that rows on disk get changed, and
--check finds nothing wrong with them. With everysec it is told to SAVE before it is killed; when it
is stopped it saves by itself.

CHORALE_RESTARTS sets how many sequences each family runs, CHORALE_DIFFERENTIAL_SEED where they
start.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator

import pytest

from differential.generator import Generator
from differential.runner import NotComparable, Pair, Step, running_pair
from differential.state import State, read_state, state_difference
from support.prerequisites import program
from support.server import Server, binary_under_test, run_to_exit

SEQUENCES = int(os.environ.get("CHORALE_RESTARTS", "6"))
FIRST_SEED = int(os.environ.get("CHORALE_DIFFERENTIAL_SEED", "0"))
FAMILIES = [
    "strings",
    "bits",
    "lists",
    "hashes",
    "sets",
    "sorted_sets",
    "lexicographic",
    "keys",
    "transactions",
    "scripts",
    "everything",
]
# So many of the sequences begin with nothing.
FLUSH_SHARE = 0.15
# One sequence in so many comes with collections that are not small any more.
GROWTH_SHARE = 0.3
# And one in so many ends with some of them being emptied.
EMPTYING_SHARE = 0.5
MOST = b"1000000"  # more than any collection has


@pytest.fixture(scope="module", params=["always", "everysec"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """A redis-server that keeps nothing, and the server under test, which keeps everything."""
    directory = tmp_path_factory.mktemp("restarted")
    data = directory / "data"
    data.mkdir()
    kept = {"appendonly": "yes", "appendfsync": request.param, "dir": data}
    with running_pair(
        Server(program("redis-server"), directory / "reference"),
        Server(binary_under_test(), directory / "tested", **kept),
    ) as running:
        yield running


def growth(rng: random.Random) -> list[Step]:
    """What makes the collections of the random commands large."""
    count = rng.randint(100, 600)
    numbers = [b"%d" % rng.randrange(2000) for _ in range(count)]
    pairs = [word for number in numbers for word in (number, b"value" + number)]
    key = rng.choice((b"0", b"1"))
    prefix = rng.choice((b"", b"m"))
    commands = [
        (b"RPUSH", b"l" + key, *numbers),
        (b"SADD", b"t" + key, *(prefix + number for number in numbers)),
        (b"HSET", b"h" + key, *pairs),
        (b"ZADD", b"z" + key, *(word for number in numbers for word in (number, b"m" + number))),
        (b"APPEND", b"s" + key, b"x" * count),
    ]
    return [Step(command, True) for command in rng.sample(commands, rng.randint(1, 5))]


def emptying(rng: random.Random) -> list[Step]:
    """What takes everything out of collections, each by its own way."""
    key = rng.choice((b"0", b"1"))
    commands = [
        (b"LPOP", b"l" + key, MOST),
        (b"LTRIM", b"l" + key, b"1", b"0"),
        (b"SPOP", b"t" + key, MOST),
        (b"ZPOPMIN", b"z" + key, MOST),
        (b"ZREMRANGEBYRANK", b"z" + key, b"0", b"-1"),
    ]
    return [Step(command, True) for command in rng.sample(commands, rng.randint(1, 5))]


def pieces(steps: list[Step], rng: random.Random) -> Iterator[list[Step]]:
    """The steps between one restart and the next."""
    start = 0
    while start < len(steps):
        end = start + rng.randint(1, len(steps))
        yield steps[start:end]
        start = end


def held(pair: Pair) -> State:
    with pair.servers[1].connect(deadline=30) as client:
        return read_state(client, 16)


def check(server: Server) -> str:
    """What --check finds wrong with its data; it is not running."""
    arguments = ["--check", str(server.options["dir"])]
    code, _, errors = run_to_exit(server.binary, arguments, server.directory)
    return errors if code != 0 else ""


def restarted(pair: Pair, rng: random.Random) -> str | None:
    """Restarts the server under test; what is different then."""
    before = held(pair)
    ending = rng.choice((signal.SIGTERM, signal.SIGKILL, signal.SIGKILL))
    saves = pair.servers[1].options["appendfsync"] == "everysec" and ending == signal.SIGKILL
    if saves:
        pair.controls[1].ok("SAVE")
    pair.controls[1].close()
    server = pair.servers[1]
    if ending == signal.SIGTERM:
        server.stop()
    else:
        server.kill()
        server.assert_no_sanitizer_report()
    damage = "" if server.is_redis else check(server)
    server.start()
    pair.reconnect()
    if damage:
        return damage
    after = held(pair)
    if before != after:
        return state_difference(before, after) or "an expiry differs"
    pair.controls[0].ok("SCRIPT", "FLUSH")  # the other one has forgotten them by itself
    difference = pair.difference()
    return str(difference.expected) if difference else None


@pytest.mark.slow
@pytest.mark.sanitizer
@pytest.mark.timeout(60 + 20 * SEQUENCES)
@pytest.mark.parametrize("family", FAMILIES)
def test_restarts_change_nothing_that_random_commands_can_see(pair: Pair, family: str) -> None:
    generator = Generator(family, pair.lacking)
    pair.reset()
    history: list[str] = []
    for seed in range(FIRST_SEED, FIRST_SEED + SEQUENCES):
        rng = random.Random(f"restarts/{family}/{seed}")
        if rng.random() < FLUSH_SHARE:
            pair.reset()
            history = []
        steps = generator.sequence(seed)
        if rng.random() < GROWTH_SHARE:
            steps = growth(rng) + steps
        if rng.random() < EMPTYING_SHARE:
            steps += emptying(rng)
        for piece in pieces(steps, rng):
            history += map(str, piece)
            try:
                mismatch = pair.go_on(piece, protocol=2, seed=seed) or pair.difference()
            except NotComparable:
                pair.reset()
                history, mismatch = [], None
            assert mismatch is None, _report(seed, history, mismatch)
            difference = restarted(pair, rng)
            assert difference is None, _report(seed, history, difference)
            history.append("-- restart --")


def _report(seed: int, history: list[str], what: object) -> str:
    shown = [line if len(line) < 200 else line[:200] + "..." for line in history[-60:]]
    return f"seed {seed}: {what}\n" + "\n".join(f"    {line}" for line in shown)
