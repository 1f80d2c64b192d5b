"""A sale as the HTTP API shows it, from one reading of its counter and one of the ledger."""

from dataclasses import dataclass
from datetime import datetime

from app.ledger.tally import Tally
from app.sales.model import Sale
from app.sales.phase import Phase, phase
from app.sales.strategy import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The identity `stock = remaining + backlog + set_aside + booked`, in tickets.

    `holds` is None if it is unknown: the counter is away, or orders moved while the two stores were read.
    """

    stock: int
    remaining: int | None
    backlog: int | None
    set_aside: int
    booked: int
    holds: bool | None

    @classmethod
    def of(cls, counter: Snapshot | None, tally: Tally, *, unchanged: bool) -> "Identity":
        """Return the identity. `unchanged`: whether the counter was the same after the tally."""
        return cls(
            stock=tally.stock,
            remaining=None if counter is None else counter.remaining,
            backlog=None if counter is None else counter.backlog,
            set_aside=tally.set_aside,
            booked=tally.booked,
            holds=None if counter is None else identity_holds(counter, tally, unchanged=unchanged),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleView:
    """A sale and the figures of its round, in tickets. GET /sales/{sale} returns the fields of SaleViewOut.

    A figure that only the counter knows is None while the counter is away.

    booked, rejected, duplicates, oversold: counted from the ledger's rows
    undersold: tickets that are neither sold, nor on their way, nor set aside, nor left
    counter_says: how many tickets the counter believes are sold; beside `booked` it shows what a race has done to it
    lost: tickets that were promised to buyers and that no store has; None while orders are on their way, because a
        receipt may belong to one of those orders
    rebooked: tickets of bookings that the ledger had lost and that were made again (app.reconcile.rebook)
    returns: how often tickets have come back to the counter in this epoch
    owner_generation: the generation of the resource that the sale last followed
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
    rebooked: int
    customer_limit: int | None
    think_ms: int
    opens_at: datetime | None
    closes_at: datetime | None
    paused: bool
    managed_by: str
    ended_at: datetime | None
    identity: Identity
    counter_says: int | None
    returns: int | None = None
    owner_generation: int | None = None

    @classmethod
    def of(cls, sale: Sale, snapshot: Snapshot | None, tally: Tally, *, unchanged: bool, now: datetime) -> "SaleView":
        """Return the view. `snapshot` was taken before the tally; `unchanged`: whether it was the same after it."""
        counter = snapshot if snapshot and (snapshot.round, snapshot.epoch) == (sale.round, sale.epoch) else None
        identity = Identity.of(counter, tally, unchanged=unchanged)
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
            lost=tally.unaccounted if counter and counter.available and counter.backlog == 0 and unchanged else None,
            rebooked=tally.rebooked,
            customer_limit=sale.terms.customer_limit,
            think_ms=sale.terms.think_ms,
            opens_at=sale.terms.opens_at,
            closes_at=sale.terms.closes_at,
            paused=sale.paused,
            managed_by=sale.managed_by,
            ended_at=sale.ended_at,
            identity=identity,
            counter_says=None if counter is None else tally.stock - counter.remaining,
            returns=None if counter is None else counter.returns,
            owner_generation=sale.owner_generation,
        )


def accounted_for(counter: Snapshot, tally: Tally) -> int:
    """Return the tickets that are sold, on their way, set aside or left."""
    return counter.remaining + counter.backlog + tally.set_aside + tally.booked


def identity_holds(counter: Snapshot, tally: Tally, *, unchanged: bool) -> bool | None:
    """Return whether the round adds up, or None if it is unknown.

    A wrong sum counts only if no order was on its way: an order that is booked between the two readings is in both.
    """
    if accounted_for(counter, tally) == tally.stock == counter.stock:
        return True
    return False if unchanged and counter.backlog == 0 else None
