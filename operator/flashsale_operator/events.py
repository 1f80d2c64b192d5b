"""The events of a sale. Pure functions of the status before, the status after and what was observed.

An event's name is derived from the resource's uid, the round, the reason and the occurrence. The occurrence consists of
facts in the stores, which all processes share: the epoch, the stock, how often tickets came back, the generation that
the ledger follows. It does not depend on the status, because two operators can hold different statuses, and a watch may
deliver an old one again. So if an event is posted twice, by any process, the API server refuses the second one. Only an
outage, during which the store can't be read, is identified by the status: by when its condition last changed before.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kubernetes.aio.client import CoreV1Event, V1EventSource, V1ObjectMeta, V1ObjectReference

from app.reconcile.classify import Kind
from app.reconcile.decide import Action
from app.reconcile.rebook import NONE
from app.sales.desired_state import Step
from app.sales.phase import Phase
from flashsale_operator.conditions import LEDGER_BEHIND, condition_of
from flashsale_operator.observed import Observed
from flashsale_operator.resource.models import ConditionStatus, ConditionType, FlashSaleStatus

COMPONENT = "atomictickets-operator"
REPORTED_PHASES = {
    Phase.OPEN: ("SaleOpened", "The sale is open."),
    Phase.SOLD_OUT: ("SoldOut", "All tickets are promised to buyers."),
    Phase.CLOSED: ("SaleClosed", "The sale is over, and every order is booked."),
    Phase.PAUSED: ("SalePaused", "The sale is paused; purchases are refused."),
}


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event. `occurrence` distinguishes it from the next event with the same reason in the same round."""

    reason: str
    message: str
    occurrence: str = ""
    type: Literal["Normal", "Warning"] = "Normal"


def events(before: FlashSaleStatus, after: FlashSaleStatus, observed: Observed) -> Iterator[EventRecord]:
    """Yield the events of a reconciliation, in the order in which they happened."""
    yield from _row_events(before, after, observed)
    yield from _ledger_events(before, after, observed)
    yield from _drift_events(before, after, observed)
    if after.phase in REPORTED_PHASES and before.phase is not after.phase:
        reason, message = REPORTED_PHASES[after.phase]
        yield EventRecord(reason, message, _occurrence(after.phase, observed))
    yield from _outage_events(before, after)


def _row_events(before: FlashSaleStatus, after: FlashSaleStatus, observed: Observed) -> Iterator[EventRecord]:
    seeded = _is(after, ConditionType.STOCK_SEEDED, ConditionStatus.TRUE)
    total = after.stock.total if after.stock else 0
    if observed.step is Step.ADOPT:
        left = after.stock.remaining if after.stock else 0
        yield EventRecord("Adopted", f"Took over round {after.round} with {left} of {total} tickets left.")
    elif seeded and not _was_seeded(before, after):
        yield EventRecord("Seeded", f"Seeded round {after.round} with {total} tickets.")


def _was_seeded(before: FlashSaleStatus, after: FlashSaleStatus) -> bool:
    """Return whether this round had been seeded before.

    A status of the same round without StockSeeded may come from a process that wrote it before the stock was in place.
    A newer epoch within the round means a recount, not a first seeding.
    """
    if before.round != after.round:
        return False
    return before.epoch != after.epoch or _is(before, ConditionType.STOCK_SEEDED, ConditionStatus.TRUE)


def _ledger_events(before: FlashSaleStatus, after: FlashSaleStatus, observed: Observed) -> Iterator[EventRecord]:
    """Yield the events of a ledger that went back in time.

    What was booked again is told from the ledger's own count, so that it is also told if another process did it, or if
    this one died before it could tell.
    """
    total = _rebooked(after)
    if total > (_rebooked(before) if before.round == after.round else 0):
        here = sum((check.rebooked for check in observed.checks), NONE)
        counted = f"{here.orders} orders of {here.tickets} tickets" if here.orders else "Orders"
        message = f"{counted} that the ledger had lost were booked again: {total} tickets in this round by now."
        yield EventRecord("OrdersRebooked", message, f"{after.epoch} {total}", "Warning")
    now, was = (condition_of(status, ConditionType.LEDGER_CONSISTENT) for status in (after, before))
    if now is not None and now.reason == LEDGER_BEHIND.reason and (was is None or was.reason != now.reason):
        yield EventRecord(now.reason, now.message, str(after.epoch), "Warning")


