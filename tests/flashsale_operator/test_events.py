"""Events follow from the previous and the present status, and a repeated event has the name of the first one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.reconcile.classify import Kind
from app.reconcile.decide import Action
from app.sales.desired_state import Step
from app.sales.phase import Phase
from flashsale_operator.events import EventRecord, ObjectReference, body, events
from flashsale_operator.observed import Observed
from flashsale_operator.resource.models import FlashSaleStatus
from flashsale_operator.status import status_of
from tests.flashsale_operator.looks import LOOK, check, look

NOW = datetime(2026, 12, 1, 18, tzinfo=UTC)
NEW = FlashSaleStatus()
OPEN = status_of(NEW, LOOK, 1, NOW)
INVOLVED = ObjectReference("atomictickets.dev/v1alpha1", "FlashSale", "drop", "shop", "uid-1")


def following(before: FlashSaleStatus, observed: Observed, now: datetime = NOW) -> list[EventRecord]:
    return list(events(before, status_of(before, observed, 1, now), observed))


def reasons(before: FlashSaleStatus, observed: Observed) -> list[str]:
    return [record.reason for record in following(before, observed)]


def names(before: FlashSaleStatus, observed: Observed, now: datetime = NOW) -> list[str]:
    return [body(record, INVOLVED, 1, now)["metadata"]["name"] for record in following(before, observed, now)]


def test_what_is_told() -> None:
    leaking = status_of(OPEN, look(checks=(check(Kind.LEAKED, 3),)), 1, NOW)
    returned = look(checks=(check(Kind.LEAKED, 3, action=Action.GIVE_BACK), check(Kind.NONE)))
    seeding = status_of(NEW, look(phase=Phase.DEGRADED, checks=()), 1, NOW)
    recounted = look(epoch=2, checks=(check(Kind.UNVOUCHED, action=Action.RECOUNT, epoch=2), check(Kind.NONE, epoch=2)))
    assert reasons(NEW, look(step=Step.CREATE)) == ["Seeded", "SaleOpened"]
    assert reasons(seeding, LOOK) == ["Seeded", "SaleOpened"]
    assert reasons(seeding, look(epoch=2)) == ["SaleOpened"]
    assert reasons(NEW, look(step=Step.ADOPT)) == ["Adopted", "SaleOpened"]
    assert reasons(OPEN, look(step=Step.NEXT_ROUND, round=2)) == ["Seeded"]
    assert reasons(OPEN, LOOK) == []
    assert reasons(OPEN, look(remaining=3, booked=7)) == []
    assert reasons(OPEN, look(phase=Phase.SOLD_OUT)) == ["SoldOut"]
    assert reasons(OPEN, look(phase=Phase.CLOSED)) == ["SaleClosed"]
    assert reasons(OPEN, look(checks=(check(Kind.LEAKED, 3),))) == ["DriftDetected"]
    assert reasons(leaking, look(checks=(check(Kind.LEAKED, 3),))) == []
    assert reasons(leaking, returned) == ["TicketsReturned"]
    assert reasons(OPEN, recounted) == ["CounterLost", "SaleFenced", "Reseeded"]
    assert reasons(NEW, recounted) == ["Seeded", "SaleOpened"]
    assert reasons(OPEN, look(oversold=2, at_gate=False)) == ["Oversold"]
    assert reasons(OPEN, Observed(ledger_away="away")) == ["LedgerUnreachable"]
    assert reasons(OPEN, look(gate_away="away", checks=(), phase=Phase.DEGRADED)) == ["GateUnreachable"]


def test_who_died_before_the_status_was_written_tells_nothing_twice() -> None:
    observed = look(phase=Phase.SOLD_OUT, checks=(check(Kind.LEAKED, 3),))
    assert names(OPEN, observed) == names(OPEN, observed, NOW + timedelta(minutes=5))


def test_the_next_occurrence_has_another_name() -> None:
    changes: list[dict[str, Any]] = [{}, {"stock": 12}, {"returns": 1}, {"epoch": 2}]  # grown, returned, recounted
    first, *others = (names(OPEN, look(phase=Phase.SOLD_OUT, **since)) for since in changes)
    assert first not in others
    leaked = check(Kind.LEAKED, 3)
    assert names(OPEN, look(checks=(leaked,))) != names(OPEN, look(checks=(leaked,), returns=1))
    for phase in (Phase.PAUSED, Phase.CLOSED):
        assert names(OPEN, look(phase=phase)) != names(OPEN, look(phase=phase, owner_generation=3))


@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.SOLD_OUT, Phase.PAUSED, Phase.CLOSED])
def test_whoever_tells_it_tells_it_by_the_same_name(phase: Phase) -> None:
    """Two processes observe the same change, each with a status that it wrote itself."""
    observed = look(phase=phase, checks=(check(Kind.LEAKED, 3),))
    degraded = look(phase=Phase.DEGRADED, checks=())
    one, other = (status_of(OPEN, degraded, 1, NOW + timedelta(seconds=seconds)) for seconds in (0, 5))
    assert one != other
    assert names(one, observed) == names(other, observed)


def test_another_resource_of_the_same_name_has_events_of_its_own() -> None:
    record = EventRecord("Seeded", "")
    other = replace(INVOLVED, uid="uid-2")
    found = {body(record, about, round_, NOW)["metadata"]["name"] for about in (INVOLVED, other) for round_ in (1, 2)}
    assert len(found) == 4
