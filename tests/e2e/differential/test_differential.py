"""The same random commands to a real redis-server and to the server under test, reply by reply.

Seeds are fixed. CHORALE_DIFFERENTIAL_SEQUENCES sets how many sequences each family runs,
CHORALE_DIFFERENTIAL_SEED where they start.
"""

from __future__ import annotations

import os

import pytest

from .crowd import CrowdStep, crowd_sequence, fewest, run_blocking, run_pubsub
from .forms import FAMILIES
from .generator import Generator
from .runner import Mismatch, Pair, Step, minimal

SEQUENCES = int(os.environ.get("CHORALE_DIFFERENTIAL_SEQUENCES", "120"))
FIRST_SEED = int(os.environ.get("CHORALE_DIFFERENTIAL_SEED", "0"))
REPORTED = 8
CROWDS = {"blocking": run_blocking, "pubsub": run_pubsub}


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_random_commands_are_answered_as_redis_answers_them(
    pair: Pair, family: str, protocol: int
) -> None:
    generator = Generator(family, pair.lacking)
    reports: dict[str, str] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + SEQUENCES):
        steps = generator.sequence(seed)
        mismatch = pair.run(steps, protocol, seed)
        if mismatch is None:
            continue
        steps, mismatch = minimal(pair, steps, mismatch, protocol, seed)
        reports.setdefault(mismatch.topic, _report(seed, steps, mismatch))
        if len(reports) == REPORTED:
            break
    assert not reports, "\n\n".join(reports.values())


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("family", CROWDS)
def test_clients_at_once_are_answered_as_redis_answers_them(
    pair: Pair, family: str, protocol: int
) -> None:
    run = CROWDS[family]
    reports: dict[str, str] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + max(1, SEQUENCES // 2)):
        steps = crowd_sequence(family, seed, pair.lacking)
        mismatch = run(pair, steps, protocol)
        if mismatch is None:
            continue
        steps, mismatch = fewest(run, pair, steps, mismatch, protocol)
        reports.setdefault(mismatch.topic, _report(seed, steps, mismatch))
        if len(reports) == REPORTED:
            break
    assert not reports, "\n\n".join(reports.values())


def _report(seed: int, steps: list[Step] | list[CrowdStep], mismatch: Mismatch) -> str:
    lines = [f"seed {seed}:", *(f"    {step}" for step in steps)]
    if mismatch.step:
        lines.append(f"  at {mismatch.step}")
    lines += [f"  reference: {mismatch.expected}", f"  tested:    {mismatch.actual}"]
    return "\n".join(lines)
