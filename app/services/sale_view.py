"""Everything that is told of a sale, from one look at its counter and one at the ledger."""

from dataclasses import dataclass
from datetime import datetime

from app.ledger.tally import Tally
from app.sales.model import Sale
from app.sales.phase import Phase, phase
from app.sales.strategy import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`stock = remaining + backlog + set_aside + booked`, in tickets.

    `holds` is None where that can't be told: the counter is away, or orders moved while the two stores were read.
    """

    stock: int
    remaining: int | None
    backlog: int | None
    set_aside: int
    booked: int
    holds: bool | None

    @classmethod
    def of(cls, counter: Snapshot | None, tally: Tally, *, still: bool) -> "Identity":
        """`still`: the counter had not moved when the tally was done."""
        return cls(
            stock=tally.stock,
            remaining=None if counter is None else counter.remaining,
            backlog=None if counter is None else counter.backlog,
            set_aside=tally.set_aside,
            booked=tally.booked,
            holds=None if counter is None else holds(counter, tally, still=still),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleView:
    """A sale as GET /sales/{sale} tells it; figures in tickets. What only the counter knows is None while it is away.

    `oversold`, `undersold` and all that is booked are counted from the ledger's rows. `counter_says` is how many
    tickets the counter believes are sold: beside `booked` it shows what a race has done to it. `lost`: buyers were told
    of these and nobody has them; None while orders are on their way, since one of them may be meant. `returns`: how
    often tickets have come back to the counter in this epoch. `owner_generation`: of the resource, as last followed.
    """

    name: str
    strategy: str
    round: int
    epoch: int
    phase: Phase
    stock: int
    remaining: int | None
    backlog: int | None
    set_aside: int
    booked: int
    rejected: int
    duplicates: int
    oversold: int
    undersold: int | None
    lost: int | None
    customer_limit: int | None
    think_ms: int
    opens_at: datetime | None
    closes_at: datetime | None
    paused: bool
    managed_by: str
    identity: Identity
    counter_says: int | None
    returns: int | None = None
    owner_generation: int | None = None

    @classmethod
    def of(cls, sale: Sale, snapshot: Snapshot | None, tally: Tally, *, still: bool, now: datetime) -> "SaleView":
        """`snapshot` was taken before the tally. `still`: the counter had not moved when the tally was done."""
        counter = snapshot if snapshot and (snapshot.round, snapshot.epoch) == (sale.round, sale.epoch) else None
        identity = Identity.of(counter, tally, still=still)
        return cls(
            name=sale.name,
            strategy=sale.terms.strategy,
            round=sale.round,
            epoch=sale.epoch,
            phase=phase(sale, snapshot, now),
            stock=tally.stock,
            remaining=identity.remaining,
            backlog=identity.backlog,
            set_aside=tally.set_aside,
            booked=tally.booked,
            rejected=tally.rejected,
            duplicates=tally.duplicates,
            oversold=max(0, tally.booked - tally.stock),
            undersold=None if counter is None else max(0, tally.stock - accounted_for(counter, tally)),
            lost=tally.untraced if counter and counter.available and counter.backlog == 0 and still else None,
            customer_limit=sale.terms.customer_limit,
            think_ms=sale.terms.think_ms,
            opens_at=sale.terms.opens_at,
            closes_at=sale.terms.closes_at,
            paused=sale.paused,
            managed_by=sale.managed_by,
            identity=identity,
            counter_says=None if counter is None else tally.stock - counter.remaining,
            returns=None if counter is None else counter.returns,
            owner_generation=sale.owner_generation,
        )


def accounted_for(counter: Snapshot, tally: Tally) -> int:
    """The tickets that are sold, on their way, or still to be had."""
    return counter.remaining + counter.backlog + tally.set_aside + tally.booked


def holds(counter: Snapshot, tally: Tally, *, still: bool) -> bool | None:
    """Whether the round adds up. A sum that doesn't is only believed when no order was on its way meanwhile:
    what is booked between the two looks is in both."""
    if accounted_for(counter, tally) == tally.stock == counter.stock:
        return True
    return False if still and counter.backlog == 0 else None
