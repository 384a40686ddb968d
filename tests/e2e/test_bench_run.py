"""bench/run: what it makes of the answers of chorale-bench, and that it runs; no timing counts."""

import html
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from report.__main__ import found, main
from report.figures import Ratio, Source, Target, is_worthless, number, ratio
from report.plan import ALL, ONE, REDIS, SATURATION, TWO, chosen, measurements
from report.rows import ROWS
from report.running import Pace, load_command
from report.table import summary, text
from report.verdicts import Verdict, judge
from support.prerequisites import program
from support.server import REPOSITORY, binary_under_test

CORES = 2


def answer(cpu: float = 1.0, **more: object) -> dict:
    """What chorale-bench prints, with figures that all follow from one."""
    return {
        "workload": "set",
        "settings": {"rate": 1000.0 * cpu},
        "operations": 1000,
        "errors": 0,
        "seconds": 1.0,
        "throughput": 1e6 / cpu,
        "latency_us": {"mean": cpu, "p50": cpu, "p99": cpu, "p99.9": cpu, "max": cpu},
        "server": {"cpu_us_per_operation": cpu, "voluntary_switches": 10},
        "loader": {"cpu_us_per_operation": cpu / 2, "busiest_thread": 0.5},
        "deliveries": 1000,
        "server_cpu_us_per_delivery": cpu,
        "bytes_per_key": cpu,
        "bytes_per_member": cpu,
        "bytes_per_connection": cpu,
    } | more


def results_of(figures: dict[str, list[float]]) -> dict:
    """The same rounds in every measurement: CPU by the name of the subject."""
    return {
        each.name: {
            subject.name: [answer(cpu) for cpu in figures[subject.name]]
            for subject in each.subjects
        }
        for each in measurements(CORES)
    }


def document(results: dict, **more: object) -> dict:
    return {
        "command": "bench/run",
        "cores": CORES,
        "machine": ["2 cores"],
        "versions": ["Redis server v=7"],
        "results": results,
        "failures": [],
        "layers": None,
    } | more


LAYERS = {
    "columns": ["core", "chorale", "memory"],
    "rounds": 1,
    "scenarios": [
        {
            "title": "send then receive, one process",
            "figures": [
                {
                    "key": "trip",
                    "label": "median, us",
                    "better": "lower",
                    "values": {"core": [500.0], "chorale": [50.0], "memory": []},
                    "cells": {"core": "500", "chorale": "50", "memory": "-"},
                }
            ],
        }
    ],
}

HALF = {
    "redis": [2.0, 2.1, 1.9],
    "chorale-1": [1.0] * 3,
    "chorale-2": [1.1] * 3,
    "chorale": [1.0] * 3,
}
ROW = next(row for row in ROWS if row.label == "SET, pipeline 16")


def set_p16(redis: list[float], chorale: list[float]) -> dict:
    return {"set-p16": {REDIS.name: list(map(answer, redis)), ONE.name: list(map(answer, chorale))}}


# ---- figures ----


def test_a_ratio_is_that_of_the_medians_with_those_of_the_rounds_behind_it() -> None:
    found = ratio([1.0, 2.0, 9.0], [2.0, 4.0, 3.0])
    assert found == Ratio(2.0 / 3.0, [0.5, 0.5, 3.0])
    assert (found.smallest, found.largest) == (0.5, 3.0)


def test_a_figure_that_differs_by_more_than_half_between_rounds_is_worthless() -> None:
    assert not is_worthless([2.0, 2.9])
    assert is_worthless([2.0, 2.5, 3.1])
    assert not is_worthless([2.0]), "one round says nothing about the spread"


def test_what_was_not_measured_has_no_ratio() -> None:
    assert ratio([], [1.0]) is None
    assert ratio([1.0], [0.0]) is None
    server = Source("set-p16", ONE.name, "cpu")
    assert server.rounds({"set-p16": {ONE.name: [answer(server=None)]}}) == []
    assert server.rounds({}) == []


def test_numbers_have_three_digits_that_count() -> None:
    assert [number(value) for value in (0.04321, 7.258, 1234567.8, math.nan)] == [
        "0.0432",
        "7.26",
        "1,234,568",
        "-",
    ]


