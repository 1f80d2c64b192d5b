"""Classify the drift that a measurement shows. Pure: no store is asked.

Drift is the number of tickets by which the identity `stock = remaining + backlog + set aside + booked` is off.

Two changes in flight are not drift. Growth: the ledger's stock is committed first and the gate follows, so the sums are
compared with the gate's own stock. Releases: a booking is cancelled in the ledger first, and its tickets come back to
the gate a moment later.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.reconcile.gate_loss import evidence
from app.reconcile.measure import Measurement


class Kind(StrEnum):
    """The kind of drift.

    leaked: tickets without an order
    over_admitted: more orders than tickets
    unvouched: unknown, because there is evidence that the gate has lost data
    """

    NONE = "none"
    LEAKED = "leaked"
    OVER_ADMITTED = "over_admitted"
    UNVOUCHED = "unvouched"


@dataclass(frozen=True, slots=True)
class Drift:
    """The drift of a sale, in tickets. What an unvouched gate has lost is counted from receipts after a recount."""

    kind: Kind
    tickets: int = 0


def classify(measurement: Measurement) -> Drift | None:
    """Return the drift, or None if it is unknown: the sale changed meanwhile, or its backlog is too long to read."""
    if evidence(measurement) is not None:
        return Drift(Kind.UNVOUCHED)
    if not measurement.exact:
        return None
    missing = measurement.missing
    if missing < 0:
        return Drift(Kind.OVER_ADMITTED, -missing)
    leaked = missing - pending_releases(measurement)
    return Drift(Kind.LEAKED, leaked) if leaked > 0 else Drift(Kind.NONE)


def pending_releases(measurement: Measurement) -> int:
    """Return an upper bound of the tickets that are still on their way back to the gate: all cancelled ones, or 0.

    The gate counts releases since it was seeded, so the bound may be too high after a recount. That is the safe side:
    tickets that are wrongly considered pending are at worst sold later, never twice.
    """
    assert measurement.before is not None  # noqa: S101  the measurement is exact
    ledger = measurement.ledger
    return ledger.cancelled if ledger.cancellations > measurement.before.released else 0
