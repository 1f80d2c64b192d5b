"""What became of a load: counts, latencies, and where asked what each single buyer was told."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from app.blasts.load.plan import LoadPlan

ACCEPTED = "accepted"
SOLD_OUT = "sold-out"


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles by nearest rank, in seconds: each is a latency that some request really had."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """All zero where nothing was measured."""
        if not seconds:
            return cls(0.0, 0.0, 0.0, 0.0)
        ranked = sorted(seconds)
        return cls(nearest_rank(ranked, 50), nearest_rank(ranked, 95), nearest_rank(ranked, 99), ranked[-1])

    def as_milliseconds(self) -> dict[str, float]:
        return {name: round(seconds * 1000, 3) for name, seconds in dataclasses.asdict(self).items()}


def nearest_rank(ranked: Sequence[float], percent: float) -> float:
    """The smallest of the ascending values that at least `percent` of them do not exceed."""
    return ranked[max(1, ceil(len(ranked) * percent / 100)) - 1]


@dataclass(frozen=True, slots=True)
class Told:
    """What one buyer was told finally. `outcome`: accepted, the problem's slug, or why no reply came (status 0).

    `trace_id`: which trace the service told of, whether or not it was sampled.
    `sent_at`: when the first request left, in Unix seconds of a clock that is not set while the load runs.
    """

    number: int
    key: str
    customer: str
    outcome: str
    status: int
    latency: float
    attempts: int
    replayed: bool
    reservation_id: str | None
    trace_id: str | None = None
    sent_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """`started_at` in Unix seconds; durations in seconds, from the first request.

    errors            requests without an answer, or with a 5xx one
    retried           requests that took more than one attempt
    lag               how late requests left after their intended time (open loop); it is part of their latency
    seconds           until the last answer
    accepted_seconds  until the last acceptance
    """

    plan: LoadPlan
    outcomes: dict[str, int]
    errors: int
    replayed: int
    retried: int
    latency: Latency
    lag: Latency
    started_at: float
    seconds: float
    accepted_seconds: float
    records: tuple[Told, ...] = ()

    @property
    def sent(self) -> int:
        return sum(self.outcomes.values())

    @property
    def unsent(self) -> int:
        """Requests that the time bound, or a cancel, kept from being sent."""
        return self.plan.requests - self.sent

    @property
    def accepted(self) -> int:
        return self.outcomes.get(ACCEPTED, 0)

    @property
    def sold_out(self) -> int:
        return self.outcomes.get(SOLD_OUT, 0)

    @property
    def answered_per_second(self) -> float:
        return (self.sent - self.errors) / self.seconds if self.seconds else 0.0

    @property
    def accepted_per_second(self) -> float:
        return self.accepted / self.accepted_seconds if self.accepted_seconds else 0.0

    def summary(self) -> dict[str, Any]:
        """The figures for a person or the blast's row: no plan, no records, latencies in milliseconds."""
        return {
            "requests": self.plan.requests,
            "concurrency": self.plan.concurrency,
            "sent": self.sent,
            "unsent": self.unsent,
            "accepted": self.accepted,
            "sold_out": self.sold_out,
            "errors": self.errors,
            "replayed": self.replayed,
            "retried": self.retried,
            "outcomes": self.outcomes,
            "latency_ms": self.latency.as_milliseconds(),
            "answered_per_second": round(self.answered_per_second, 1),
            "accepted_per_second": round(self.accepted_per_second, 1),
            "seconds": round(self.seconds, 4),
        }

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "LoadResult":
        return cls(
            **{
                **document,
                "plan": LoadPlan.from_json(document["plan"]),
                "latency": Latency(**document["latency"]),
                "lag": Latency(**document["lag"]),
                "records": tuple(Told(**record) for record in document["records"]),
            }
        )
