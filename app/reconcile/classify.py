"""Classify what a check has found. Pure: no store is asked.

Drift is the number of tickets by which the identity `stock = remaining + backlog + set aside + booked` is off. A store
that has lost something comes first: as long as an order is unaccounted for, no ticket is free.

Two changes in flight are not drift. Growth: the ledger's stock is committed first and the gate follows, so the sums are
compared with the gate's own stock. Releases: a booking is cancelled in the ledger first, and its tickets come back to
the gate a moment later.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.reconcile.gate_loss import evidence
from app.reconcile.ledger_loss import unaccounted
from app.reconcile.measure import Sums
from app.reconcile.observation import Observation


class Kind(StrEnum):
    """The kind of finding.

    unvouched: unknown, because there is evidence that a store went back in time
    ledger_lost: orders that the gate knows as booked and the ledger lacks
    leaked: tickets that the gate took without writing an order
    over_admitted: more orders than tickets
    unsold: tickets that no order needs, although an order was written: it became a duplicate, or was rejected
    """

    NONE = "none"
    UNVOUCHED = "unvouched"
    LEDGER_LOST = "ledger_lost"
    LEAKED = "leaked"
    OVER_ADMITTED = "over_admitted"
    UNSOLD = "unsold"


@dataclass(frozen=True, slots=True)
class Drift:
    """What was found, in tickets; `ledger_lost` in orders. What an unvouched gate has lost is counted from receipts."""

    kind: Kind
    tickets: int = 0


def classify(observation: Observation, sums: Sums | None) -> Drift | None:
    """Return the drift, or None if it is unknown.

    It is unknown without `sums`, or if the sale changed while they were taken. A leak is known all the same: the gate's
    own counts show it.
    """
    gate = observation.after
    if gate is None or evidence(observation) is not None:
        return Drift(Kind.UNVOUCHED)
    if sums is not None and (lost := unaccounted(observation.remembered, sums)):
        return Drift(Kind.LEDGER_LOST, lost)
    if gate.leaked:
        return Drift(Kind.LEAKED, gate.leaked) if gate.leaked > 0 else Drift(Kind.OVER_ADMITTED, -gate.leaked)
    if sums is None or not sums.exact:
        return None
    if sums.missing < 0:
        return Drift(Kind.OVER_ADMITTED, -sums.missing)
    unsold = sums.missing - pending_releases(sums)
    return Drift(Kind.UNSOLD, unsold) if unsold > 0 else Drift(Kind.NONE)


def pending_releases(sums: Sums) -> int:
    """Return an upper bound of the tickets that are still on their way back to the gate: all cancelled ones, or 0.

    The gate counts releases since it was seeded, so the bound may be too high after a recount. That is the safe side:
    tickets that are wrongly considered pending are at worst sold later, never twice.
    """
    return sums.cancelled if sums.cancellations > sums.at.released else 0