def test_a_target_is_kept_at_its_limit() -> None:
    assert Target(0.7).keeps(0.7)
    assert not Target(0.7).keeps(0.71)
    assert Target(1.6, at_least=True).keeps(1.6)
    assert not Target(1.6, at_least=True).keeps(1.5)


# ---- verdicts ----


@pytest.mark.parametrize(
    ("chorale", "verdict", "ruling"),
    [
        ([0.6, 0.6, 0.6], Verdict.KEPT, "kept"),
        ([0.6, 0.6, 0.7], Verdict.KEPT, "kept, rounds disagree"),
        ([0.6, 0.7, 0.7], Verdict.NOT_KEPT, "not kept, rounds disagree"),
        ([0.7, 0.7, 0.7], Verdict.NOT_KEPT, "not kept"),
    ],
)
def test_the_medians_decide_and_it_is_said_if_rounds_disagree(
    chorale: list[float], verdict: Verdict, ruling: str
) -> None:
    line = judge(ROW, set_p16([1.0, 1.0, 1.0], chorale), CORES)
    assert (line.verdict, line.ruling) == (verdict, ruling)


def test_a_row_without_figures_is_not_measured() -> None:
    assert judge(ROW, set_p16([1.0], []), CORES).verdict is Verdict.NOT_MEASURED


def test_errors_of_the_loader_are_noted() -> None:
    results = set_p16([1.0], [0.5])
    results["set-p16"][ONE.name][0]["errors"] = 7
    assert judge(ROW, results, CORES).notes == ["7 errors in set-p16 on chorale-1"]


def test_throughput_of_two_threads_is_judged_only_where_there_are_the_cores_for_it() -> None:
    measured, derived = (
        next(row for row in ROWS if row.label.startswith(label))
        for label in ("throughput, uniform keys", "per second of CPU, uniform keys")
    )
    results = results_of(HALF)
    few = [judge(row, results, 2) for row in (measured, derived)]
    assert [line.verdict for line in few] == [Verdict.NOT_JUDGED, Verdict.KEPT]
    assert few[1].ratio
    assert few[1].ratio.median == pytest.approx(2 / 1.1)
    # 1.1 us of the server and 0.55 of the loader on two cores, beside 1 us with one thread.
    assert "0.55 us of CPU" in few[0].notes[0]
    assert f"{number(2 / 1.65)} times" in few[0].notes[0]

    many = [judge(row, results, 4) for row in (measured, derived)]
    assert [line.verdict for line in many] == [Verdict.NOT_KEPT, Verdict.NOT_JUDGED]
    assert many[0].notes == []


def test_a_loader_without_time_is_noted_beside_a_throughput() -> None:
    row = next(row for row in ROWS if row.label == "throughput, uniform keys")
    results = results_of(HALF)
    for busy in results["threads-uniform"][TWO.name]:
        busy["loader"]["busiest_thread"] = 0.99
    assert judge(row, results, 8).notes == ["the loader's busiest thread had no time left"]


# ---- the plan ----


def test_every_row_finds_its_figures_in_the_plan() -> None:
    plan = {each.name: {subject.name for subject in each.subjects} for each in measurements(CORES)}
    for row in ROWS:
        for source in (row.own, row.beside):
            assert source.subject in plan[source.measurement], row
    for line in found(document(results_of(HALF))):
        assert line.ratio, line.row


def test_only_names_sections_and_measurements() -> None:
    every = measurements(CORES)
    assert chosen([], every) == (every, True)
    some, layers = chosen(["set-p16", "memory"], every)
    assert [each.name for each in some] == [
        "set-p16",
        "memory-string",
        "memory-zset",
        "memory-idle",
    ]
    assert not layers
    assert chosen(["layers"], every) == ([], True)
    with pytest.raises(ValueError, match="nothing"):
        chosen(["nothing"], every)


def test_a_load_in_the_open_loop_needs_the_rate_that_saturates_redis() -> None:
    some, _ = chosen(["latency-50"], measurements(CORES))
    assert [each.name for each in some] == [SATURATION, "latency-50"]
    line = load_command("chorale-bench", some[1], Pace(1, 0.5, 0.1, 1), 1234.5)
    assert line[line.index("--rate") + 1] == "1234"
    assert line[line.index("--seconds") + 1] == "1.5"


