"""What to do about a sale. Pure: two checks a grace period apart, and no store.

Drift is acted upon when it has had the same sign in each check over the grace period, and by its smallest amount: one
check could be of a moment that nobody thought of. Where Redis has forgotten something there is nothing to wait for: the
sale stands still until it is recounted.
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
    """What a check calls for.

    `amend`: the gate follows committed terms. `clear_recount_flag`: the drain asked for a check, which found nothing.
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
    """`tickets` to give back; `reason` for the log and the status."""

    action: Action
    tickets: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Drift that every check has shown since `since` (monotonic seconds), by `tickets` at least.

    `seen_at` is (round, epoch, repairs): after a reset, a recount or a repair the suspicion begins anew.
    """

    kind: Kind
    tickets: int
    since: float
    seen_at: tuple[int, int, int]


def suspect(
    earlier: Suspicion | None, drift: Drift | None, snapshot: GateSnapshot | None, now: float
) -> Suspicion | None:
    """What is suspected after one more check. A check that could not tell changes nothing."""
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
    """Decides on a sale whose strategy promises exactness. `suspicion` includes this measurement already.

    `Observe` leaves drift to a person. A gate that forgot is recounted all the same: nothing can be sold before.
    """
    if sale.ended_at is not None:
        return _of_ended(measurement)
    if (why := evidence(measurement)) is not None:
        return Decision(Action.RECOUNT, reason=why.value)
    gate = measurement.after
    assert gate is not None  # noqa: S101  otherwise there is evidence
    if gate.stock < measurement.ledger.stock or not has_terms(gate, sale):
        return Decision(Action.AMEND, reason="the ledger has newer terms")
    if drift is None:
        return Decision(Action.NOTHING, reason="not measured: overtaken, or a long backlog")
    if drift.kind is Kind.NONE:
        return Decision(Action.CLEAR_RECOUNT_FLAG if measurement.ledger.recount else Action.NOTHING)
    confirmed = suspicion is not None and now - suspicion.since >= grace_seconds
    return _of_drift(drift, suspicion if confirmed else None, measurement.ledger.recount, gate.remaining, policy)


def _of_drift(drift: Drift, confirmed: Suspicion | None, asked: bool, remaining: int, policy: Policy) -> Decision:
    """`asked`: the drain has booked an order of an older epoch, which explains what is over-admitted at once."""
    found = f"{drift.tickets} tickets {drift.kind.value.replace('_', ' ')}"
    if policy == "Observe":
        return Decision(Action.OBSERVE, reason=found)
    if drift.kind is Kind.LEAKED and confirmed is not None:
        return Decision(Action.GIVE_BACK, confirmed.tickets, found)
    # With nothing left to sell a recount could take nothing back of what is promised: the drain rejects the excess.
    if drift.kind is Kind.OVER_ADMITTED and (confirmed is not None or asked) and remaining > 0:
        return Decision(Action.RECOUNT, reason=found)
    return Decision(Action.OBSERVE, reason=found)


def _of_ended(measurement: Measurement) -> Decision:
    """An ended sale sells nothing; once it is drained its keys may go."""
    gate = measurement.after
    if gate is None:
        return Decision(Action.REMOVE, reason="ended, and the gate has nothing of it")
    if gate.state not in ("closed", "fenced"):
        return Decision(Action.AMEND, reason="the sale has ended")
    if gate.last_entry == "":
        return Decision(Action.REMOVE, reason="ended and drained")
    return Decision(Action.NOTHING, reason="ended, and still draining")
