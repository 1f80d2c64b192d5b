"""The phase of a sale, for display. Whether a purchase succeeds is decided by the strategy, not by the phase."""

from datetime import datetime
from enum import StrEnum

from app.sales.model import Sale
from app.sales.strategy import Snapshot


class Phase(StrEnum):
    """The phases. `Pending` exists only for a resource, while the ledger has no sale of its name yet."""

    PENDING = "Pending"
    SEEDING = "Seeding"
    SCHEDULED = "Scheduled"
    OPEN = "Open"
    PAUSED = "Paused"
    SOLD_OUT = "SoldOut"
    DRAINING = "Draining"
    CLOSED = "Closed"
    DEGRADED = "Degraded"


def phase(sale: Sale, snapshot: Snapshot | None, now: datetime) -> Phase:
    """Return the phase at `now` (timezone-aware). `snapshot` is None if the counter is gone or its store is away.

    It is the first that applies of Degraded, Seeding, Draining or Closed, Paused, Scheduled, SoldOut, Open.
    """
    if snapshot is None:
        return _without_counter(sale)
    if not snapshot.available:
        return Phase.DEGRADED
    if (snapshot.round, snapshot.epoch) != (sale.round, sale.epoch):
        return Phase.SEEDING
    if sale.ended_at is not None or _reached(sale.terms.closes_at, now):
        return Phase.DRAINING if snapshot.backlog > 0 else Phase.CLOSED
    return _while_it_runs(sale, snapshot, now)


def _while_it_runs(sale: Sale, snapshot: Snapshot, now: datetime) -> Phase:
    if sale.paused:
        return Phase.PAUSED
    if sale.terms.opens_at is not None and now < sale.terms.opens_at:
        return Phase.SCHEDULED
    return Phase.SOLD_OUT if snapshot.remaining <= 0 else Phase.OPEN


def _without_counter(sale: Sale) -> Phase:
    """Return the phase without a counter. An ended sale needs none; until it is removed it counts as draining."""
    if sale.removed_at is not None:
        return Phase.CLOSED
    return Phase.DEGRADED if sale.ended_at is None else Phase.DRAINING


def _reached(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
