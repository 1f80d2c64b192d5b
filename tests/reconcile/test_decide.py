"""How a check is classified and what is decided on it, as tables. No store is needed."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gate.replies import GateSnapshot
from app.reconcile.classify import Drift, Kind, classify
from app.reconcile.decide import CONFIRMED, Action, Policy, Suspicion, decide, suspect
from app.reconcile.measure import Sums
from app.reconcile.observation import LedgerRound, Observation
from tests.support.sales import a_sale

GRACE = 10.0
SNAPSHOT = GateSnapshot(
    round=1, epoch=1, state="open", stock=10, remaining=4, backlog=2, accepted=6, repairs=0, released=0, server="s",
    allotted=10, written=6, written_orders=6, acknowledged=4, acknowledged_orders=4, ledger="1@1", last_entry="1-1",
)  # fmt: skip
LEDGER = LedgerRound(
    epoch=1, stock=10, counter=3, recount=False, generation=0, over=False, highest=(1, 4), incarnation="1@1"
)
SUMS = Sums(at=SNAPSHOT, booked=3, cancelled=0, cancellations=0, set_aside=1, waiting=2, decided=4, known=6, exact=True)


@dataclass(frozen=True)
class Check:
    """What a check has read."""

    observation: Observation
    sums: Sums | None


def check(ledger: LedgerRound = LEDGER, sums: dict[str, Any] | None = None, remembered: int = 6, **gate: Any) -> Check:
    """Return a check of a sale in order, changed as given."""
    snapshot = replace(SNAPSHOT, **gate)
    observation = Observation(
        round=1, server="s", remembered=remembered, before=snapshot, after=snapshot, ledger=ledger
    )
    return Check(observation, replace(SUMS, at=snapshot, **(sums or {})))


def gone() -> Check:
    """Return a check of a sale that the gate does not have."""
    return Check(replace(check().observation, before=None, after=None), None)


IN_ORDER = check()
UNCOUNTED = replace(IN_ORDER, sums=None)
CHANGED = check(sums={"exact": False})
LEAKED = check(remaining=1)
OVER = check(remaining=5)
NOTHING_LEFT = check(remaining=0, allotted=6, sums={"booked": 8})
UNSOLD = check(sums={"booked": 2})  # an order of one ticket became a duplicate
LOST = check(sums={"booked": 1, "decided": 2, "known": 4})


@pytest.mark.parametrize(
    ("checked", "drift"),
    [
        (IN_ORDER, Drift(Kind.NONE)),
        (UNCOUNTED, None),
        (CHANGED, None),
        (LEAKED, Drift(Kind.LEAKED, 3)),
        (replace(LEAKED, sums=None), Drift(Kind.LEAKED, 3)),
        (OVER, Drift(Kind.OVER_ADMITTED, 1)),
        (NOTHING_LEFT, Drift(Kind.OVER_ADMITTED, 1)),
        (UNSOLD, Drift(Kind.UNSOLD, 1)),
        (LOST, Drift(Kind.LEDGER_LOST, 2)),
        # by one of the two counts alone: the answers are gone, or an order of an earlier epoch is missing
        (check(remembered=0, ledger=replace(LEDGER, over=True), sums={"decided": 3}), Drift(Kind.LEDGER_LOST, 1)),
        (check(remembered=9), Drift(Kind.LEDGER_LOST, 3)),
        # lost and leaked: what is lost comes first
        (check(remaining=1, sums={"decided": 3}), Drift(Kind.LEDGER_LOST, 1)),
        (gone(), Drift(Kind.UNVOUCHED)),
        (check(state="fenced"), Drift(Kind.UNVOUCHED)),
        (check(sums={"booked": 2, "cancelled": 1, "cancellations": 1}), Drift(Kind.NONE)),
        (check(sums={"booked": 1, "cancelled": 1, "cancellations": 1}), Drift(Kind.UNSOLD, 1)),
        (check(sums={"booked": 2, "cancelled": 5, "cancellations": 1}), Drift(Kind.NONE)),
        (check(released=1, sums={"booked": 2, "cancelled": 5, "cancellations": 1}), Drift(Kind.UNSOLD, 1)),
    ],
)
def test_classify(checked: Check, drift: Drift | None) -> None:
    assert classify(checked.observation, checked.sums) == drift


def decided(
    checked: Check,
    *,
    for_seconds: float | None = None,
    policy: Policy = "RepairSafe",
    ended: bool = False,
    paused: bool = False,
) -> tuple[Action, int]:
    """Decide at time 100 on a drift that has been suspected for `for_seconds`, with a smallest amount of 2 tickets."""
    sale = replace(a_sale(), ended_at=datetime(2026, 1, 1, tzinfo=UTC) if ended else None, paused=paused)
    drift = classify(checked.observation, checked.sums)
    suspicion = None
    if for_seconds is not None and drift is not None:
        suspicion = Suspicion(drift.kind, min(2, drift.tickets), 100 - for_seconds, (1, 1, 0))
    decision = decide(sale, checked.observation, drift, suspicion, now=100, grace_seconds=GRACE, policy=policy)
    return decision.action, decision.tickets


WITH_FLAG = replace(LEDGER, recount=True)
RESTARTED = replace(LEDGER, incarnation="2@1")


@pytest.mark.parametrize(
    ("checked", "given", "action"),
    [
        (IN_ORDER, {}, (Action.NOTHING, 0)),
        (UNCOUNTED, {}, (Action.NOTHING, 0)),
        (LEAKED, {}, (Action.OBSERVE, 0)),
        (LEAKED, {"for_seconds": GRACE - 1}, (Action.OBSERVE, 0)),
        (LEAKED, {"for_seconds": GRACE}, (Action.GIVE_BACK, 2)),
        (replace(LEAKED, sums=None), {"for_seconds": GRACE}, (Action.GIVE_BACK, 2)),
        (LEAKED, {"for_seconds": GRACE, "policy": "Observe"}, (Action.OBSERVE, 0)),
        (OVER, {"for_seconds": GRACE - 1}, (Action.OBSERVE, 0)),
        (OVER, {"for_seconds": GRACE}, (Action.RECOUNT, 0)),
        (OVER, {"for_seconds": GRACE, "policy": "Observe"}, (Action.OBSERVE, 0)),
        (check(remaining=5, ledger=WITH_FLAG), {}, (Action.RECOUNT, 0)),
        (check(remaining=1, ledger=WITH_FLAG), {}, (Action.OBSERVE, 0)),
        (check(ledger=WITH_FLAG), {}, (Action.CLEAR_RECOUNT_FLAG, 0)),
        (NOTHING_LEFT, {"for_seconds": GRACE}, (Action.OBSERVE, 0)),
        (UNSOLD, {}, (Action.OBSERVE, 0)),
        (UNSOLD, {"for_seconds": GRACE}, (Action.RECOUNT, 0)),
        (LOST, {}, (Action.REBOOK, 0)),
        (LOST, {"policy": "Observe"}, (Action.OBSERVE, 0)),
        (check(remaining=1, sums={"decided": 3}), {"for_seconds": GRACE}, (Action.REBOOK, 0)),
        (check(ledger=RESTARTED), {}, (Action.REBOOK, 0)),
        (check(ledger=RESTARTED, remaining=1), {"for_seconds": GRACE}, (Action.REBOOK, 0)),
        (check(ledger=replace(LEDGER, incarnation="")), {}, (Action.NOTHING, 0)),
        (check(round=2, epoch=2), {}, (Action.STOP, 0)),
        (check(round=2, epoch=2, state="fenced"), {}, (Action.STOP, 0)),
        (check(round=2, epoch=2), {"ended": True}, (Action.STOP, 0)),
        (check(generation=1), {}, (Action.RECOUNT, 0)),
        (check(remembered=5), {}, (Action.RECOUNT, 0)),
        (check(remembered=5, ledger=replace(LEDGER, over=True)), {}, (Action.NOTHING, 0)),
        (check(written_orders=5), {}, (Action.RECOUNT, 0)),
        (gone(), {}, (Action.RECOUNT, 0)),
        (gone(), {"policy": "Observe"}, (Action.RECOUNT, 0)),
        (check(state="fenced"), {}, (Action.RECOUNT, 0)),
        (check(ledger=replace(LEDGER, stock=12)), {}, (Action.AMEND, 0)),
        (IN_ORDER, {"paused": True}, (Action.AMEND, 0)),
        (check(state="paused"), {"paused": True}, (Action.NOTHING, 0)),
        (IN_ORDER, {"ended": True}, (Action.AMEND, 0)),
        (check(state="closed"), {"ended": True}, (Action.NOTHING, 0)),
        (check(state="closed", last_entry=""), {"ended": True}, (Action.REMOVE, 0)),
        (check(state="fenced", last_entry=""), {"ended": True}, (Action.REMOVE, 0)),
        (gone(), {"ended": True}, (Action.REMOVE, 0)),
    ],
)
def test_decide(checked: Check, given: dict[str, Any], action: tuple[Action, int]) -> None:
    assert decided(checked, **given) == action


checks = st.lists(
    st.tuples(
        st.one_of(
            st.none(),
            st.builds(Drift, st.sampled_from(CONFIRMED), st.integers(1, 5)),
            st.just(Drift(Kind.NONE)),
            st.just(Drift(Kind.UNVOUCHED)),
        ),
        st.integers(0, 1),  # repairs
    ),
    min_size=1,
    max_size=12,
)


@given(checks)
def test_a_suspicion_is_the_smallest_amount_of_the_unbroken_run_of_one_kind(
    history: list[tuple[Drift | None, int]],
) -> None:
    suspicion: Suspicion | None = None
    for now, (drift, repairs) in enumerate(history):
        suspicion = suspect(suspicion, drift, replace(SNAPSHOT, repairs=repairs), float(now))
    known = [(now, drift, repairs) for now, (drift, repairs) in enumerate(history) if drift is not None]
    run: list[tuple[int, Drift, int]] = []
    for now, drift, repairs in reversed(known):
        if drift.kind not in CONFIRMED:
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
