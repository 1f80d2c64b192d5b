"""Decide what to do about a sale. Pure: no store is asked.

The reconciler acts upon drift if every check of a grace period has found drift of the same sign. It then uses the
smallest amount found, because a single check could meet a passing state that was not foreseen. If Redis has forgotten
something, there is nothing to wait for: the sale sells nothing until it is recounted.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from app.gate.gate import has_terms
from app.gate.replies import GateSnapshot
from app.reconcile.classify import Drift, Kind
from app.reconcile.gate_loss import evidence
from app.reconcile.measure import Measurement
from app.sales.model import Sale

Policy = Literal["RepairSafe", "Observe"]


class Action(StrEnum):
    """The action that a check calls for.

    nothing: the sale is in order, or could not be measured
    observe: only report the drift
    amend: make the gate follow the terms that the ledger has committed
    clear_recount_flag: withdraw the drain's request for a check, because the check found no drift
    give_back: return leaked tickets to the gate
    recount: raise the epoch and recount the sale
    remove: remove the keys of an ended sale
    """

    NOTHING = "nothing"
    OBSERVE = "observe"
    AMEND = "amend"
    CLEAR_RECOUNT_FLAG = "clear_recount_flag"
    GIVE_BACK = "give_back"
    RECOUNT = "recount"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Decision:
    """An action, the `tickets` to give back, and the `reason` for the log and the status."""

    action: Action
    tickets: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Drift that every check since `since` (monotonic seconds) has found, of at least `tickets`.

    `seen_at` is (round, epoch, repairs). After a reset, a recount or a repair the suspicion starts again.
    """

    kind: Kind
    tickets: int
    since: float
    seen_at: tuple[int, int, int]


def suspect(
    earlier: Suspicion | None, drift: Drift | None, snapshot: GateSnapshot | None, now: float
) -> Suspicion | None:
    """Return the suspicion after one more check. A check whose drift is unknown changes nothing."""
    if drift is None:
        return earlier
    if snapshot is None or drift.kind not in (Kind.LEAKED, Kind.OVER_ADMITTED):
        return None
    seen_at = (snapshot.round, snapshot.epoch, snapshot.repairs)
    if earlier is not None and (earlier.kind, earlier.seen_at) == (drift.kind, seen_at):
        return replace(earlier, tickets=min(earlier.tickets, drift.tickets))
    return Suspicion(drift.kind, drift.tickets, now, seen_at)


def decide(
    sale: Sale,
    measurement: Measurement,
    drift: Drift | None,
    suspicion: Suspicion | None,
    *,
    now: float,
    grace_seconds: float,
    policy: Policy,
) -> Decision:
    """Return the action for a sale whose strategy sells at the gate. `suspicion` already includes this measurement.

    The policy `Observe` leaves drift to a person. A gate that forgot is recounted under either policy, because nothing
    can be sold until then.
    """
    if sale.ended_at is not None:
        return _of_ended(measurement)
    if (loss := evidence(measurement)) is not None:
        return Decision(Action.RECOUNT, reason=loss.value)
    gate = measurement.after
    assert gate is not None  # noqa: S101  evidence() reports a missing snapshot
    if gate.stock < measurement.ledger.stock or not has_terms(gate, sale):
        return Decision(Action.AMEND, reason="the ledger has newer terms")
    if drift is None:
        return Decision(Action.NOTHING, reason="not measured: the sale changed meanwhile, or its backlog is long")
    if drift.kind is Kind.NONE:
        return Decision(Action.CLEAR_RECOUNT_FLAG if measurement.ledger.recount else Action.NOTHING)
    confirmed = suspicion is not None and now - suspicion.since >= grace_seconds
    return _of_drift(drift, suspicion if confirmed else None, measurement.ledger.recount, gate.remaining, policy)


def _of_drift(
    drift: Drift, confirmed: Suspicion | None, recount_requested: bool, remaining: int, policy: Policy
) -> Decision:
    """Return the action for drift. `confirmed` is the suspicion if it has lasted for the grace period.

    `recount_requested`: the drain has booked an order of an older epoch. This explains over-admission, which is then
    acted upon at once.
    """
    description = f"{drift.tickets} tickets {drift.kind.value.replace('_', ' ')}"
    if policy == "Observe":
        return Decision(Action.OBSERVE, reason=description)
    if drift.kind is Kind.LEAKED and confirmed is not None:
        return Decision(Action.GIVE_BACK, confirmed.tickets, description)
    # If nothing is left to sell, a recount could not take back what is promised: the drain rejects the excess.
    if drift.kind is Kind.OVER_ADMITTED and (confirmed is not None or recount_requested) and remaining > 0:
        return Decision(Action.RECOUNT, reason=description)
    return Decision(Action.OBSERVE, reason=description)


def _of_ended(measurement: Measurement) -> Decision:
    """Return the action for an ended sale. It sells nothing, and its keys may be removed once it is drained."""
    gate = measurement.after
    if gate is None:
        return Decision(Action.REMOVE, reason="ended, and the gate has no such sale")
    if gate.state not in ("closed", "fenced"):
        return Decision(Action.AMEND, reason="the sale has ended")
    if gate.last_entry == "":
        return Decision(Action.REMOVE, reason="ended and drained")
    return Decision(Action.NOTHING, reason="ended, and still draining")
