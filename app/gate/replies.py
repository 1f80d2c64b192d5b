"""What the gate says, and the ways in which it can't."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.sales.outcomes import Outcome


class GateUnavailable(TemporarilyUnavailable):
    """The stock server is away or slow. What was sent may have happened: only the same key can tell."""


class GateBusy(TemporarilyUnavailable):
    """The purchase never left this process: nothing was taken."""


class GateForgot(TemporarilyUnavailable):
    """The stock server is there and can't vouch for the sale: its keys are gone, fenced, or of another time."""

    title = "Sale Being Recounted"
    slug = "sale-recounting"

    def __init__(self, detail: str, verdict: str) -> None:
        super().__init__(detail, retry_after_seconds=2.0)
        self.verdict = verdict


class DecisionFailed(AtomicTicketsError):
    """A defect, no outage, met a shared call. It may have happened all the same: only the same key can tell."""

    def __init__(self, defect: Exception) -> None:
        super().__init__("The request failed; it is logged. Whether it took tickets, the same key finds out.")
        self.__cause__ = defect


@dataclass(frozen=True, slots=True, order=True)
class Fence:
    """The newest (epoch, round) that a caller knows of a sale. (0, 0) knows nothing, and is told."""

    epoch: int = 0
    round: int = 0


@dataclass(slots=True)  # not frozen, as Purchase
class Decision:
    """The outcome of one purchase; `number` is the order's own in its epoch, 0 where none was made by this call."""

    outcome: Outcome
    number: int = 0


@dataclass(frozen=True, slots=True)
class BatchReply:
    """What one call of `reserve` came to. Without decisions (`verdict` is not 'decided') nothing was taken.

    `remaining`: tickets afterwards. `seeded_by`: where the verdict is 'stale', the traceparent of whoever seeded the
    epoch that rules now; '' where that isn't sampled.
    """

    verdict: str
    fence: Fence
    hint_due: bool
    remaining: int
    decisions: list[Decision]
    seeded_by: str = ""


@dataclass(frozen=True, slots=True)
class GateSnapshot:
    """A sale as the gate has it, at one instant. Tickets, but for `accepted`: the number of the newest order.

    `limit`, `opens` and `closes` (ms since the epoch) are the terms it decides by; 0 stands for none.
    """

    round: int
    epoch: int
    state: str
    stock: int
    remaining: int
    backlog: int
    accepted: int
    repairs: int
    released: int
    server: str
    last_entry: str
    limit: int = 0
    opens: int = 0
    closes: int = 0

    @classmethod
    def of(cls, fields: list[str]) -> Self:
        round_, epoch, state, stock, remaining, backlog, accepted, repairs, released, server, *terms, last = fields
        limit, opens, closes = terms
        return cls(
            int(round_),
            int(epoch),
            state,
            int(stock),
            int(remaining),
            int(backlog),
            int(accepted),
            int(repairs),
            int(released),
            server,
            last,
            int(limit),
            int(opens),
            int(closes),
        )


@dataclass(frozen=True, slots=True)
class Remembered:
    """An order to restore: its answer, and the tickets that count towards the customer's limit."""

    customer: str
    key: str
    entry: str
    nonce: str
    quantity: int
    counted: int


Entry = tuple[str, Mapping[str, str]]
