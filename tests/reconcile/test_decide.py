"""How a measurement is classified and what is decided on it, as tables. No store is needed."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gate.replies import GateSnapshot
from app.reconcile.classify import Drift, Kind, classify
from app.reconcile.decide import Action, Policy, Suspicion, decide, suspect
from app.reconcile.measure import LedgerSide, Measurement
from tests.support.sales import a_sale

GRACE = 10.0
SNAPSHOT = GateSnapshot(
    round=1, epoch=1, state="open", stock=10, remaining=4, backlog=2, accepted=6, repairs=0, released=0, server="s",
    last_entry="1-1",
)  # fmt: skip
LEDGER = LedgerSide(
    epoch=1, stock=10, counter=3, recount=False, booked=3, cancelled=0, cancellations=0, set_aside=1, waiting=2,
    highest=(1, 4),
)  # fmt: skip


def measured(*, complete: bool = True, ledger: LedgerSide = LEDGER, **gate: Any) -> Measurement:
    snapshot = replace(SNAPSHOT, **gate)
    return Measurement(server="s", before=snapshot, after=snapshot, ledger=ledger, complete=complete)


LEAKED = measured(remaining=1)
OVER = measured(remaining=5)
NOTHING_LEFT = measured(remaining=0, ledger=replace(LEDGER, booked=8))


@pytest.mark.parametrize(
    ("measurement", "drift"),
    [
        (measured(), Drift(Kind.NONE)),
        (LEAKED, Drift(Kind.LEAKED, 3)),
        (OVER, Drift(Kind.OVER_ADMITTED, 1)),
        (NOTHING_LEFT, Drift(Kind.OVER_ADMITTED, 1)),
        (measured(complete=False), None),
        (replace(measured(), after=replace(SNAPSHOT, repairs=1)), None),
        (replace(measured(), after=replace(SNAPSHOT, released=1)), None),
        (replace(measured(), after=replace(SNAPSHOT, stock=11)), None),
        (replace(measured(), after=replace(SNAPSHOT, accepted=9, remaining=1)), Drift(Kind.NONE)),
        (replace(measured(), before=None), Drift(Kind.UNVOUCHED)),
        (measured(state="fenced"), Drift(Kind.UNVOUCHED)),
        (measured(remaining=1, ledger=replace(LEDGER, cancelled=2, cancellations=1)), Drift(Kind.LEAKED, 1)),
        (measured(remaining=1, ledger=replace(LEDGER, cancelled=5, cancellations=1)), Drift(Kind.NONE)),
        (
            measured(remaining=1, released=1, ledger=replace(LEDGER, cancelled=5, cancellations=1)),
            Drift(Kind.LEAKED, 3),
        ),
    ],
)
def test_classify(measurement: Measurement, drift: Drift | None) -> None:
    assert classify(measurement) == drift


def decided(
    measurement: Measurement,
    *,
    for_seconds: float | None = None,
    policy: Policy = "RepairSafe",
    ended: bool = False,
    paused: bool = False,
) -> tuple[Action, int]:
    """Decide at time 100 on a drift that has been suspected for `for_seconds`, with a smallest amount of 2 tickets."""
    sale = replace(a_sale(), ended_at=datetime(2026, 1, 1, tzinfo=UTC) if ended else None, paused=paused)
    drift = classify(measurement)
    suspicion = None
    if for_seconds is not None and drift is not None:
        suspicion = Suspicion(drift.kind, min(2, drift.tickets), 100 - for_seconds, (1, 1, 0))
    decision = decide(sale, measurement, drift, suspicion, now=100, grace_seconds=GRACE, policy=policy)
    return decision.action, decision.tickets


@pytest.mark.parametrize(
    ("measurement", "given", "action"),
    [
        (measured(), {}, (Action.NOTHING, 0)),
        (measured(complete=False), {}, (Action.NOTHING, 0)),
        (LEAKED, {}, (Action.OBSERVE, 0)),
        (LEAKED, {"for_seconds": GRACE - 1}, (Action.OBSERVE, 0)),
        (LEAKED, {"for_seconds": GRACE}, (Action.GIVE_BACK, 2)),
        (LEAKED, {"for_seconds": GRACE, "policy": "Observe"}, (Action.OBSERVE, 0)),
        (OVER, {"for_seconds": GRACE - 1}, (Action.OBSERVE, 0)),
        (OVER, {"for_seconds": GRACE}, (Action.RECOUNT, 0)),
        (OVER, {"for_seconds": GRACE, "policy": "Observe"}, (Action.OBSERVE, 0)),
        (replace(OVER, ledger=replace(LEDGER, recount=True)), {}, (Action.RECOUNT, 0)),
        (replace(LEAKED, ledger=replace(LEDGER, recount=True)), {}, (Action.OBSERVE, 0)),
        (replace(measured(), ledger=replace(LEDGER, recount=True)), {}, (Action.CLEAR_RECOUNT_FLAG, 0)),
        (NOTHING_LEFT, {"for_seconds": GRACE}, (Action.OBSERVE, 0)),
        (replace(measured(), before=None, after=None), {}, (Action.RECOUNT, 0)),
        (replace(measured(), before=None, after=None), {"policy": "Observe"}, (Action.RECOUNT, 0)),
        (measured(state="fenced"), {}, (Action.RECOUNT, 0)),
        (replace(measured(), ledger=replace(LEDGER, stock=12)), {}, (Action.AMEND, 0)),
        (measured(), {"paused": True}, (Action.AMEND, 0)),
        (measured(state="paused"), {"paused": True}, (Action.NOTHING, 0)),
        (measured(), {"ended": True}, (Action.AMEND, 0)),
        (measured(state="closed"), {"ended": True}, (Action.NOTHING, 0)),
        (measured(state="closed", last_entry=""), {"ended": True}, (Action.REMOVE, 0)),
        (measured(state="fenced", last_entry=""), {"ended": True}, (Action.REMOVE, 0)),
        (replace(measured(), before=None, after=None), {"ended": True}, (Action.REMOVE, 0)),
    ],
)
def test_decide(measurement: Measurement, given: dict[str, Any], action: tuple[Action, int]) -> None:
    assert decided(measurement, **given) == action


checks = st.lists(
    st.tuples(
        st.one_of(
            st.none(),
            st.builds(Drift, st.sampled_from([Kind.LEAKED, Kind.OVER_ADMITTED]), st.integers(1, 5)),
            st.just(Drift(Kind.NONE)),
            st.just(Drift(Kind.UNVOUCHED)),
        ),
        st.integers(0, 1),  # repairs
    ),
    min_size=1,
    max_size=12,
)


@given(checks)
def test_a_suspicion_is_the_smallest_amount_of_the_unbroken_run_of_one_sign(
    history: list[tuple[Drift | None, int]],
) -> None:
    suspicion: Suspicion | None = None
    for now, (drift, repairs) in enumerate(history):
        suspicion = suspect(suspicion, drift, replace(SNAPSHOT, repairs=repairs), float(now))
    known = [(now, drift, repairs) for now, (drift, repairs) in enumerate(history) if drift is not None]
    run: list[tuple[int, Drift, int]] = []
    for now, drift, repairs in reversed(known):
        if drift.kind not in (Kind.LEAKED, Kind.OVER_ADMITTED):
            break
        if run and (drift.kind, repairs) != (run[0][1].kind, run[0][2]):
            break
        run.append((now, drift, repairs))
    if not run:
        assert suspicion is None
        return
    assert suspicion is not None
    assert suspicion.since == run[-1][0]
    assert suspicion.tickets == min(drift.tickets for _, drift, _ in run)
