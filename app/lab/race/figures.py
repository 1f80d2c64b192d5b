"""The figures of a race: those of one strategy in one run, and their median and spread over several runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import median
from typing import Any

from app.blasts.load.result import nearest_rank
from app.races.history.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceFigures:
    """The figures of one run. A figure is None if it could not be read, for example without access to the stores.

    `stock`: tickets for sale
    `accepted`, `sold`: tickets that were accepted, according to the answers, and tickets that are booked in the ledger
    `errors`: purchases whose final answer was neither an acceptance nor a refusal as sold out or over the limit
    `p50_ms`, `p95_ms`, `p99_ms`, `p999_ms`: from the first request of a purchase to its final answer
    `answered_per_second`: purchases with a final answer, accepted or refused, from the first request to the last answer
    `seconds_to_consistent`: from the last acceptance until the ledger had all accepted tickets
    `retries`: attempts inside the service that lost to another purchase, for each ticket sold
    `aborts`: those of the retries that PostgreSQL aborted (SQLSTATE 40001, 40P01), for each ticket sold
    `asked_again`: requests after the first one, for each purchase
    `lock_wait_ms`: time that connections of the API waited for locks of PostgreSQL, for each purchase
    `connections`, `connections_mean`: connections of the API to PostgreSQL that were not idle, the most at once and the
        mean
    `redis_calls`: commands that Redis executed, also inside scripts and for workers, for each purchase
    `redis_reads`: requests that Redis read from its connections, each with one command or many, for each purchase
    """

    stock: int
    accepted: int
    sold: int
    oversold: int
    undersold: int
    errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    answered_per_second: float
    seconds_to_consistent: float | None
    retries: float
    aborts: float
    asked_again: float
    lock_wait_ms: float | None = None
    connections: int | None = None
    connections_mean: float | None = None
    redis_calls: float | None = None
    redis_reads: float | None = None


FIGURE_NAMES = tuple(field.name for field in fields(RaceFigures))


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of one figure over all runs, with its lowest and highest value."""

    median: float
    lowest: float
    highest: float


@dataclass(slots=True)
class Entry:
    """One strategy in a race: what it promises, its runs, and what the check of their histories found.

    `findings`: by anomaly, the finding of the first run that has it, with the count of all runs
    `checked`: whether the history of every run was checked; otherwise only the service's own figures are known
    `failure`: the reason why the strategy could not be raced
    `summary`: what the strategy is, in a sentence or two
    """

    name: str
    promises_exactness: bool
    keeps_limit: bool
    accepted_in: str
    runs: list[RaceFigures] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)
    checked: bool = True
    failure: str | None = None
    summary: str = ""

    def add(self, figures: RaceFigures, findings: Sequence[Finding] | None) -> None:
        """Add a run, and add up the findings of each anomaly. `findings` is None if there was no history to check."""
        self.runs.append(figures)
        self.checked = self.checked and findings is not None
        for finding in findings or ():
            first = self.findings.setdefault(finding.anomaly, finding)
            if first is not finding:
                first.count += finding.count

    def spread(self, name: str) -> Spread | None:
        """Return the spread of the figure with this name, or None if there is no run or a run lacks the figure."""
        values = [getattr(run, name) for run in self.runs]
        if not values or any(value is None for value in values):
            return None
        return Spread(median(values), min(values), max(values))

    @property
    def has_result(self) -> bool:
        """Return whether the strategy was raced or failed, so that there is something to report of it."""
        return bool(self.runs) or self.failure is not None

    @property
    def exact(self) -> bool:
        """Return whether there was a run, none was oversold or undersold, and no history has an anomaly."""
        return (
            bool(self.runs) and not self.findings and all(not run.oversold and not run.undersold for run in self.runs)
        )

    @property
    def found(self) -> dict[str, int]:
        """Return the count of each anomaly over all runs. Without a history it is known from the figures alone."""
        if self.findings:
            return {str(name): finding.count for name, finding in self.findings.items()}
        return inexact(self.runs)

    @property
    def oversold_in(self) -> int:
        """Return the number of runs that were oversold."""
        return sum(run.oversold > 0 for run in self.runs)

    @property
    def broke_its_promise(self) -> bool:
        """Return whether the strategy promises to be exact and was not. A strategy that was not raced broke nothing."""
        return bool(self.runs) and self.promises_exactness and not self.exact

    @property
    def kept_its_promise(self) -> bool:
        """Return whether the strategy was raced in every run, and was exact if it promises to be."""
        return self.failure is None and not self.broke_its_promise

    def as_json(self) -> dict[str, Any]:
        spreads = {name: spread for name in FIGURE_NAMES if (spread := self.spread(name)) is not None}
        return {
            "strategy": self.name,
            "summary": self.summary,
            "promises_exactness": self.promises_exactness,
            "keeps_limit": self.keeps_limit,
            "accepted_in": self.accepted_in,
            "exact": self.exact,
            "checked": self.checked,
            "oversold_in": self.oversold_in,
            "failure": self.failure,
            "figures": {name: asdict(spread) for name, spread in spreads.items()},
            "runs": [asdict(run) for run in self.runs],
            "findings": [finding.as_json() for finding in self.findings.values()],
        }


def inexact(runs: Sequence[RaceFigures]) -> dict[str, int]:
    """Return the tickets that were oversold and undersold in these runs, without those that are 0."""
    counts = {name: sum(getattr(run, name) for run in runs) for name in ("oversold", "undersold")}
    return {name: count for name, count in counts.items() if count}


def by_merit(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries with those that were exact first, and among equals the fastest first."""

    def merit(entry: Entry) -> tuple[bool, float]:
        spread = entry.spread("answered_per_second")
        return (not entry.exact, -(spread.median if spread else 0.0))

    return sorted(entries, key=merit)


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return the percentiles of these latencies in milliseconds, by nearest rank. All are 0 without a latency."""
    ranked = sorted(seconds) or [0.0]
    percents = {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0, "p999_ms": 99.9}
    return {name: nearest_rank(ranked, percent) * 1000 for name, percent in percents.items()}
