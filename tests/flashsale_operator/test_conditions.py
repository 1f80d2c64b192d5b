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
from flashsale_operator.observed import Observed, ObservedWorkers
from flashsale_operator.resource.models import ConditionStatus, ConditionType, FlashSaleStatus
from flashsale_operator.status import is_urgent, status_of
from tests.flashsale_operator.observations import OBSERVED, WORKERS, check, observation

NOW = datetime(2026, 12, 1, 18, tzinfo=UTC)
AWAY = LedgerUnavailable("away").detail
BEFORE = status_of(FlashSaleStatus(), OBSERVED, 1, NOW)
STOPPED = check(Kind.UNVOUCHED, action=Action.STOP)
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
        (OBSERVED, {
            "Ready": "True InForce", "StockSeeded": "True Seeded", "WorkersAvailable": "True PoolReady",
            "LedgerConsistent": "True Consistent", "Accepting": "True Open",
        }),
        (observation(phase=Phase.SCHEDULED), {"Ready": "True InForce", "Accepting": "False Scheduled"}),
        (observation(phase=Phase.PAUSED), {"Ready": "True InForce", "Accepting": "False Paused"}),
        (observation(phase=Phase.SOLD_OUT), {"Ready": "True InForce", "Accepting": "False SoldOut"}),
        (observation(phase=Phase.CLOSED), {"Ready": "True InForce", "Accepting": "False Closed"}),
        (observation(phase=Phase.DEGRADED), {"Ready": "False Degraded", "StockSeeded": "False CounterLost"}),
        (observation(phase=Phase.SEEDING), {"Ready": "False Seeding", "StockSeeded": "False Seeding"}),
        (observation(checks=(check(Kind.LEAKED, 3),)), {"Ready": "True InForce", "LedgerConsistent": "False Leaked"}),
        (observation(checks=(check(Kind.OVER_ADMITTED, 3),)), {"LedgerConsistent": "False OverAdmitted"}),
        (observation(checks=(check(Kind.UNVOUCHED),)), {"LedgerConsistent": "False CounterLost"}),
        (observation(checks=(check(Kind.UNSOLD, 3),)), {"LedgerConsistent": "False Unsold"}),
        (observation(checks=(check(Kind.LEDGER_LOST, 3),)), {
            "Ready": "True InForce", "LedgerConsistent": "False OrdersMissing", "Accepting": "True Open",
        }),
        (observation(checks=(check(Kind.LEDGER_LOST, 3), check(Kind.NONE))), {"LedgerConsistent": "True Consistent"}),
        (observation(phase=Phase.DEGRADED, checks=(STOPPED,)), {
            "Ready": "False Degraded", "StockSeeded": "False LedgerBehind", "LedgerConsistent": "False LedgerBehind",
            "Accepting": "False Degraded",
        }),
        (observation(checks=(check(Kind.UNVOUCHED), check(Kind.NONE))), {"LedgerConsistent": "True Consistent"}),
        (observation(oversold=4, at_gate=False, checks=(check(None),)), {
            "Ready": "True InForce", "LedgerConsistent": "False Oversold", "Accepting": "True Open",
        }),
        (observation(at_gate=False, checks=(check(None),)), {"LedgerConsistent": "True Consistent"}),
        (observation(phase=Phase.DEGRADED, gate_away=AWAY, checks=()), {
            "Ready": "False GateUnreachable", "StockSeeded": "Unknown GateUnreachable",
            "Accepting": "False GateUnreachable",
        }),
        (Observed(ledger_away=AWAY, workers=WORKERS), {
            "Ready": "False LedgerUnreachable", "LedgerConsistent": "Unknown LedgerUnreachable",
        }),
        (Observed(refusal=NameTaken("an HTTP sale"), workers=WORKERS), {
            "Ready": "False NameTaken", "StockSeeded": "False NameTaken", "Accepting": "False Pending",
        }),
        (observation(workers=ObservedWorkers(pool=5, ready=1, capped=True)), {
            "Ready": "True InForce", "WorkersAvailable": "True Capped",
        }),
        (observation(workers=ObservedWorkers(pool=0)), {"WorkersAvailable": "True NothingToDrain"}),
        (observation(workers=ObservedWorkers(pool=2)), {"WorkersAvailable": "False WorkersStarting"}),
        (observation(workers=ObservedWorkers(problem="forbidden")), {
            "Ready": "False WorkersNotScaled", "WorkersAvailable": "Unknown WorkersNotScaled",
        }),
    ],
)  # fmt: skip
def test_status_and_reason_of_each_condition(observed: Observed, expected: dict[str, str]) -> None:
    found = conditions_of(observed)
    assert {kind: found[kind] for kind in expected} == expected


def test_every_kind_of_finding_has_a_reason_of_its_own() -> None:
    reasons = {conditions_of(observation(checks=(check(kind, 3),)))["LedgerConsistent"] for kind in Kind}
    assert len(reasons) == len(Kind)


