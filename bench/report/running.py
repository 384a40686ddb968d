"""Runs the plan: a server for each single run, in turn, and chorale-bench as its load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from report.figures import Answer, Results
from report.plan import REDIS, SATURATION, Measurement, Subject
from servers import Server

# Beyond the time that a run is given: to connect, to fill, to warm up.
PATIENCE = 120.0


class Programs(NamedTuple):
    redis: str
    chorale: str
    loader: str


class Pace(NamedTuple):
    rounds: int
    seconds: float  # of each run
    warm_up: float
    curve_rounds: int


class Failure(NamedTuple):
    measurement: str
    subject: str
    reason: str


def load_command(
    loader: str, measurement: Measurement, pace: Pace, rate: float | None
) -> list[str]:
    """Without what says where the server is."""
    options: dict[str, Any] = {
        **measurement.options,
        "seconds": pace.seconds * measurement.longer,
        "warmup": pace.warm_up,
    }
    if rate is not None:
        options["rate"] = round(rate)
    line = [loader, "--workload", measurement.workload, "--json", "-"]
    for name, value in options.items():
        line += [f"--{name}", str(value)]
    return line


def run(
    programs: Programs, measurement: Measurement, subject: Subject, pace: Pace, rate: float | None
) -> Answer:
    """Raises RuntimeError with what went wrong."""
    program = {"redis": programs.redis, "chorale": programs.chorale}[subject.server]
    command = load_command(programs.loader, measurement, pace, rate)
    with Server(subject.label, [program, *subject.options]) as server:
        command += ["--port", str(server.port), "--server-pid", str(server.pid)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=pace.seconds * measurement.longer + pace.warm_up + PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{Path(programs.loader).name} does not end") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(lines[-1])
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise RuntimeError(f"no JSON: {error}") from None


def measure(
    programs: Programs,
    plan: list[Measurement],
    pace: Pace,
    say: Callable[[str], None],
) -> tuple[Results, list[Failure]]:
    """All rounds. A run that fails is left out, with its measurement in later rounds."""
    results: Results = {each.name: {subject.name: [] for subject in each.subjects} for each in plan}
    failures: list[Failure] = []
    failed: set[tuple[str, str]] = set()
    for number in range(pace.rounds):
        todo = [each for each in plan if not each.curve or number < pace.curve_rounds]
        for i, measurement in enumerate(todo):
            say(f"round {number + 1} of {pace.rounds}, {i + 1} of {len(todo)}: {measurement.name}")
            for subject in measurement.subjects:
                if (measurement.name, subject.name) in failed:
                    continue
                try:
                    rate = _rate(measurement, results)
                    answer = run(programs, measurement, subject, pace, rate)
                except RuntimeError as error:
                    failed.add((measurement.name, subject.name))
                    failures.append(Failure(measurement.name, subject.name, str(error)))
                    continue
                results[measurement.name][subject.name].append(answer)
    return results, failures


def _rate(measurement: Measurement, results: Results) -> float | None:
    """Operations per second that are offered: a share of what saturated Redis in this round."""
    if measurement.load is None:
        return None
    saturated = results[SATURATION][REDIS.name]
    if not saturated:
        raise RuntimeError("Redis's saturation was not measured")
    return saturated[-1]["throughput"] * measurement.load


def measure_layers(
    programs: Programs, rounds: int, seconds: float
) -> tuple[dict[str, Any] | None, list[Failure]]:
    """bench/layers, in a process of its own; the answer is the JSON that it writes."""
    compare = Path(__file__).resolve().parent.parent / "layers/compare.py"
    command = [sys.executable, str(compare), "--all", "--json", "-", "--server", programs.chorale]
    command += ["--rounds", str(rounds), "--seconds", str(seconds)]
    # Its progress goes to standard error. Ctrl-C does not reach it in a session of its own, and it
    # is asked to end once, so that it can end what it has started.
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            written, _ = process.communicate()
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        return None, [Failure("layers", "all", f"exit code {process.returncode}, see above")]
    return json.loads(written), []
