"""What an exact measurement says of the identity. Pure.

Two things in flight are no drift. Growth: the ledger's stock is committed first and the gate follows, so that the sums
are compared with the gate's own stock. Releases: a booking is cancelled in the ledger first, and its ticket comes back
a moment later.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.reconcile.gate_loss import evidence
from app.reconcile.measure import Measurement


class Kind(StrEnum):
    """`leaked`: tickets without an order; `over_admitted`: more orders than tickets; `unvouched`: who knows."""

    NONE = "none"
    LEAKED = "leaked"
    OVER_ADMITTED = "over_admitted"
    UNVOUCHED = "unvouched"


@dataclass(frozen=True, slots=True)
class Drift:
    """By how many tickets the identity is off. What an unvouched gate has lost, receipts tell after a recount."""

    kind: Kind
    tickets: int = 0


def classify(measurement: Measurement) -> Drift | None:
    """None where it can't be told: the sums were overtaken, or the backlog is too long to read."""
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
    """At most so many tickets (all that are cancelled) are still on their way back.

    The gate counts releases since it was seeded, so that this errs to the safe side after a recount: what it takes for
    pending is at worst sold later, never twice.
    """
    assert measurement.before is not None  # noqa: S101  only of an exact measurement
    ledger = measurement.ledger
    return ledger.cancelled if ledger.cancellations > measurement.before.released else 0