# ---- what is printed and written ----


def test_the_table_and_the_page_have_every_row_with_its_target(tmp_path: Path) -> None:
    source = tmp_path / "in.json"
    source.write_text(json.dumps(document(results_of(HALF), layers=LAYERS)))
    assert main(["--from", str(source), "--results", str(tmp_path)]) == 0
    lines = found(json.loads((tmp_path / "latest.json").read_text()))
    table, page = text(lines), html.unescape((tmp_path / "report.html").read_text())
    assert len(lines) == len(ROWS)
    for row in ROWS:
        for written in (table, page):
            assert row.section.title in written
            assert row.label in written
            assert not row.target or str(row.target) in written
    assert LAYERS["scenarios"][0]["title"] in page


def test_the_page_needs_no_other_file_and_has_a_chart_for_everything(tmp_path: Path) -> None:
    source = tmp_path / "in.json"
    source.write_text(json.dumps(document(results_of(HALF), layers=LAYERS)))
    main(["--from", str(source), "--results", str(tmp_path)])
    page = (tmp_path / "report.html").read_text()
    names = re.findall(r'<svg role="img" aria-label="([\w-]+)"', page)
    assert names == ["ratios", "gains", "latency", "group-size", "processes", "keys", "layers"]
    assert not re.search(r"<(link|script|img|iframe)|@import|url\(['\"]?http", page)
    identities = re.findall(r'\bid="([^"]+)"', page)
    assert len(identities) == len(set(identities))


def test_the_summary_says_what_is_missed_and_what_is_worthless() -> None:
    results = set_p16([1.0, 1.0, 2.0], [0.8, 0.8, 0.8])
    line = judge(ROW, results, CORES)
    assert summary([line]) == [
        "0 of 1 targets judged are kept.",
        f"not kept, rounds disagree: {ROW.section.title}: {ROW.label}: 0.8, target at most 0.65",
        f"worthless, rounds differ by more than 1.5 times: {ROW.section.title}: {ROW.label}",
    ]
    assert "0.8 ?" in text([line])


def test_check_and_failures_make_the_exit_code(tmp_path: Path) -> None:
    def code(results: dict, *options: str, **more: object) -> int:
        source = tmp_path / "in.json"
        source.write_text(json.dumps(document(results, **more)))
        return main(["--from", str(source), "--results", str(tmp_path), *options])

    kept, missed = set_p16([1.0], [0.5]), set_p16([1.0], [0.9])
    assert [code(kept), code(kept, "--check")] == [0, 0]
    assert [code(missed), code(missed, "--check")] == [0, 1]
    assert code(kept, failures=[["set-p16", "redis", "connection refused"]]) == 1


def test_a_name_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "nothing"]) == 2
    assert "there is no nothing" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.chorale_only
def test_it_measures_both_servers_and_the_layers(tmp_path: Path) -> None:
    program("redis-server")
    names = ("set-p16", "native_send_receive", "core_send_receive", "memory-idle", "latency-50")
    options = [word for name in (*names, "layers") for word in ("--only", name)]
    command = [sys.executable, "-m", "report", "--rounds", "1", "--seconds", "0.05", *options]
    done = subprocess.run(
        [*command, "--server", binary_under_test(), "--results", str(tmp_path)],
        check=False,
        cwd=REPOSITORY / "bench",
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    latest = json.loads((tmp_path / "latest.json").read_text())
    assert latest["failures"] == []
    for name in names:
        for subject, answers in latest["results"][name].items():
            assert len(answers) == 1, subject
            assert answers[0]["operations"] > 0
            assert answers[0]["errors"] == 0
    assert {row["row"] for row in latest["rows"]} >= {"SET, pipeline 16", "idle connection"}
    assert set(latest["layers"]["columns"]) >= {"core", "pubsub", "chorale", "memory"}
    # Redis, Chorale's single thread and all of its threads got the same load.
    rates = {
        latest["results"]["latency-50"][subject.name][0]["settings"]["rate"]
        for subject in (REDIS, ONE, ALL)
    }
    assert len(rates) == 1
