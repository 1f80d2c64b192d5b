"""The measured figures of one side. The format of `as_json()` is a contract, because programs parse the report."""

from dataclasses import dataclass, field
from typing import Any

from app.blasts.load.result import Latency
from app.blasts.witnesses import Witnesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The identity of a sale, in tickets: `stock = remaining + backlog + booked` if nothing is set aside."""

    stock: int
    remaining: int
    backlog: int
    booked: int

    @property
    def holds(self) -> bool:
        return self.stock == self.remaining + self.backlog + self.booked


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFigures:
    """The figures of one side.

    `promises_exactness`: whether the strategy promises to sell exactly; the claims depend on it
    `errors`: requests that were neither accepted nor refused as sold out
    `booked`: tickets in the ledger, counted from the bookings of this round
    `counter_says`: tickets sold according to the sale's counter
    `accepted_but_not_booked`: reservations in answers to buyers that the ledger lacks
    `accepted_twice`: reservations or customers that appear in more than one acceptance
    `witnesses`: pairs of purchases that read one version and both wrote
    `answered_per_second`: requests answered, accepted or refused; the other two rates are of tickets, and mean little
        for a stock of ten
    `seconds_to_consistent`: from the last acceptance to the first poll that found no backlog; None if there was none
        in time
    """

    sale: str
    strategy: str
    promises_exactness: bool
    stock: int
    requests: int
    concurrency: int
    accepted: int
    sold_out: int
    errors: int
    booked: int
    oversold: int
    undersold: int
    counter_says: int
    duplicates: int
    accepted_but_not_booked: int
    accepted_twice: int
    latency: Latency
    answered_per_second: float
    accepted_per_second: float
    persisted_per_second: float
    seconds_to_consistent: float | None
    identity: Identity
    witnesses: Witnesses = field(default_factory=Witnesses)

    def as_json(self) -> dict[str, Any]:
        seconds = self.seconds_to_consistent
        return {
            "sale": self.sale,
            "strategy": self.strategy,
            "stock": self.stock,
            "requests": self.requests,
            "concurrency": self.concurrency,
            "accepted": self.accepted,
            "sold_out": self.sold_out,
            "errors": self.errors,
            "booked": self.booked,
            "oversold": self.oversold,
            "undersold": self.undersold,
            "counter_says": self.counter_says,
            "duplicates": self.duplicates,
            "latency_ms": self.latency.as_milliseconds(),
            "answered_per_second": round(self.answered_per_second, 1),
            "accepted_per_second": round(self.accepted_per_second, 1),
            "persisted_per_second": round(self.persisted_per_second, 1),
            "seconds_to_consistent": None if seconds is None else round(seconds, 4),
            "identity": {
                "stock": self.identity.stock,
                "remaining": self.identity.remaining,
                "backlog": self.identity.backlog,
                "booked": self.identity.booked,
            },
            "witnesses": self.witnesses.as_json(),
        }
