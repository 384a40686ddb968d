"""Whether the rows keep their targets, and what is to be known of how they were measured."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from report.figures import BUSY_LOADER, Ratio, Results, Source, is_worthless, median, number, ratio
from report.plan import ONE, TWO, Subject
from report.rows import CORES_FOR_TWO_THREADS, Row


class Verdict(Enum):
    KEPT = "kept"
    NOT_KEPT = "not kept"
    NO_TARGET = ""
    NOT_JUDGED = "not judged"
    NOT_MEASURED = "not measured"


class Line(NamedTuple):
    """A row with what was measured."""

    row: Row
    beside: list[float]  # of each round
    own: list[float]
    ratio: Ratio | None
    verdict: Verdict
    notes: list[str]

    @property
    def worthless(self) -> bool:
        """The ratio says nothing; one of steady ratios may be of figures that drifted together."""
        return bool(self.ratio and is_worthless(self.ratio.rounds))

    @property
    def disagrees(self) -> bool:
        """Some rounds keep the target and others do not."""
        target = self.row.target
        return bool(target and self.ratio and len(set(map(target.keeps, self.ratio.rounds))) > 1)

    @property
    def ruling(self) -> str:
        """The verdict in words."""
        doubt = ", rounds disagree" if self.disagrees and self.is_judged else ""
        return self.verdict.value + doubt

    @property
    def is_judged(self) -> bool:
        return self.verdict in (Verdict.KEPT, Verdict.NOT_KEPT)


def judge(row: Row, results: Results, cores: int) -> Line:
    own, beside = row.own.rounds(results), row.beside.rounds(results)
    of_both = ratio(own, beside, row.scale)
    notes = _notes(row, results, cores)
    if of_both is None:
        return Line(row, beside, own, None, Verdict.NOT_MEASURED, notes)
    if row.target is None:
        verdict = Verdict.NO_TARGET
    elif not row.judged_from <= cores < row.judged_below:
        verdict = Verdict.NOT_JUDGED
    else:
        verdict = Verdict.KEPT if row.target.keeps(of_both.median) else Verdict.NOT_KEPT
    return Line(row, beside, own, of_both, verdict, notes)


def _notes(row: Row, results: Results, cores: int) -> list[str]:
    notes = []
    for source in (row.own, row.beside):
        answers = results.get(source.measurement, {}).get(source.subject, [])
        errors = sum(answer.get("errors", 0) for answer in answers)
        if errors:
            notes.append(f"{errors:,} errors in {source.measurement} on {source.subject}")
    if row.bounded:
        notes += _bottleneck(row.own.measurement, results, cores)
    return notes


def _bottleneck(measurement: str, results: Results, cores: int) -> list[str]:
    """What other than the server may have bounded a throughput of two threads."""
    notes = []

    def of(subject: Subject, figure: str) -> float:
        return median(Source(measurement, subject.name, figure).rounds(results))

    if cores < CORES_FOR_TWO_THREADS:
        loader = of(TWO, "loader_cpu")
        # With one thread the slower of server and loader sets the pace, each on a core.
        alone = max(of(ONE, "cpu"), of(ONE, "loader_cpu"))
        notes.append(
            f"{cores} cores, shared with the loader, which takes {number(loader)} us of CPU for "
            f"each operation: {number(cores / (of(TWO, 'cpu') + loader) * alone)} times the "
            "throughput of one thread at most"
        )
    if of(TWO, "loader_busy") >= BUSY_LOADER:
        notes.append("the loader's busiest thread had no time left")
    return notes
