"""What is measured, the limits of the project, and the table."""

from __future__ import annotations

import math
import statistics
from typing import Any, NamedTuple

from columns import CHORALE, CORE, PUBSUB, Column

# A figure whose largest value is so many times the smallest one says nothing.
WORTHLESS_SPREAD = 1.5
LABEL_WIDTH, CELL_WIDTH, RATIO_WIDTH = 50, 10, 24


class Limit(NamedTuple):
    """What the ratio of Chorale's figure to another column's has to be."""

    to: Column
    at_least: bool
    ratio: float

    def keeps(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.at_least else ratio <= self.ratio

    def __str__(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.ratio:g} times {self.to.name}"


class Figure(NamedTuple):
    """`key` is the name that measuring.py gives it."""

    key: str
    label: str
    limits: tuple[Limit, ...] = ()
    is_share: bool = False  # of 1; the worst round counts
    better: str = ""  # "lower" or "higher", for those that bench/run draws


class Scenario(NamedTuple):
    title: str
    figures: tuple[Figure, ...]


# The values of each column, one for each round; by the key of the figure.
Values = dict[Column, list[dict[str, float]]]

ROUND_TRIPS = Scenario(
    "send then receive, one process",
    (
        Figure("trip", "median, us", (Limit(CORE, False, 0.2),), better="lower"),
        Figure("trip_cpu", "server CPU for it, us", (Limit(CORE, False, 0.1),), better="lower"),
    ),
)


def group_scenario(channels: int, where: str, *, limited: bool = False) -> Scenario:
    rate = (Limit(CORE, True, 10), Limit(PUBSUB, True, 1.2)) if limited else ()
    cpu = (Limit(CORE, False, 0.05),) if limited else ()
    return Scenario(
        f"group_send, {channels:,} channels in {where}",
        (
            Figure("send", "median, one at a time, us"),
            Figure("reach", "median until all have received it, us", better="lower"),
            Figure("rate", "delivered per second", rate, better="higher"),
            Figure("delivered", "delivered of those expected", is_share=True),
            Figure("send_cpu", "server CPU per group_send, us", cpu, better="lower"),
            Figure("receiver_cpu", "receivers' CPU per message delivered, us"),
        ),
    )


def print_table(scenarios: dict[Scenario, Values], columns: list[Column]) -> None:
    """Medians over the rounds, and Chorale's ratios with their spread."""
    for scenario, values in scenarios.items():
        heads = "".join(f"{column.name:>{_width(column)}}" for column in columns)
        ratios = "".join(
            f"   {f'to {peer.name} (spread)':{RATIO_WIDTH}}" for peer in (CORE, PUBSUB)
        )
        print(f"\n{scenario.title:{LABEL_WIDTH}}{heads}{ratios}".rstrip())
        for figure in scenario.figures:
            rounds = _rounds(figure, values)
            cells = "".join(
                f"{_cell(figure, rounds[column]):>{_width(column)}}" for column in columns
            )
            print(
                f"  {figure.label:{LABEL_WIDTH - 2}}{cells}{_ratio_cells(figure, rounds)}".rstrip()
            )


def worthless(scenarios: dict[Scenario, Values]) -> list[str]:
    """A line for each figure that the noise of the machine has spoilt."""
    return [
        f"{scenario.title}: {figure.label}: {column.name}, "
        f"{_number(min(rounds))} to {_number(max(rounds))}"
        for scenario, values in scenarios.items()
        for figure in scenario.figures
        for column, rounds in _rounds(figure, values).items()
        if _is_worthless(figure, rounds)
    ]


def verdicts(scenarios: dict[Scenario, Values]) -> tuple[list[str], bool]:
    """A line for each limit, and whether all are kept."""
    lines, all_kept = [], True
    for scenario, values in scenarios.items():
        for figure in scenario.figures:
            for limit in figure.limits:
                ratio, each = _ratios(_rounds(figure, values), limit.to)
                kept = limit.keeps(ratio)
                all_kept = all_kept and kept
                doubt = "" if len(set(map(limit.keeps, each))) == 1 else ", but the rounds disagree"
                lines.append(
                    f"{'kept' if kept else 'not kept'}{doubt}: {scenario.title}: {figure.label}: "
                    f"{_number(ratio)} times, {limit}"
                )
    return lines, all_kept


def as_json(scenarios: dict[Scenario, Values]) -> list[dict[str, Any]]:
    """For bench/run: the rounds of each figure by name of the column, and the table's cells."""
    return [
        {
            "title": scenario.title,
            "figures": [
                {
                    "key": figure.key,
                    "label": figure.label,
                    "better": figure.better,
                    "values": {column.name: rounds for column, rounds in found.items()},
                    "cells": {column.name: _cell(figure, found[column]) for column in found},
                }
                for figure in scenario.figures
                for found in [_rounds(figure, values)]
            ],
        }
        for scenario, values in scenarios.items()
    ]


def _rounds(figure: Figure, values: Values) -> dict[Column, list[float]]:
    """Empty for a column that has no such figure, as a layer without a server has no server CPU."""
    return {
        column: [each[figure.key] for each in rounds if figure.key in each]
        for column, rounds in values.items()
    }


def _ratios(rounds: dict[Column, list[float]], peer: Column) -> tuple[float, list[float]]:
    """Of the medians, and of each round."""
    ratio = _ratio(statistics.median(rounds[CHORALE]), statistics.median(rounds[peer]))
    return ratio, list(map(_ratio, rounds[CHORALE], rounds[peer]))


def _ratio(figure: float, to: float) -> float:
    """Not a number where a measurement was shorter than what the clock of CPU time can tell."""
    return figure / to if to else math.nan


def _is_worthless(figure: Figure, rounds: list[float]) -> bool:
    if figure.is_share or not rounds:
        return False
    return max(rounds) > min(rounds) * WORTHLESS_SPREAD


def _width(column: Column) -> int:
    return max(CELL_WIDTH, len(column.name)) + 2


def _cell(figure: Figure, rounds: list[float]) -> str:
    if not rounds:
        return "-"
    if figure.is_share:
        return _share(min(rounds))
    mark = " ?" if _is_worthless(figure, rounds) else ""
    return _number(statistics.median(rounds)) + mark


def _ratio_cells(figure: Figure, rounds: dict[Column, list[float]]) -> str:
    if figure.is_share:
        return ""
    cells = ""
    for peer in (CORE, PUBSUB):
        ratio, each = _ratios(rounds, peer)
        spread = f"{_number(ratio)} ({_number(min(each))}-{_number(max(each))})"
        cells += f"   {spread:{RATIO_WIDTH}}"
    return cells


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _share(value: float) -> str:
    """Never 100 % for less."""
    return "100 %" if value == 1 else f"{int(value * 1e4) / 100:.2f} %"