def test_missing_orders_are_booked_again_or_left_to_a_person() -> None:
    def message(action: Action) -> str:
        after = status_of(BEFORE, observation(checks=(check(Kind.LEDGER_LOST, 3, action=action),)), 1, NOW)
        found = condition_of(after, Consistent)
        assert found is not None
        return found.message

    missing = "3 orders that were booked are not in the ledger."
    assert message(Action.REBOOK) == f"{missing} They are booked again."
    assert message(Action.OBSERVE) == f"{missing} Policy Observe leaves them to a person."


def test_workers_have_no_condition_until_the_deployment_is_read() -> None:
    assert "WorkersAvailable" not in conditions_of(observation(workers=ObservedWorkers(known=False)))


def test_a_field_that_can_not_be_observed_stays_as_it_was() -> None:
    later = NOW + timedelta(minutes=1)
    after = status_of(BEFORE, Observed(ledger_away=AWAY, workers=WORKERS), 1, later)
    assert (after.phase, after.stock, after.round) == (Phase.OPEN, BEFORE.stock, 1)
    assert condition_of(after, Accepting) == condition_of(BEFORE, Accepting)
    unmeasured = status_of(BEFORE, observation(checks=(check(None),)), 1, later)
    assert condition_of(unmeasured, Consistent) == condition_of(BEFORE, Consistent)


def test_the_transition_time_changes_with_the_status_and_not_with_the_reason() -> None:
    later = NOW + timedelta(minutes=1)
    paused = status_of(BEFORE, observation(phase=Phase.PAUSED), 2, later)
    sold_out = status_of(paused, observation(phase=Phase.SOLD_OUT), 3, later + timedelta(minutes=1))
    found = condition_of(sold_out, Accepting)
    assert found is not None
    assert (found.reason, found.last_transition_time, found.observed_generation) == ("SoldOut", later, 3)
    ready = condition_of(sold_out, Ready)
    assert ready is not None
    assert (ready.status, ready.last_transition_time) == (ConditionStatus.TRUE, NOW)


def test_the_same_observation_later_gives_the_same_status() -> None:
    assert status_of(BEFORE, OBSERVED, 1, NOW + timedelta(hours=1)) == BEFORE
    leaking = status_of(BEFORE, observation(checks=(check(Kind.LEAKED, 3),)), 1, NOW)
    again = status_of(leaking, observation(checks=(check(Kind.LEAKED, 3),)), 1, NOW + timedelta(hours=1))
    assert again == leaking


def test_a_status_reads_back_as_it_was_written() -> None:
    leaking = status_of(BEFORE, observation(checks=(check(Kind.LEAKED, 3),), step=Step.AMEND), 1, NOW)
    assert FlashSaleStatus.model_validate(leaking.model_dump(mode="json", by_alias=True, exclude_none=True)) == leaking


@pytest.mark.parametrize(
    ("observed", "urgent"),
    [
        (observation(remaining=9, backlog=1), False),
        (observation(workers=replace(WORKERS, ready=2)), False),
        (observation(phase=Phase.SOLD_OUT), True),
        (observation(checks=(check(Kind.LEAKED, 1),)), True),
        (observation(checks=(check(Kind.LEDGER_LOST, 1),)), True),
        (observation(checks=(STOPPED,)), True),
        (observation(round=2), True),
        (observation(step=Step.AMEND), True),
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
        ({"checks": (check(Kind.LEDGER_LOST, 3, action=Action.REBOOK), check(Kind.NONE))}, True),
    ],
)
def test_the_last_reconcile_is_the_last_that_changed_something(changes: dict[str, Any], changed: bool) -> None:
    after = status_of(BEFORE, observation(**changes), 1, NOW)
    assert (after.last_reconcile is not None) is changed


def test_drift_has_a_beginning_until_it_is_gone() -> None:
    leaking = status_of(BEFORE, observation(checks=(check(Kind.LEAKED, 3),)), 1, NOW)
    worse = status_of(leaking, observation(checks=(check(Kind.LEAKED, 5),)), 1, NOW + timedelta(seconds=9))
    mended = status_of(worse, OBSERVED, 1, NOW + timedelta(seconds=30))
    assert [status.drift and (status.drift.leaked, status.drift.since_time) for status in (leaking, worse, mended)] == [
        (3, NOW), (5, NOW), (0, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        (Kind.NONE, (0, 0, 0)),
        (Kind.LEAKED, (3, 0, 0)),
        (Kind.OVER_ADMITTED, (0, 3, 0)),
        (Kind.UNSOLD, (0, 0, 3)),
        (Kind.UNVOUCHED, (0, 0, 0)),
        (Kind.LEDGER_LOST, (0, 0, 0)),  # orders, and their tickets are not free
    ],
)
def test_drift_is_counted_by_its_kind(kind: Kind, figures: tuple[int, int, int]) -> None:
    drift = status_of(BEFORE, observation(checks=(check(kind, 3),)), 1, NOW).drift
    assert drift is not None
    assert (drift.leaked, drift.over_admitted, drift.unsold) == figures
    assert drift.since_time == (NOW if any(figures) else None)


def test_tickets_that_were_booked_again_are_in_the_status() -> None:
    stock = status_of(BEFORE, observation(booked=6, remaining=4, rebooked=3), 1, NOW).stock
    assert stock is not None
    assert (stock.booked, stock.rebooked) == (6, 3)
