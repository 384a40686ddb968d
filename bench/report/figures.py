"""From the loader's answers to figures: medians over the rounds, ratios, spread, verdicts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

# One answer of chorale-bench.
Answer = dict[str, Any]
# By measurement and subject, one answer for each round.
Results = dict[str, dict[str, list[Answer]]]

# A figure whose largest value of a round is so many times the smallest says nothing.
WORTHLESS_SPREAD = 1.5
# A loader whose busiest thread takes so much of a core cannot send more.
BUSY_LOADER = 0.95

# What is read from an answer, and the unit of it.
FIGURES: dict[str, tuple[str, Callable[[Answer], float | None]]] = {
    "cpu": ("us", lambda answer: answer["server"]["cpu_us_per_operation"]),
    "throughput": ("/s", lambda answer: answer["throughput"]),
    "p50": ("us", lambda answer: answer["latency_us"]["p50"]),
    "p99.9": ("us", lambda answer: answer["latency_us"]["p99.9"]),
    "delivery_cpu": ("us", lambda answer: answer["server_cpu_us_per_delivery"]),
    "per_cpu_second": ("/s", lambda answer: 1e6 / answer["server"]["cpu_us_per_operation"]),
    "delivery_time": ("us", lambda answer: answer["seconds"] / answer["deliveries"] * 1e6),
    "bytes_per_key": ("bytes", lambda answer: answer["bytes_per_key"]),
    "bytes_per_member": ("bytes", lambda answer: answer["bytes_per_member"]),
    "bytes_per_connection": ("bytes", lambda answer: answer["bytes_per_connection"]),
    "loader_cpu": ("us", lambda answer: answer["loader"]["cpu_us_per_operation"]),
    "loader_busy": ("cores", lambda answer: answer["loader"]["busiest_thread"]),
    "voluntary_switches": (
        "",
        lambda answer: answer["server"]["voluntary_switches"] / answer["operations"] * 1000,
    ),
}


class Source(NamedTuple):
    """Where a figure is found."""

    measurement: str
    subject: str
    figure: str

    @property
    def unit(self) -> str:
        return FIGURES[self.figure][0]

    def rounds(self, results: Results) -> list[float]:
        """The figure of each round in which it was measured; none if there is a round without."""
        read = FIGURES[self.figure][1]
        answers = results.get(self.measurement, {}).get(self.subject, [])
        try:
            values = [read(answer) for answer in answers]
        except (KeyError, TypeError, ZeroDivisionError):
            return []
        return [] if None in values else [float(value) for value in values if value is not None]


class Ratio(NamedTuple):
    """Of two figures: that of their medians, and of each round."""

    median: float
    rounds: list[float]

    @property
    def smallest(self) -> float:
        return min(self.rounds)

    @property
    def largest(self) -> float:
        return max(self.rounds)


def median(rounds: list[float]) -> float:
    return statistics.median(rounds) if rounds else math.nan


def spread(rounds: list[float]) -> float:
    """How many times the smallest the largest is; not a number for less than two rounds."""
    if len(rounds) < 2 or min(rounds) <= 0:
        return math.nan
    return max(rounds) / min(rounds)


def is_worthless(rounds: list[float]) -> bool:
    return spread(rounds) > WORTHLESS_SPREAD


def ratio(top: list[float], bottom: list[float], scale: float = 1.0) -> Ratio | None:
    """None where something was not measured, or was too little to be seen by the clock."""
    rounds = [scale * a / b for a, b in zip(top, bottom, strict=False) if b > 0]
    if not rounds or median(bottom) <= 0:
        return None
    return Ratio(scale * median(top) / median(bottom), rounds)


class Target(NamedTuple):
    """What a ratio has to be."""

    limit: float
    at_least: bool = False

    def keeps(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.limit:g}"


def cell(rounds: list[float]) -> str:
    """The median, marked if it says nothing."""
    return number(median(rounds)) + (" ?" if is_worthless(rounds) else "")


def number(value: float) -> str:
    """Three digits that count, and all of those before the point."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
