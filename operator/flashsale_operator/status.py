"""The status of a resource, and whether a change of it is urgent. Pure functions."""

from datetime import datetime

from app.reconcile.classify import Kind
from app.reconcile.decide import Action
from app.sales.desired_state import Step
from app.sales.phase import Phase
from app.services.sale_view import SaleView
from flashsale_operator.conditions import condition_states, conditions
from flashsale_operator.observed import Observed
from flashsale_operator.resource.models import (
    DriftStatus,
    FlashSaleStatus,
    LastReconcile,
    StockStatus,
    WorkersStatus,
)

IDLE = (Action.NOTHING, Action.OBSERVE)
DRIFT = {Kind.LEAKED: "leaked", Kind.OVER_ADMITTED: "over_admitted", Kind.UNSOLD: "unsold"}
"""The kinds of drift that are counted in tickets, and their fields of the status."""


def status_of(
    before: FlashSaleStatus, observed: Observed, generation: int, now: datetime, trace_id: str = ""
) -> FlashSaleStatus:
    """Return the new status. What could not be observed stays as it was.

    `trace_id` is the trace of this reconciliation, or '' if it has none.
    """
    view = observed.view
    phase = phase_of(before, observed)
    workers = observed.workers
    return FlashSaleStatus(
        observed_generation=generation,
        phase=phase,
        round=before.round if view is None else view.round,
        epoch=before.epoch if view is None else view.epoch,
        stock=before.stock if view is None else stock_of(before, view),
        drift=drift_of(before, observed, now),
        workers=WorkersStatus(desired=workers.desired, pool=workers.pool, ready=workers.ready),
        conditions=conditions(before.conditions, condition_states(observed, phase), generation, now),
        last_reconcile=(
            LastReconcile(time=now, trace_id=trace_id) if changed_something(observed) else before.last_reconcile
        ),
    )


def phase_of(before: FlashSaleStatus, observed: Observed) -> Phase:
    """Return the phase: `Pending` until the ledger has the sale; the earlier phase while the ledger is away."""
    if observed.view is not None:
        return observed.view.phase
    if observed.ledger_away and before.phase is not None:
        return before.phase
    return Phase.PENDING


def stock_of(before: FlashSaleStatus, view: SaleView) -> StockStatus:
    known = before.stock if before.stock is not None and before.round == view.round else StockStatus()
    return StockStatus(
        total=view.stock,
        remaining=known.remaining if view.remaining is None else view.remaining,
        backlog=known.backlog if view.backlog is None else view.backlog,
        set_aside=view.set_aside,
        booked=view.booked,
        rejected=view.rejected,
        oversold=view.oversold,
        rebooked=view.rebooked,
    )


def drift_of(before: FlashSaleStatus, observed: Observed, now: datetime) -> DriftStatus | None:
    """Return the drift that the last check found. A check that could not measure it changes nothing."""
    check = observed.check
    if check is None or (check.kind is None and observed.at_gate):
        return before.drift
    drift = {name: check.tickets if check.kind is kind else 0 for kind, name in DRIFT.items()}
    since = None
    if any(drift.values()):
        known = before.drift or DriftStatus()
        same = all(bool(getattr(known, name)) == bool(tickets) for name, tickets in drift.items())
        since = (known.since_time if same else None) or now
    return DriftStatus(**drift, lost=check.lost.tickets, since_time=since)


def changed_something(observed: Observed) -> bool:
    """Return whether the reconciliation changed a row of the ledger or repaired the sale."""
    repaired = any(check.done and check.action not in IDLE for check in observed.checks)
    return repaired or observed.step is not Step.NOTHING


def is_urgent(before: FlashSaleStatus, after: FlashSaleStatus) -> bool:
    """Return whether the status must be written at once. If only counters changed, the write can wait."""
    return _without_counters(before) != _without_counters(after)


def _without_counters(status: FlashSaleStatus) -> FlashSaleStatus:
    return status.model_copy(update={"stock": None, "workers": None})