def _drift_events(before: FlashSaleStatus, after: FlashSaleStatus, observed: Observed) -> Iterator[EventRecord]:
    returns = f"{after.epoch} {_returns(observed)}"
    fresh = before.round != after.round  # a round that was never seeded has not lost its counter
    for check in observed.checks:
        if check.action is Action.GIVE_BACK and check.done:
            message = f"{check.tickets} tickets that had left Redis without an order are back on sale."
            yield EventRecord("TicketsReturned", message, returns)
        if check.action is Action.RECOUNT and check.done and not fresh:
            reason = "CounterLost" if check.kind is Kind.UNVOUCHED else "DriftDetected"
            yield EventRecord(reason, f"{check.reason}.", str(check.epoch), "Warning")
            yield EventRecord("SaleFenced", "Nothing is sold until the sale is recounted.", str(check.epoch), "Warning")
            yield EventRecord("Reseeded", "Recounted from the ledger, with limits and answers.", str(check.epoch))
    if _since(after) and not _since(before) and after.drift:
        drift = after.drift
        message = f"{drift.leaked} tickets leaked, {drift.over_admitted} over-admitted, {drift.unsold} unsold."
        yield EventRecord("DriftDetected", message, returns, "Warning")
    if after.drift and after.drift.lost > (before.drift.lost if before.drift else 0):
        message = f"Accepted orders of {after.drift.lost} tickets are in neither store."
        yield EventRecord("OrdersLost", message, str(after.drift.lost), "Warning")
    if _oversold(after) and not _oversold(before):
        yield EventRecord("Oversold", "More tickets are booked than the stock.", "", "Warning")


def _outage_events(before: FlashSaleStatus, after: FlashSaleStatus) -> Iterator[EventRecord]:
    for kind, reason in (
        (ConditionType.LEDGER_CONSISTENT, "LedgerUnreachable"),
        (ConditionType.STOCK_SEEDED, "GateUnreachable"),
    ):
        now = condition_of(after, kind)
        was = condition_of(before, kind)
        if now is not None and now.reason == reason and (was is None or was.reason != reason):
            yield EventRecord(reason, now.message, _last_transition(before, kind), "Warning")


def _occurrence(phase: Phase, observed: Observed) -> str:
    """Return the facts of which at least one must change before the sale can reach this phase again."""
    view = observed.view
    if view is None:
        return ""
    counter = f"{view.epoch} {view.stock} {_returns(observed)}"  # if these stay, the remaining tickets only decrease
    generation = str(view.owner_generation)
    return {Phase.OPEN: f"{counter} {generation}", Phase.SOLD_OUT: counter}.get(phase, generation)


def _returns(observed: Observed) -> str:
    return "" if observed.view is None else str(observed.view.returns)


def event_manifest(record: EventRecord, involved: V1ObjectReference, round_: int | None, now: datetime) -> CoreV1Event:
    """Return the Event object to post. `round_` is None if the event is not about a round."""
    identity = f"{involved.uid} {round_} {record.reason} {record.occurrence}"
    return CoreV1Event(
        metadata=V1ObjectMeta(
            name=f"{involved.name}.{hashlib.sha256(identity.encode()).hexdigest()[:16]}", namespace=involved.namespace
        ),
        involved_object=involved,
        type=record.type,
        reason=record.reason,
        message=record.message,
        source=V1EventSource(component=COMPONENT),
        first_timestamp=now,
        last_timestamp=now,
        count=1,
    )


def _last_transition(status: FlashSaleStatus, kind: ConditionType) -> str:
    """Return when the condition last changed, which distinguishes one outage from the next."""
    condition = condition_of(status, kind)
    return "" if condition is None else condition.last_transition_time.isoformat()


def _is(status: FlashSaleStatus, kind: ConditionType, value: ConditionStatus) -> bool:
    condition = condition_of(status, kind)
    return condition is not None and condition.status is value


def _since(status: FlashSaleStatus) -> str:
    return status.drift.since_time.isoformat() if status.drift and status.drift.since_time else ""


def _oversold(status: FlashSaleStatus) -> bool:
    return status.stock is not None and status.stock.oversold > 0


def _rebooked(status: FlashSaleStatus) -> int:
    return status.stock.rebooked if status.stock else 0
