"""The replies of the gate, and the errors raised if it can't decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.sales.model import Purchase, ReservationId
from app.sales.order import Order
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Outcome, Reserved, SoldOut
from app.sales.strategy import Snapshot

HEADER = 6  # values of reserve.lua's reply before the answers: result, round, epoch, hint, ms until open, remaining
WIDTH = 4  # values of one purchase's answer


class GateUnavailable(TemporarilyUnavailable):
    """The stock server is away or slow. A purchase sent may have been accepted: a retry with the same key shows it."""


class GateBusy(TemporarilyUnavailable):
    """The purchase was not sent, and nothing was taken."""


class GateForgot(TemporarilyUnavailable):
    """The stock server answers but can't vouch for the sale, whose keys are missing, fenced, or of another epoch.

    `result` is the first value of reserve.lua's reply. Nothing was taken.
    """

    title = "Sale Being Recounted"
    slug = "sale-recounting"

    def __init__(self, detail: str, result: str) -> None:
        super().__init__(detail, retry_after_seconds=2.0)
        self.result = result


class DecisionFailed(AtomicTicketsError):
    """A shared call failed because of a defect, not an outage.

    Its purchases may have been accepted: a retry with the same key shows it.
    """

    def __init__(self, defect: Exception) -> None:
        super().__init__(
            "The request failed, and the error is logged. Retry with the same key to learn whether it took tickets."
        )
        self.__cause__ = defect


@dataclass(frozen=True, slots=True, order=True)
class FencingToken:
    """The newest (epoch, round) of a sale that a caller knows.

    (0, 0) means that it knows none; the gate then answers 'stale' with the current ones.
    """

    epoch: int = 0
    round: int = 0


@dataclass(slots=True)  # not frozen, as Purchase
class Decision:
    """The outcome of one purchase. `number` is the order's number in its epoch, or 0 if this call made no order."""

    outcome: Outcome
    number: int = 0


@dataclass(frozen=True, slots=True)
class BatchReply:
    """The reply to one call of `reserve`. If `result` is not 'decided', there are no decisions and nothing was taken.

    `hint_due`: whether the caller should send a hint to the workers. `remaining`: tickets after the call.
    `seeded_by`: if the result is 'stale', the traceparent of the span that seeded the present epoch; '' if that span
    is not sampled.
    `confirmed`: whether enough replicas have the orders that the decisions promise. If not, no buyer is told of them.
    """

    result: str
    token: FencingToken
    hint_due: bool
    remaining: int
    decisions: list[Decision]
    seeded_by: str = ""
    confirmed: bool = True

    @classmethod
    def of(cls, sale: str, purchases: Sequence[Purchase], reply: list[Any], *, confirmed: bool = True) -> Self:
        """Return the reply from the values that reserve.lua returns."""
        result, round_, epoch, hint, opens_in_ms, remaining = reply[:HEADER]
        decisions = []
        if result == "decided":
            answers = (reply[start : start + WIDTH] for start in range(HEADER, len(reply), WIDTH))
            decisions = [
                decision(sale, round_, purchase, answer, opens_in_ms)
                for purchase, answer in zip(purchases, answers, strict=True)
            ]
        seeded_by = reply[HEADER] if result == "stale" else ""
        return cls(result, FencingToken(epoch, round_), hint == 1, remaining, decisions, seeded_by, confirmed)


@dataclass(frozen=True, slots=True)
class GateSnapshot:
    """A sale as the gate has it, at one instant.

    `stock`, `remaining` and `backlog` are in tickets. `accepted` is the number of the newest order in the epoch.
    `allotted`: the tickets that were put on sale in this epoch, at its opening, by growth and by releases.
    `written` and `acknowledged`: the tickets of this epoch's orders that were written to the stream, and of those that
    left it because they are in the ledger. `written_orders` and `acknowledged_orders` are the same in orders.
    `repairs` counts how often leaked tickets were given back, and `released` the reservations that were released.
    `restored`: how many answers the recount had restored when it opened the sale.
    `fenced_at`: the newest epoch that was known to the process which fenced the sale, 0 if none has.
    `server` is the run id of the server that the sale was seeded on. `ledger` is the incarnation of the ledger's server
    that had all of its orders at the last look.
    `limit`, `opens` and `closes` (Unix time in ms) are the terms in force, of the ledger's `generation`; 0 means none.
    `last_entry` is the newest stream id, or ''.
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
    limit: int = 0
    opens: int = 0
    closes: int = 0
    generation: int = 0
    allotted: int = 0
    written: int = 0
    written_orders: int = 0
    acknowledged: int = 0
    acknowledged_orders: int = 0
    restored: int = 0
    fenced_at: int = 0
    ledger: str = ""
    last_entry: str = ""

    @classmethod
    def of(cls, values: Sequence[str]) -> Self:
        """Return the snapshot from the values that snapshot.lua returns for SNAPSHOT_FIELDS."""
        named = dict(zip((*SNAPSHOT_FIELDS, "last_entry"), values, strict=True))
        typed: dict[str, Any] = {
            field.name: named[field.name] if field.type is str else int(named[field.name]) for field in fields(cls)
        }
        return cls(**typed)

    @property
    def leaked(self) -> int:
        """Return the tickets that were taken and never written as an order; negative if there are too many left."""
        return self.allotted - self.remaining - self.written

    def as_counter(self) -> Snapshot:
        """Return the snapshot in the form that the counters of all strategies have."""
        return Snapshot(
            round=self.round,
            epoch=self.epoch,
            stock=self.stock,
            remaining=self.remaining,
            backlog=self.backlog,
            available=self.state != "fenced",
            returns=self.repairs + self.released,
        )


SNAPSHOT_FIELDS = (
    *(field.name for field in fields(GateSnapshot) if field.name != "last_entry"),
    *("hinted_at", "expires"),  # only checked: reserve.lua needs them
)


class RestoredOrder(NamedTuple):
    """An order whose answer is restored, and the tickets (`counted`) that count towards the customer's limit."""

    order: Order
    counted: int


Entry = tuple[str, Mapping[str, str]]
"""The id and the fields of an entry of the stream."""


def decision(sale: str, round_: int, purchase: Purchase, answer: Sequence[Any], opens_in_ms: int) -> Decision:
    """Return the decision that the four values of one purchase's answer stand for (see reserve.lua)."""
    code, first, second, number = answer
    match code:
        case "reserved":
            return Decision(Reserved(ReservationId(sale, round_, first, second), purchase.quantity), number)
        case "sold-out":
            return Decision(SoldOut(first))
        case "replayed":
            return Decision(Reserved(ReservationId(sale, round_, first, second), purchase.quantity, replayed=True))
        case "key-reused":
            return Decision(KeyReused(first))
        case "limit":
            return Decision(CustomerLimitReached(held=first, limit=second))
        case _:
            return Decision(NotOpen(code, opens_in_ms / 1000 if code == "scheduled" else None))
