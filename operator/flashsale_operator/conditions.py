"""The conditions in a FlashSale's status. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.errors import AtomicTicketsError
from app.reconcile.classify import Kind
from app.reconcile.decide import Action
from app.reconcile.reconciler import Result
from app.sales.phase import Phase
from flashsale_operator.observed import Observed, ObservedWorkers
from flashsale_operator.resource.models import Condition, ConditionStatus, ConditionType, FlashSaleStatus

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
NOT_IN_FORCE = (Phase.PENDING, Phase.SEEDING, Phase.DEGRADED)


@dataclass(frozen=True, slots=True)
class ConditionState:
    """A condition without its generation and transition time."""

    status: ConditionStatus
    reason: str
    message: str = ""


LEDGER_BEHIND = ConditionState(
    FALSE, "LedgerBehind", "The ledger does not have the sale's round any more: it went back in time. Nothing is sold."
)
NOT_MEASURED = ConditionState(UNKNOWN, "NotMeasured", "Not observed yet.")


def condition_states(observed: Observed, phase: Phase) -> Mapping[ConditionType, ConditionState | None]:
    """Return the state of each condition, or None if nothing new is known: the earlier condition then stands."""
    return {
        ConditionType.READY: ready(observed, phase),
        ConditionType.STOCK_SEEDED: stock_seeded(observed, phase),
        ConditionType.WORKERS_AVAILABLE: workers_available(observed.workers) if observed.workers.known else None,
        ConditionType.LEDGER_CONSISTENT: ledger_consistent(observed),
        ConditionType.ACCEPTING: accepting(observed, phase),
    }


def conditions(
    before: Iterable[Condition], states: Mapping[ConditionType, ConditionState | None], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions to write. `lastTransitionTime` changes only when the condition's status changes."""
    known = {condition.type: condition for condition in before}
    return tuple(_condition(known.get(kind), kind, state, generation, now) for kind, state in states.items())


def _condition(
    before: Condition | None, kind: ConditionType, state: ConditionState | None, generation: int, now: datetime
) -> Condition:
    if state is None:
        if before is not None:
            return before
        state = NOT_MEASURED
    return Condition(
        type=kind,
        status=state.status,
        reason=state.reason,
        message=state.message,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and before.status == state.status else now,
    )


def condition_of(status: FlashSaleStatus, kind: ConditionType) -> Condition | None:
    """Return the condition of this type, or None if the status does not have it."""
    return next((condition for condition in status.conditions if condition.type is kind), None)


def ready(observed: Observed, phase: Phase) -> ConditionState:
    """Return whether the spec is in force, also if the sale is scheduled, paused, sold out or closed."""
    if observed.refusal is not None:
        return ConditionState(FALSE, reason_of(observed.refusal), observed.refusal.detail)
    if observed.ledger_away:
        return ConditionState(FALSE, "LedgerUnreachable", observed.ledger_away)
    if observed.gate_away:
        return ConditionState(FALSE, "GateUnreachable", observed.gate_away)
    if phase in NOT_IN_FORCE:
        return ConditionState(FALSE, phase.value, "Nothing can be bought until the sale has been seeded.")
    if observed.workers.problem:
        return ConditionState(FALSE, "WorkersNotScaled", observed.workers.problem)
    return ConditionState(TRUE, "InForce", "The spec is in force.")


def stock_seeded(observed: Observed, phase: Phase) -> ConditionState | None:
    """Return whether the strategy's counter holds the stock of this round."""
    if observed.gate_away:
        return ConditionState(UNKNOWN, "GateUnreachable", observed.gate_away)
    if observed.view is None:
        return None if observed.refusal is None else ConditionState(FALSE, reason_of(observed.refusal))
    if observed.check is not None and observed.check.action is Action.STOP:
        return LEDGER_BEHIND
    if phase is Phase.DEGRADED:
        return ConditionState(FALSE, "CounterLost", "The counter is lost or fenced; it is recounted from the ledger.")
    if phase in NOT_IN_FORCE:
        return ConditionState(FALSE, phase.value)
    return ConditionState(TRUE, "Seeded", f"Round {observed.view.round} has been seeded.")


def workers_available(workers: ObservedWorkers) -> ConditionState:
    """Return whether workers are ready to drain, or none are needed. A capped pool is a reason, not a fault."""
    if workers.problem:
        return ConditionState(UNKNOWN, "WorkersNotScaled", workers.problem)
    if not workers.scaled:
        return ConditionState(TRUE, "NotScaled", "The operator does not scale the workers.")
    if workers.pool == 0:
        return ConditionState(TRUE, "NothingToDrain", "No sale has a backlog.")
    if workers.ready == 0:
        return ConditionState(FALSE, "WorkersStarting", "No worker is ready yet; accepted orders wait.")
    if workers.capped:
        return ConditionState(TRUE, "Capped", "The sales ask for more workers than the maximum.")
    return ConditionState(TRUE, "PoolReady" if workers.ready >= workers.pool else "WorkersStarting")


def ledger_consistent(observed: Observed) -> ConditionState | None:
    """Return whether Redis and the ledger agree on every ticket; None if this could not be measured."""
    if observed.ledger_away:
        return ConditionState(UNKNOWN, "LedgerUnreachable", observed.ledger_away)
    view = observed.view
    if view is None:
        return None
    if view.oversold > 0:
        return ConditionState(
            FALSE, "Oversold", f"{view.oversold} tickets are booked beyond the stock of {view.stock}."
        )
    if observed.at_gate:
        return None if observed.check is None else _consistency(observed.check)
    if view.identity.holds is False:
        return ConditionState(
            FALSE, "CounterWrong", "The counter does not match the bookings: updates or tickets were lost."
        )
    return ConditionState(TRUE, "Consistent")


def _consistency(check: Result) -> ConditionState | None:
    if check.action is Action.STOP:
        return LEDGER_BEHIND
    if check.kind is None:
        return None
    return {
        Kind.NONE: ConditionState(TRUE, "Consistent", "Every ticket is accounted for."),
        Kind.LEDGER_LOST: ConditionState(
            FALSE, "OrdersMissing", f"{check.tickets} orders that were booked are not in the ledger. {_remedy(check)}"
        ),
        Kind.LEAKED: ConditionState(FALSE, "Leaked", f"{check.tickets} tickets left Redis without an order."),
        Kind.OVER_ADMITTED: ConditionState(
            FALSE, "OverAdmitted", f"{check.tickets} tickets are promised beyond the stock."
        ),
        Kind.UNSOLD: ConditionState(
            FALSE, "Unsold", f"{check.tickets} tickets left Redis with orders that did not need them in the end."
        ),
        Kind.UNVOUCHED: ConditionState(
            FALSE, "CounterLost", f"The sale's state in Redis can't be trusted: {check.reason}."
        ),
    }[check.kind]


def _remedy(check: Result) -> str:
    return "Policy Observe leaves them to a person." if check.action is Action.OBSERVE else "They are booked again."


def accepting(observed: Observed, phase: Phase) -> ConditionState | None:
    """Return whether a purchase could succeed now. The gate keeps selling while the ledger is away."""
    if observed.gate_away:
        return ConditionState(FALSE, "GateUnreachable", observed.gate_away)
    if observed.view is None:
        return None if observed.ledger_away and observed.at_gate else ConditionState(FALSE, phase.value)
    return ConditionState(TRUE if phase is Phase.OPEN else FALSE, phase.value)


def reason_of(error: AtomicTicketsError) -> str:
    """Return the error's slug in CamelCase: `name-taken` becomes `NameTaken`."""
    return "".join(word.capitalize() for word in error.slug.split("-"))
