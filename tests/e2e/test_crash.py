"""Nothing acknowledged is lost when the broker is killed under load, and nothing is half there.

CRASH_KILLS says how often each mode is killed (default 4; the long form: 30), CRASH_SEED where the
random choices start. crash/ has the load and the judges.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crash.run import CrashTest
from support.server import Server, run_to_exit
from support.waiting import scaled

KILLS = int(os.environ.get("CRASH_KILLS", "4"))
SEED = int(os.environ.get("CRASH_SEED", "0"))
# appendfsync, the seconds of writes that a crash may take, and how long the broker lives.
MODES = {
    "always": (0.0, (0.05, 1.5)),
    "everysec": (1.0, (1.2, 2.6)),
    "no": (1.0, (1.2, 2.6)),
}
# Writes that a whole test has at least to vouch for, per kill; a weak load shows nothing.
LEAST_PROMISED = 50


@pytest.mark.sanitizer
@pytest.mark.slow
@pytest.mark.timeout(600 + 60 * KILLS)
@pytest.mark.parametrize("appendfsync", MODES)
def test_a_killed_broker_has_kept_what_it_acknowledged(
    keeping_server: Callable[..., Server], tmp_path: Path, appendfsync: str
) -> None:
    allowance, (shortest, longest) = MODES[appendfsync]
    server = keeping_server(appendfsync)
    test = CrashTest(server, SEED, allowance)
    test.prepare()
    for kill in range(1, KILLS + 1):
        crash = test.live(scaled(test.rng.uniform(shortest, longest)))
        if not server.is_redis:
            arguments = ["--check", str(tmp_path / "data")]
            code, _, errors = run_to_exit(server.binary, arguments, tmp_path)
            assert code == 0, f"after kill {kill}: {errors}"
        test.start_again()
        problems = test.judge(crash)
        assert not problems, f"after kill {kill}:\n" + "\n".join(problems[:20])
    assert test.promised >= LEAST_PROMISED * KILLS
