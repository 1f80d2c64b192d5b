"""The owner of a sale's name, and the next step of its row, as tables."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.sales.desired_state import DesiredSale, NameTaken, Step, StockShrinks, StrategyDiffers, next_step
from app.sales.model import Sale, SaleTerms

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TERMS = SaleTerms(name="drop", strategy="atomic", stock=10, think_is_explicit=False)
DESIRED = DesiredSale(terms=TERMS, uid="uid-1", generation=3, round=1)
FOLLOWING = Sale(
    terms=replace(TERMS, think_ms=7), round=4, epoch=9, managed_by="flashsale", owner_uid="uid-1", owner_round=1,
    owner_generation=3, created_at=NOW,
)  # fmt: skip
ENDED = replace(FOLLOWING, ended_at=NOW)
HTTP = replace(FOLLOWING, managed_by="http", owner_uid=None, owner_round=None, owner_generation=None)


def desired(uid: str = "uid-1", generation: int = 3, round_: int = 1, **changes: Any) -> DesiredSale:
    flags = {name: changes.pop(name) for name in ("paused", "adopt") if name in changes}
    return DesiredSale(terms=replace(TERMS, **changes), uid=uid, generation=generation, round=round_, **flags)


@pytest.mark.parametrize(
    ("requested", "observed", "step"),
    [
        (DESIRED, None, Step.CREATE),
        (DESIRED, FOLLOWING, Step.NOTHING),
        (desired(generation=9), FOLLOWING, Step.NOTHING),
        (desired(stock=11), FOLLOWING, Step.AMEND),
        (desired(paused=True), FOLLOWING, Step.AMEND),
        (desired(closes_at=NOW), FOLLOWING, Step.AMEND),
        (desired(customer_limit=2), FOLLOWING, Step.AMEND),
        (desired(think_ms=8, think_is_explicit=True), FOLLOWING, Step.AMEND),
        (desired(think_ms=7, think_is_explicit=True), FOLLOWING, Step.NOTHING),
        (desired(think_ms=8), FOLLOWING, Step.NOTHING),
        (desired(round_=2), FOLLOWING, Step.NEXT_ROUND),
        (desired(round_=2, stock=3), FOLLOWING, Step.NEXT_ROUND),
        (DESIRED, ENDED, Step.NEXT_ROUND),
        (desired("uid-2", generation=1), ENDED, Step.NEXT_ROUND),
        (DESIRED, replace(HTTP, ended_at=NOW), Step.NEXT_ROUND),
        (desired("uid-2", generation=1), FOLLOWING, Step.ADOPT),
        (desired("uid-2", generation=1, stock=12), FOLLOWING, Step.ADOPT),
        (desired("uid-2", generation=1, round_=4), FOLLOWING, Step.ADOPT),
        (desired("uid-2", generation=1, round_=5), FOLLOWING, Step.NEXT_ROUND),
        (desired(adopt=True, round_=5), HTTP, Step.ADOPT),
        (desired("uid-2", generation=1, stock=9), FOLLOWING, Step.ADOPT),
        (desired(adopt=True), HTTP, Step.ADOPT),
        (desired(generation=2, paused=True), FOLLOWING, Step.NOTHING),
        (desired(generation=2, stock=5), FOLLOWING, Step.NOTHING),
        (desired(generation=2, round_=2), FOLLOWING, Step.NOTHING),
    ],
)
def test_the_next_step(requested: DesiredSale, observed: Sale | None, step: Step) -> None:
    assert next_step(requested, observed) is step


@pytest.mark.parametrize(
    ("requested", "observed", "refusal"),
    [
        (DESIRED, HTTP, NameTaken),
        (desired(stock=9), FOLLOWING, StockShrinks),
        (desired(strategy="naive"), FOLLOWING, StrategyDiffers),
        (desired(strategy="naive"), ENDED, StrategyDiffers),
        (desired(strategy="naive", adopt=True), HTTP, StrategyDiffers),
    ],
)
def test_what_a_sale_can_not_become(requested: DesiredSale, observed: Sale, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        next_step(requested, observed)
