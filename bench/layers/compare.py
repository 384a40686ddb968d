"""Channel layers side by side: channels_redis on Redis, channels_chorale on Chorale.

    bench/layers/run [--rounds 5] [--seconds 4] [--quick] [--all] [--server PATH] [--check]
    bench/layers/run --json FILE

Both servers run on loopback at the same time, without persistence and else with their defaults, so
that Chorale uses every core; one of them is idle while the other is measured. The layers, core and
pubsub of channels_redis and Chorale's, have the defaults of their packages; the event loop is that
of asyncio. Each round measures every layer once in each scenario, A B C A B C, in processes that
are started for it:

- send then receive: one process sends to a channel of its own and receives that message,
- a group of channels in one process that sends to it as well, as the in-memory layer can, too,
- a group of channels in several processes, each channel with a task that receives, and another
  process that sends: first one message after the other, each when all channels have the one before;
  then as many as are allowed under way at once, the same for each layer and fewer than those at
  which layers drop. Receivers acknowledge through a pipe. Delivered is a message that one channel
  has received, counted from the first send to the last delivery; the CPU is that of this part.

CPU is that of a process, user and system. Printed are medians over the rounds, and ratios with
their spread over the rounds; a figure whose rounds differ too much is marked. With --json the
rounds of every figure are written there instead, for bench/run. With --check the project's limits
are printed, and the exit code is 1 if one is not kept; a tool for whoever runs the broker or
changes it, on a quiet machine, and no test.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# The processes that are started for a measurement get this path too.
sys.path.insert(1, str(FOLDER.parent))

from columns import COLUMNS, MORE_COLUMNS, Column  # noqa: E402
from figures import (  # noqa: E402
    ROUND_TRIPS,
    WORTHLESS_SPREAD,
    Scenario,
    Values,
    as_json,
    group_scenario,
    print_table,
    verdicts,
    worthless,
)
from measuring import Group, measure_alone, measure_group, measure_round_trips  # noqa: E402

from servers import CHORALE_SERVER, REDIS_IN_MEMORY, Server, find_tools  # noqa: E402

ALONE_CHANNELS = 100
ALONE = group_scenario(ALONE_CHANNELS, "the sender's process")
GROUPS = {
    group_scenario(100, "2 processes"): Group(100, 2),
    group_scenario(1000, "4 processes", limited=True): Group(1000, 4),
}


def measure(
    servers: dict[str | None, Server], columns: list[Column], rounds: int, seconds: float
) -> dict[Scenario, Values]:
    figures: dict[Scenario, Values] = {
        scenario: {column: [] for column in columns} for scenario in (ROUND_TRIPS, ALONE, *GROUPS)
    }
    for number in range(rounds):
        print(f"layers, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for column in columns:
            server = servers.get(column.server)
            figures[ROUND_TRIPS][column].append(measure_round_trips(column, server, seconds))
        for column in columns:
            server = servers.get(column.server)
            figures[ALONE][column].append(measure_alone(column, server, ALONE_CHANNELS, seconds))
        for scenario, group in GROUPS.items():
            for column in columns:
                if column.server:
                    server = servers[column.server]
                    figures[scenario][column].append(measure_group(column, server, group, seconds))
    return figures


def describe(programs: dict[str, str]) -> None:
    """Prints the command and what it runs on."""
    print(" ".join(["bench/layers/run", *sys.argv[1:]]))
    packages = ("channels", "channels_redis", "redis", "hiredis", "channels_chorale")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    print(", ".join([f"Python {platform.python_version()}", *versions]))
    for program in programs.values():
        done = subprocess.run(
            [program, "--version"], check=True, capture_output=True, text=True, timeout=10
        )
        print(done.stdout.strip())
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(f"{cores} cores, load {load:.2f}")
    if load > cores / 4:
        print("something else runs on this machine: absolute figures will not be reproduced")


def explain(figures: dict[Scenario, Values]) -> None:
    lines = worthless(figures)
    if lines:
        print(f"\n? worthless, the rounds differ by more than {WORTHLESS_SPREAD:g} times:")
    for line in lines:
        print(f"  {line}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/layers/run", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, help="default: 5, with --quick 3")
    parser.add_argument("--seconds", type=float, help="of one measurement; default: 4")
    parser.add_argument("--quick", action="store_true", help="rough figures within two minutes")
    parser.add_argument("--all", action="store_true", help="more columns")
    parser.add_argument("--server", default=str(CHORALE_SERVER))
    parser.add_argument("--json", metavar="FILE", help="-: standard output; no table is printed")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is not kept")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    seconds = arguments.seconds or (0.8 if arguments.quick else 4.0)
    columns = COLUMNS + (MORE_COLUMNS if arguments.all else [])

    sys.stdout.reconfigure(line_buffering=True)
    # Ended from outside, it ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    programs = {"redis": find_tools("redis-server")[0], "chorale": arguments.server}
    options = {"redis": REDIS_IN_MEMORY, "chorale": ()}
    if not arguments.json:
        describe(programs)
    with ExitStack() as stack:
        servers: dict[str | None, Server] = {}
        for name, program in programs.items():
            servers[name] = stack.enter_context(Server(name, [program, *options[name]]))
        figures = measure(servers, columns, rounds, seconds)
    if arguments.json:
        names = [column.name for column in columns]
        answer = {"columns": names, "rounds": rounds, "scenarios": as_json(figures)}
        with open(arguments.json, "w") if arguments.json != "-" else nullcontext(sys.stdout) as out:
            json.dump(answer, out, indent=1)
        return 0
    print_table(figures, columns)
    explain(figures)
    if not arguments.check:
        return 0
    lines, all_kept = verdicts(figures)
    print("\n" + "\n".join(lines))
    return 0 if all_kept else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
