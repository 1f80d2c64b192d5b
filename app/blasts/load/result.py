"""The result of a load: counts, latencies and, if the plan asks for them, a record of each purchase."""

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
    """Percentiles of latencies in seconds, by nearest rank, so that each is the latency of an actual request."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Return the percentiles of these latencies. All are 0 without a latency."""
        if not seconds:
            return cls(0.0, 0.0, 0.0, 0.0)
        ranked = sorted(seconds)
        return cls(nearest_rank(ranked, 50), nearest_rank(ranked, 95), nearest_rank(ranked, 99), ranked[-1])

    def as_milliseconds(self) -> dict[str, float]:
        return {name: round(seconds * 1000, 3) for name, seconds in dataclasses.asdict(self).items()}


def nearest_rank(ranked: Sequence[float], percent: float) -> float:
    """Return the smallest of the ascending values that at least `percent` of the values do not exceed."""
    return ranked[max(1, ceil(len(ranked) * percent / 100)) - 1]


@dataclass(frozen=True, slots=True)
class PurchaseRecord:
    """The record of one purchase.

    `outcome`: `accepted`, the slug of the problem, or the reason why there is no reply (status 0)
    `latency`: seconds from the intended time of the first request to the final answer
    `trace_id`: the trace that the answer names, whether or not it was sampled
    `sent_at`: when the first request was sent, in Unix seconds; changes of the system's clock during the load do not
        affect it
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
    """The result of a load. Durations are in seconds and begin with the first request.

    `outcomes`: number of purchases by outcome
    `errors`: purchases without a final answer, or with a 5xx answer
    `replayed`: acceptances that repeat an earlier answer to the same key
    `retried`: purchases that took more than one attempt
    `lag`: how long after their intended time requests were sent (open loop); it is part of their latency
    `started_at`: Unix seconds
    `seconds`: until the last answer
    `accepted_seconds`: until the last acceptance
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
    records: tuple[PurchaseRecord, ...] = ()

    @property
    def sent(self) -> int:
        return sum(self.outcomes.values())

    @property
    def unsent(self) -> int:
        """Return the number of purchases that were not sent because the time was up or the load was cancelled."""
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
        """Return the figures for a reader, without plan and records. Latencies are in milliseconds."""
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
                "records": tuple(PurchaseRecord(**record) for record in document["records"]),
            }
        )
