"""Chorale beside Redis: every target of the project, measured, in a table and a report.

    bench/run [--quick] [--only NAME]... [--rounds N] [--seconds S] [--check]

Both servers run on loopback, redis-server with its defaults but without saving, one at a time and
in turn, A B A B: each single run of chorale-bench has a server started for it. Medians over the
rounds are printed with ratios and their spread; bench/results gets latest.json, with every answer
of the loader, and report.html. --list prints what --only may name. --check ends with exit code 1 if
a target is not kept; a tool for whoever changes the broker, on a quiet machine, and no test.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from report.figures import Results
from report.page import page
from report.pictures import pictures
from report.plan import LAYERS, chosen, measurements
from report.rows import ROWS
from report.running import Failure, Pace, Programs, measure, measure_layers
from report.table import layers_text, summary, text
from report.verdicts import Line, Verdict, judge
from servers import CHORALE_SERVER, ROOT, find_tools

CORES = len(os.sched_getaffinity(0))
FULL = Pace(rounds=5, seconds=1.0, warm_up=0.3, curve_rounds=5)
QUICK = Pace(rounds=3, seconds=0.15, warm_up=0.05, curve_rounds=1)
# Rounds and seconds of bench/layers.
FULL_LAYERS = (3, 2.0)
QUICK_LAYERS = (1, 0.3)


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="rough figures within three minutes")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print what --only may name")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of one run of the loader")
    parser.add_argument("--server", default=str(CHORALE_SERVER))
    parser.add_argument("--loader", default=str(CHORALE_SERVER.with_name("chorale-bench")))
    parser.add_argument("--results", type=Path, default=ROOT / "bench/results")
    parser.add_argument("--from", dest="source", type=Path, help="report on this JSON again")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is not kept")
    return parser.parse_args(words)


def pace(arguments: argparse.Namespace) -> Pace:
    default = QUICK if arguments.quick else FULL
    rounds = arguments.rounds or default.rounds
    return default._replace(
        rounds=rounds,
        seconds=arguments.seconds or default.seconds,
        curve_rounds=min(rounds, default.curve_rounds),
    )


def describe(programs: Programs) -> dict[str, list[str]]:
    """What it runs on and with, in lines."""
    load = os.getloadavg()[0]
    machine = [f"{CORES} cores ({_processor()}), Linux {platform.release()}, load {load:.2f}"]
    if load > CORES / 4:
        machine.append(
            "Something else runs on this machine: absolute figures will not be reproduced."
        )
    versions = []
    for program in (programs.redis, programs.chorale):
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)
        versions.append(done.stdout.strip())
    return {"machine": machine, "versions": versions}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def say(what: str) -> None:
    """A line of progress, which the next one replaces on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)
    else:
        print(what, file=sys.stderr, flush=True)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures; the answer is what latest.json holds."""
    plan, with_layers = chosen(arguments.only, measurements(CORES))
    programs = Programs(find_tools("redis-server")[0], arguments.server, arguments.loader)
    paces = pace(arguments)
    began = time.monotonic()
    document: dict[str, Any] = {
        "command": " ".join(["bench/run", *sys.argv[1:]]),
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "cores": CORES,
        **describe(programs),
    }
    results, failures = measure(programs, plan, paces, say)
    layers = None
    if with_layers:
        say("the channel layers in Python\n" if sys.stderr.isatty() else "the channel layers")
        rounds, seconds = QUICK_LAYERS if arguments.quick else FULL_LAYERS
        layers, failed = measure_layers(
            programs, arguments.rounds or rounds, arguments.seconds or seconds
        )
        failures += failed
    say(f"took {time.monotonic() - began:.0f} s\n")
    document.update(results=results, layers=layers, failures=failures)
    return document


def found(document: dict[str, Any]) -> list[Line]:
    """The rows of which something was to be measured."""
    results: Results = document["results"]
    wanted = [
        row for row in ROWS if row.own.measurement in results and row.beside.measurement in results
    ]
    return [judge(row, results, document["cores"]) for row in wanted]


def as_json(line: Line) -> dict[str, Any]:
    return {
        "section": line.row.section.title,
        "row": line.row.label,
        "unit": line.row.own.unit,
        "beside": line.beside,
        "own": line.own,
        "ratio": line.ratio and line.ratio.median,
        "ratios": line.ratio and line.ratio.rounds,
        "target": line.row.target and str(line.row.target),
        "verdict": line.ruling,
        "worthless": line.worthless,
        "notes": line.notes,
    }


def write(document: dict[str, Any], lines: list[Line], results: Path) -> None:
    results.mkdir(parents=True, exist_ok=True)
    document["rows"] = [as_json(line) for line in lines]
    (results / "latest.json").write_text(json.dumps(document, indent=1) + "\n")
    drawn = pictures(document["results"], lines, document["layers"])
    (results / "report.html").write_text(page(document, lines, drawn))


def main(words: list[str]) -> int:
    arguments = parse(words)
    every = measurements(CORES)
    if arguments.list:
        print("\n".join([*dict.fromkeys(each.section for each in every), LAYERS]))
        print("\n".join(f"  {each.name}" for each in every))
        return 0
    try:
        chosen(arguments.only, every)
    except ValueError as unknown:
        print(f"bench/run: there is no {unknown}; see --list", file=sys.stderr)
        return 2
    document = json.loads(arguments.source.read_text()) if arguments.source else run(arguments)
    lines = found(document)
    print("\n".join([document["command"], *document["machine"], *document["versions"], ""]))
    print(text(lines))
    if document["layers"]:
        print(layers_text(document["layers"]))
    print("\n" + "\n".join(summary(lines)))
    failures = [Failure(*each) for each in document["failures"]]
    for failure in failures:
        print(f"failed: {failure.measurement} on {failure.subject}: {failure.reason}")
    write(document, lines, arguments.results)
    print(f"\nwritten: {arguments.results / 'report.html'}, latest.json")
    if failures:
        return 1
    missed = any(line.verdict in (Verdict.NOT_KEPT, Verdict.NOT_MEASURED) for line in lines)
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    # Ended from outside, it ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
