"""Events follow from the previous and the present status, and a repeated event has the name of the first one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes.aio.client import V1ObjectReference

from app.reconcile.classify import Kind
from app.reconcile.decide import Action
from app.reconcile.rebook import Rebooked
from app.sales.desired_state import Step
from app.sales.phase import Phase
from flashsale_operator.events import EventRecord, event_manifest, events
from flashsale_operator.observed import Observed
from flashsale_operator.resource.models import FlashSaleStatus
from flashsale_operator.status import status_of
from tests.flashsale_operator.observations import FINE, OBSERVED, check, observation

NOW = datetime(2026, 12, 1, 18, tzinfo=UTC)
NEW = FlashSaleStatus()
OPEN = status_of(NEW, OBSERVED, 1, NOW)
INVOLVED = V1ObjectReference(
    api_version="atomictickets.dev/v1alpha1", kind="FlashSale", name="drop", namespace="shop", uid="uid-1"
)


def following(before: FlashSaleStatus, observed: Observed, now: datetime = NOW) -> list[EventRecord]:
    return list(events(before, status_of(before, observed, 1, now), observed))


def reasons(before: FlashSaleStatus, observed: Observed) -> list[str]:
    return [record.reason for record in following(before, observed)]


def names(before: FlashSaleStatus, observed: Observed, now: datetime = NOW) -> list[str | None]:
    return [event_manifest(record, INVOLVED, 1, now).metadata.name for record in following(before, observed, now)]


def test_the_reasons_of_the_events() -> None:
    leaking = status_of(OPEN, observation(checks=(check(Kind.LEAKED, 3),)), 1, NOW)
    returned = observation(checks=(check(Kind.LEAKED, 3, action=Action.GIVE_BACK), check(Kind.NONE)))
    seeding = status_of(NEW, observation(phase=Phase.DEGRADED, checks=()), 1, NOW)
    recounted = observation(
        epoch=2, checks=(check(Kind.UNVOUCHED, action=Action.RECOUNT, epoch=2), check(Kind.NONE, epoch=2))
    )
    assert reasons(NEW, observation(step=Step.CREATE)) == ["Seeded", "SaleOpened"]
    assert reasons(seeding, OBSERVED) == ["Seeded", "SaleOpened"]
    assert reasons(seeding, observation(epoch=2)) == ["SaleOpened"]
    assert reasons(NEW, observation(step=Step.ADOPT)) == ["Adopted", "SaleOpened"]
    assert reasons(OPEN, observation(step=Step.NEXT_ROUND, round=2)) == ["Seeded"]
    assert reasons(OPEN, OBSERVED) == []
    assert reasons(OPEN, observation(remaining=3, booked=7)) == []
    assert reasons(OPEN, observation(phase=Phase.SOLD_OUT)) == ["SoldOut"]
    assert reasons(OPEN, observation(phase=Phase.CLOSED)) == ["SaleClosed"]
    assert reasons(OPEN, observation(checks=(check(Kind.LEAKED, 3),))) == ["DriftDetected"]
    assert reasons(leaking, observation(checks=(check(Kind.LEAKED, 3),))) == []
    assert reasons(leaking, returned) == ["TicketsReturned"]
    assert reasons(OPEN, recounted) == ["CounterLost", "SaleFenced", "Reseeded"]
    assert reasons(NEW, recounted) == ["Seeded", "SaleOpened"]
    assert reasons(OPEN, observation(checks=(check(Kind.UNSOLD, 3),))) == ["DriftDetected"]
    unsold = check(Kind.UNSOLD, 3, action=Action.RECOUNT, epoch=2)
    assert reasons(OPEN, observation(epoch=2, checks=(unsold, FINE))) == ["DriftDetected", "SaleFenced", "Reseeded"]
    assert reasons(OPEN, observation(oversold=2, at_gate=False)) == ["Oversold"]
    assert reasons(OPEN, Observed(ledger_away="away")) == ["LedgerUnreachable"]
    assert reasons(OPEN, observation(gate_away="away", checks=(), phase=Phase.DEGRADED)) == ["GateUnreachable"]


def test_events_posted_again_before_the_status_is_written_have_the_same_names() -> None:
    observed = observation(phase=Phase.SOLD_OUT, checks=(check(Kind.LEAKED, 3),))
    assert names(OPEN, observed) == names(OPEN, observed, NOW + timedelta(minutes=5))


def test_the_next_occurrence_has_another_name() -> None:
    changes: list[dict[str, Any]] = [{}, {"stock": 12}, {"returns": 1}, {"epoch": 2}]  # grown, returned, recounted
    first, *others = (names(OPEN, observation(phase=Phase.SOLD_OUT, **since)) for since in changes)
    assert first not in others
    leaked = check(Kind.LEAKED, 3)
    assert names(OPEN, observation(checks=(leaked,))) != names(OPEN, observation(checks=(leaked,), returns=1))
    for phase in (Phase.PAUSED, Phase.CLOSED):
        assert names(OPEN, observation(phase=phase)) != names(OPEN, observation(phase=phase, owner_generation=3))


@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.SOLD_OUT, Phase.PAUSED, Phase.CLOSED])
def test_two_operators_give_an_event_the_same_name(phase: Phase) -> None:
    """Two processes observe the same change, each with a status that it wrote itself."""
    observed = observation(phase=phase, checks=(check(Kind.LEAKED, 3),))
    degraded = observation(phase=Phase.DEGRADED, checks=())
    one, other = (status_of(OPEN, degraded, 1, NOW + timedelta(seconds=seconds)) for seconds in (0, 5))
    assert one != other
    assert names(one, observed) == names(other, observed)


def test_another_resource_of_the_same_name_has_events_of_its_own() -> None:
    record = EventRecord("Seeded", "")
    other = INVOLVED.model_copy(update={"uid": "uid-2"})
    found = {
        event_manifest(record, involved, round_, NOW).metadata.name
        for involved in (INVOLVED, other)
        for round_ in (1, 2)
    }
    assert len(found) == 4


REBOOKED = check(Kind.LEDGER_LOST, 2, action=Action.REBOOK, rebooked=Rebooked(2, 3))
REBOOKING = observation(rebooked=3, checks=(REBOOKED, FINE))
STOPPED = observation(phase=Phase.DEGRADED, checks=(check(Kind.UNVOUCHED, action=Action.STOP),))


def test_orders_that_are_booked_again_are_told_once() -> None:
    (record,) = following(OPEN, REBOOKING)
    assert (record.type, record.reason) == ("Warning", "OrdersRebooked")
    assert record.message == (
        "2 orders of 3 tickets that the ledger had lost were booked again: 3 tickets in this round by now."
    )
    assert reasons(status_of(OPEN, REBOOKING, 1, NOW), observation(rebooked=3)) == []
    assert reasons(OPEN, observation(checks=(check(Kind.LEDGER_LOST, 2, action=Action.REBOOK), FINE))) == []


def test_orders_that_another_process_booked_again_are_told_with_the_same_name() -> None:
    (record,) = following(OPEN, observation(rebooked=3))
    assert record.message.startswith("Orders that the ledger had lost were booked again: 3 tickets")
    assert names(OPEN, observation(rebooked=3)) == names(OPEN, REBOOKING)


def test_the_next_loss_of_the_ledger_has_another_name() -> None:
    once = status_of(OPEN, REBOOKING, 1, NOW)
    more = observation(rebooked=5, checks=(REBOOKED, FINE))
    assert names(once, more) not in ([], names(OPEN, REBOOKING))
    other_epoch = observation(epoch=2, rebooked=3, checks=(REBOOKED, FINE))
    assert names(OPEN, other_epoch) != names(OPEN, REBOOKING)
    next_round = observation(round=2, step=Step.NEXT_ROUND, rebooked=1)
    assert "OrdersRebooked" in reasons(once, next_round)  # fewer than in the round before


def test_a_sale_that_is_stopped_is_told_once() -> None:
    """Its round is one that the ledger has, so the status may be of a later one."""
    assert reasons(OPEN, STOPPED) == ["LedgerBehind"]
    assert reasons(status_of(OPEN, observation(round=2, epoch=2), 1, NOW), STOPPED)[0] == "LedgerBehind"
    stopped = status_of(OPEN, STOPPED, 1, NOW)
    assert reasons(stopped, STOPPED) == []
    assert names(stopped, observation(rebooked=1)) != []  # the control: other events of this sale are posted
    (record,) = following(OPEN, STOPPED)
    assert record.type == "Warning"
