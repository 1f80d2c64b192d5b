"""The figures of a race: of one strategy in one run, and over several runs the middle and the spread."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import median
from typing import Any

from app.blasts.load.result import nearest_rank
from app.races.history.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceFigures:
    """One run. None: it could not be read, as without access to the stores.

    accepted, sold      tickets: what buyers were told, and what the ledger has
    errors              requests without a plain answer
    *_ms                from the first request of a purchase to its final answer, over all purchases
    seconds_to_consistent  from the last acceptance until the ledger had all that were accepted
    retries, aborts     for each ticket sold: attempts within the service that others were faster than, and those of
                        them that PostgreSQL gave up (40001, 40P01)
    asked_again         requests for each purchase, beyond the first
    lock_wait_ms        for each purchase: how long connections of the API waited for a lock of PostgreSQL
    connections         of the API to PostgreSQL, not idle: the most that were seen at once, and the mean
    redis_calls         for each purchase: commands that Redis carried out, those inside scripts and of workers too
    redis_reads         for each purchase: requests that Redis read off its connections
    """

    accepted: int
    sold: int
    oversold: int
    undersold: int | None
    errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    accepted_per_second: float
    persisted_per_second: float | None
    seconds_to_consistent: float | None
    retries: float
    aborts: float
    asked_again: float
    lock_wait_ms: float | None = None
    connections: int | None = None
    connections_mean: float | None = None
    redis_calls: float | None = None
    redis_reads: float | None = None


NAMES = tuple(field.name for field in fields(RaceFigures))


@dataclass(frozen=True, slots=True)
class Spread:
    """Of one figure over all runs."""

    median: float
    lowest: float
    highest: float


@dataclass(slots=True)
class Entry:
    """One strategy in a race: what it promises, its runs, and what the check of their histories found."""

    name: str
    promises_exactness: bool
    keeps_limit: bool
    accepted_in: str
    runs: list[RaceFigures] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)  # by anomaly: the first one's witness, and how many
    failure: str | None = None  # why it could not be raced

    def add(self, figures: RaceFigures, findings: Sequence[Finding]) -> None:
        self.runs.append(figures)
        for finding in findings:
            known = self.findings.setdefault(finding.anomaly, finding)
            if known is not finding:
                known.count += finding.count

    def spread(self, name: str) -> Spread | None:
        """None where a run lacks it."""
        values = [getattr(run, name) for run in self.runs]
        if not values or any(value is None for value in values):
            return None
        return Spread(median(values), min(values), max(values))

    @property
    def exact(self) -> bool:
        """In every run, by the ledger and by the history."""
        return (
            bool(self.runs) and not self.findings and all(not run.oversold and not run.undersold for run in self.runs)
        )

    @property
    def oversold_in(self) -> int:
        """How many of the runs were oversold."""
        return sum(run.oversold > 0 for run in self.runs)

    @property
    def keeps_its_word(self) -> bool:
        return self.failure is None and (self.exact or not self.promises_exactness)

    def as_json(self) -> dict[str, Any]:
        spreads = {name: spread for name in NAMES if (spread := self.spread(name)) is not None}
        return {
            "strategy": self.name,
            "promises_exactness": self.promises_exactness,
            "keeps_limit": self.keeps_limit,
            "accepted_in": self.accepted_in,
            "exact": self.exact,
            "oversold_in": self.oversold_in,
            "failure": self.failure,
            "figures": {name: asdict(spread) for name, spread in spreads.items()},
            "runs": [asdict(run) for run in self.runs],
            "findings": [finding.as_json() for finding in self.findings.values()],
        }


def by_merit(entries: Sequence[Entry]) -> list[Entry]:
    """What a reader looks for: first those that were exact, and among equals the fastest first."""

    def merit(entry: Entry) -> tuple[bool, float]:
        spread = entry.spread("accepted_per_second")
        return (not entry.exact, -(spread.median if spread else 0.0))

    return sorted(entries, key=merit)


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """By nearest rank; all zero where nothing was measured."""
    ranked = sorted(seconds) or [0.0]
    percents = {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0, "p999_ms": 99.9}
    return {name: nearest_rank(ranked, percent) * 1000 for name, percent in percents.items()}
