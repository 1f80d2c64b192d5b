"""Decide what to do about a sale. Pure: no store is asked.

The reconciler acts upon drift if every check of a grace period has found drift of the same kind. It then uses the
smallest amount found, because a single check could meet a passing state that was not foreseen. If a store has lost
something, there is nothing to wait for. If it was the gate, the sale sells nothing until it is recounted. If it was the
ledger, the gate still knows what is sold, and sells on while the bookings are made again.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from app.gate.gate import has_terms
from app.gate.replies import GateSnapshot
from app.reconcile.classify import Drift, Kind
from app.reconcile.gate_loss import Evidence, evidence
from app.reconcile.observation import Observation
from app.sales.model import Sale

Policy = Literal["RepairSafe", "Observe"]
CONFIRMED = (Kind.LEAKED, Kind.OVER_ADMITTED, Kind.UNSOLD)
"""The kinds that are acted upon only after the grace period."""


class Action(StrEnum):
    """The action that a check calls for.

    nothing: the sale is in order, or could not be measured
    observe: only report the drift
    amend: make the gate follow the terms that the ledger has committed
    clear_recount_flag: withdraw the drain's request for a check, because the check found no drift
    rebook: book the orders again that the gate remembers and the ledger has lost
    give_back: return leaked tickets to the gate
    recount: raise the epoch and recount the sale
    stop: fence the sale and leave it to a person, because the ledger does not have its round any more
    remove: remove the keys of an ended sale
    """

    NOTHING = "nothing"
    OBSERVE = "observe"
    AMEND = "amend"
    CLEAR_RECOUNT_FLAG = "clear_recount_flag"
    REBOOK = "rebook"
    GIVE_BACK = "give_back"
    RECOUNT = "recount"
    STOP = "stop"
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
    if snapshot is None or drift.kind not in CONFIRMED:
        return None
    seen_at = (snapshot.round, snapshot.epoch, snapshot.repairs)
    if earlier is not None and (earlier.kind, earlier.seen_at) == (drift.kind, seen_at):
        return replace(earlier, tickets=min(earlier.tickets, drift.tickets))
    return Suspicion(drift.kind, drift.tickets, now, seen_at)


def decide(
    sale: Sale,
    observation: Observation,
    drift: Drift | None,
    suspicion: Suspicion | None,
    *,
    now: float,
    grace_seconds: float,
    policy: Policy,
) -> Decision:
    """Return the action for a sale whose strategy sells at the gate. `suspicion` already includes this observation.

    The policy `Observe` leaves drift, and what the ledger has lost, to a person. A gate that forgot is recounted under
    either policy, because nothing can be sold until then.
    """
    if sale.ended_at is not None and evidence(observation) is not Evidence.UNKNOWN_ROUND:
        return _of_ended(observation)
    if (loss := _of_loss(observation, drift, policy)) is not None:
        return loss
    gate = observation.after
    assert gate is not None  # noqa: S101  evidence() reports a missing snapshot
    if gate.stock < observation.ledger.stock or not has_terms(gate, sale):
        return Decision(Action.AMEND, reason="the ledger has newer terms")
    if drift is None:
        return Decision(Action.NOTHING, reason="not measured: the sale changed meanwhile, or it has too many orders")
    if drift.kind is Kind.NONE:
        return Decision(Action.CLEAR_RECOUNT_FLAG if observation.ledger.recount else Action.NOTHING)
    confirmed = suspicion is not None and now - suspicion.since >= grace_seconds
    return _of_drift(drift, suspicion if confirmed else None, observation.ledger.recount, gate.remaining, policy)


def _of_loss(observation: Observation, drift: Drift | None, policy: Policy) -> Decision | None:
    """Return the action if a store has lost something, or may have."""
    if (loss := evidence(observation)) is not None:
        return Decision(Action.STOP if loss is Evidence.UNKNOWN_ROUND else Action.RECOUNT, reason=loss.value)
    if policy == "Observe":
        return None
    if drift is not None and drift.kind is Kind.LEDGER_LOST:
        return Decision(Action.REBOOK, reason=description(drift))
    if observation.ledger_changed:
        return Decision(Action.REBOOK, reason="the ledger's server was restarted or replaced")
    return None


def _of_drift(
    drift: Drift, confirmed: Suspicion | None, recount_requested: bool, remaining: int, policy: Policy
) -> Decision:
    """Return the action for drift. `confirmed` is the suspicion if it has lasted for the grace period.

    `recount_requested`: the drain has booked an order of an older epoch. This explains over-admission, which is then
    acted upon at once.
    """
    reason = description(drift)
    if policy == "Observe":
        return Decision(Action.OBSERVE, reason=reason)
    if drift.kind is Kind.LEAKED and confirmed is not None:
        return Decision(Action.GIVE_BACK, confirmed.tickets, reason)
    if drift.kind is Kind.UNSOLD and confirmed is not None:
        return Decision(Action.RECOUNT, reason=reason)
    # If nothing is left to sell, a recount could not take back what is promised: the drain rejects the excess.
    if drift.kind is Kind.OVER_ADMITTED and (confirmed is not None or recount_requested) and remaining > 0:
        return Decision(Action.RECOUNT, reason=reason)
    return Decision(Action.OBSERVE, reason=reason)


def description(drift: Drift) -> str:
    """Return the drift in words, as the reason of a decision."""
    if drift.kind is Kind.LEDGER_LOST:
        return f"the ledger lacks {drift.tickets} orders that the gate knows as booked"
    return f"{drift.tickets} tickets {drift.kind.value.replace('_', ' ')}"


def _of_ended(observation: Observation) -> Decision:
    """Return the action for an ended sale. It sells nothing, and its keys may be removed once it is drained."""
    gate = observation.after
    if gate is None:
        return Decision(Action.REMOVE, reason="ended, and the gate has no such sale")
    if gate.state not in ("closed", "fenced"):
        return Decision(Action.AMEND, reason="the sale has ended")
    if gate.last_entry == "":
        return Decision(Action.REMOVE, reason="ended and drained")
    return Decision(Action.NOTHING, reason="ended, and still draining")
