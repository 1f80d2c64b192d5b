"""The conditions and the status that follow from an observation of a sale, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.ledger.availability import LedgerUnavailable
from app.reconcile.classify import Kind
from app.reconcile.decide import Action
from app.sales.desired_state import NameTaken, Step
from app.sales.phase import Phase
from flashsale_operator.conditions import condition_of, condition_states
from flashsale_operator.observed import Observed, WorkersSeen
from flashsale_operator.resource.models import ConditionStatus, ConditionType, FlashSaleStatus
from flashsale_operator.status import is_urgent, status_of
from tests.flashsale_operator.looks import LOOK, WORKERS, check, look

NOW = datetime(2026, 12, 1, 18, tzinfo=UTC)
AWAY = LedgerUnavailable("away").detail
BEFORE = status_of(FlashSaleStatus(), LOOK, 1, NOW)
Ready, Seeded, Workers, Consistent, Accepting = ConditionType


def conditions_of(observed: Observed, phase: Phase | None = None) -> dict[str, str]:
    """Return the status and reason of each condition that is known."""
    now = phase or (observed.view.phase if observed.view else Phase.PENDING)
    return {
        kind.value: f"{state.status} {state.reason}"
        for kind, state in condition_states(observed, now).items()
        if state is not None
    }


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (LOOK, {
            "Ready": "True InForce", "StockSeeded": "True Seeded", "WorkersAvailable": "True PoolReady",
            "LedgerConsistent": "True Consistent", "Accepting": "True Open",
        }),
        (look(phase=Phase.SCHEDULED), {"Ready": "True InForce", "Accepting": "False Scheduled"}),
        (look(phase=Phase.PAUSED), {"Ready": "True InForce", "Accepting": "False Paused"}),
        (look(phase=Phase.SOLD_OUT), {"Ready": "True InForce", "Accepting": "False SoldOut"}),
        (look(phase=Phase.CLOSED), {"Ready": "True InForce", "Accepting": "False Closed"}),
        (look(phase=Phase.DEGRADED), {"Ready": "False Degraded", "StockSeeded": "False CounterLost"}),
        (look(phase=Phase.SEEDING), {"Ready": "False Seeding", "StockSeeded": "False Seeding"}),
        (look(checks=(check(Kind.LEAKED, 3),)), {"Ready": "True InForce", "LedgerConsistent": "False Leaked"}),
        (look(checks=(check(Kind.OVER_ADMITTED, 3),)), {"LedgerConsistent": "False OverAdmitted"}),
        (look(checks=(check(Kind.UNVOUCHED),)), {"LedgerConsistent": "False CounterLost"}),
        (look(checks=(check(Kind.UNVOUCHED), check(Kind.NONE))), {"LedgerConsistent": "True Consistent"}),
        (look(oversold=4, at_gate=False, checks=(check(None),)), {
            "Ready": "True InForce", "LedgerConsistent": "False Oversold", "Accepting": "True Open",
        }),
        (look(at_gate=False, checks=(check(None),)), {"LedgerConsistent": "True Consistent"}),
        (look(phase=Phase.DEGRADED, gate_away=AWAY, checks=()), {
            "Ready": "False GateUnreachable", "StockSeeded": "Unknown GateUnreachable",
            "Accepting": "False GateUnreachable",
        }),
        (Observed(ledger_away=AWAY, workers=WORKERS), {
            "Ready": "False LedgerUnreachable", "LedgerConsistent": "Unknown LedgerUnreachable",
        }),
        (Observed(refusal=NameTaken("an HTTP sale"), workers=WORKERS), {
            "Ready": "False NameTaken", "StockSeeded": "False NameTaken", "Accepting": "False Pending",
        }),
        (look(workers=WorkersSeen(pool=5, replicas=5, ready=1, capped=True)), {
            "Ready": "True InForce", "WorkersAvailable": "True Capped",
        }),
        (look(workers=WorkersSeen(pool=0)), {"WorkersAvailable": "True NothingToDrain"}),
        (look(workers=WorkersSeen(pool=2, replicas=2)), {"WorkersAvailable": "False WorkersStarting"}),
        (look(workers=WorkersSeen(problem="forbidden")), {
            "Ready": "False WorkersNotScaled", "WorkersAvailable": "Unknown WorkersNotScaled",
        }),
    ],
)  # fmt: skip
def test_verdicts(observed: Observed, expected: dict[str, str]) -> None:
    found = conditions_of(observed)
    assert {kind: found[kind] for kind in expected} == expected


def test_nothing_is_told_of_workers_that_nobody_has_looked_at() -> None:
    assert "WorkersAvailable" not in conditions_of(look(workers=WorkersSeen(looked=False)))


def test_what_can_not_be_told_stays_as_it_was() -> None:
    later = NOW + timedelta(minutes=1)
    after = status_of(BEFORE, Observed(ledger_away=AWAY, workers=WORKERS), 1, later)
    assert (after.phase, after.stock, after.round) == (Phase.OPEN, BEFORE.stock, 1)
    assert condition_of(after, Accepting) == condition_of(BEFORE, Accepting)
    unmeasured = status_of(BEFORE, look(checks=(check(None),)), 1, later)
    assert condition_of(unmeasured, Consistent) == condition_of(BEFORE, Consistent)


def test_a_transition_has_its_time_and_a_new_reason_has_none() -> None:
    later = NOW + timedelta(minutes=1)
    paused = status_of(BEFORE, look(phase=Phase.PAUSED), 2, later)
    sold_out = status_of(paused, look(phase=Phase.SOLD_OUT), 3, later + timedelta(minutes=1))
    found = condition_of(sold_out, Accepting)
    assert found is not None
    assert (found.reason, found.last_transition_time, found.observed_generation) == ("SoldOut", later, 3)
    ready = condition_of(sold_out, Ready)
    assert ready is not None
    assert (ready.status, ready.last_transition_time) == (ConditionStatus.TRUE, NOW)


def test_the_same_look_is_the_same_status_whenever_it_is() -> None:
    assert status_of(BEFORE, LOOK, 1, NOW + timedelta(hours=1)) == BEFORE
    leaking = status_of(BEFORE, look(checks=(check(Kind.LEAKED, 3),)), 1, NOW)
    again = status_of(leaking, look(checks=(check(Kind.LEAKED, 3),)), 1, NOW + timedelta(hours=1))
    assert again == leaking


def test_a_status_reads_back_as_it_was_written() -> None:
    leaking = status_of(BEFORE, look(checks=(check(Kind.LEAKED, 3),), step=Step.AMEND), 1, NOW)
    assert FlashSaleStatus.model_validate(leaking.model_dump(mode="json", by_alias=True, exclude_none=True)) == leaking


@pytest.mark.parametrize(
    ("observed", "urgent"),
    [
        (look(remaining=9, backlog=1), False),
        (look(workers=replace(WORKERS, ready=2)), False),
        (look(phase=Phase.SOLD_OUT), True),
        (look(checks=(check(Kind.LEAKED, 1),)), True),
        (look(round=2), True),
        (look(step=Step.AMEND), True),
    ],
)
def test_counters_may_wait_and_all_else_may_not(observed: Observed, urgent: bool) -> None:
    after = status_of(BEFORE, observed, 1, NOW)
    assert after != BEFORE
    assert is_urgent(BEFORE, after) is urgent


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({}, False),
        ({"step": Step.CREATE}, True),
        ({"checks": (check(Kind.LEAKED, 3, action=Action.OBSERVE),)}, False),
        ({"checks": (check(Kind.LEAKED, 3, action=Action.GIVE_BACK), check(Kind.NONE))}, True),
        ({"checks": (check(Kind.LEAKED, 3, action=Action.GIVE_BACK, done=False),)}, False),
    ],
)
def test_the_last_reconcile_is_the_last_that_changed_something(changes: dict[str, Any], changed: bool) -> None:
    after = status_of(BEFORE, look(**changes), 1, NOW)
    assert (after.last_reconcile is not None) is changed


def test_drift_has_a_beginning_until_it_is_gone() -> None:
    leaking = status_of(BEFORE, look(checks=(check(Kind.LEAKED, 3),)), 1, NOW)
    worse = status_of(leaking, look(checks=(check(Kind.LEAKED, 5),)), 1, NOW + timedelta(seconds=9))
    mended = status_of(worse, LOOK, 1, NOW + timedelta(seconds=30))
    assert [status.drift and (status.drift.leaked, status.drift.since_time) for status in (leaking, worse, mended)] == [
        (3, NOW), (5, NOW), (0, None),
    ]  # fmt: skip
