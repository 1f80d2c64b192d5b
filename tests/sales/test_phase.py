"""The phase of a sale, as a table. If several phases fit, the row shows which one takes precedence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.sales.model import Sale, SaleTerms
from app.sales.phase import Phase, phase
from app.sales.strategy import Snapshot
from tests.services.scripted_strategy import counter

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SALE = Sale(
    terms=SaleTerms(name="drop", strategy="atomic", stock=10),
    round=2,
    epoch=5,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def sale(*, opens_at: datetime | None = None, closes_at: datetime | None = None, **other: Any) -> Sale:
    return replace(SALE, terms=replace(SALE.terms, opens_at=opens_at, closes_at=closes_at), **other)


def a_counter(**other: Any) -> Snapshot:
    return counter(**{"round": 2, "epoch": 5, **other})


@pytest.mark.parametrize(
    ("sale", "snapshot", "expected"),
    [
        (sale(), a_counter(), Phase.OPEN),
        (sale(opens_at=NOW), a_counter(), Phase.OPEN),
        (sale(opens_at=NOW - HOUR, closes_at=NOW + HOUR), a_counter(), Phase.OPEN),
        (sale(), a_counter(remaining=0), Phase.SOLD_OUT),
        (sale(), a_counter(remaining=0, backlog=10), Phase.SOLD_OUT),
        (sale(opens_at=NOW + HOUR), a_counter(), Phase.SCHEDULED),
        (sale(opens_at=NOW + HOUR), a_counter(remaining=0), Phase.SCHEDULED),
        (sale(paused=True), a_counter(), Phase.PAUSED),
        (sale(paused=True, opens_at=NOW + HOUR), a_counter(), Phase.PAUSED),
        (sale(paused=True), a_counter(remaining=0), Phase.PAUSED),
        (sale(closes_at=NOW), a_counter(), Phase.CLOSED),
        (sale(closes_at=NOW), a_counter(backlog=1), Phase.DRAINING),
        (sale(closes_at=NOW, paused=True), a_counter(), Phase.CLOSED),
        (sale(ended_at=NOW), a_counter(), Phase.CLOSED),
        (sale(ended_at=NOW), a_counter(backlog=1), Phase.DRAINING),
        (sale(ended_at=NOW, paused=True), a_counter(backlog=1), Phase.DRAINING),
        (sale(ended_at=NOW), None, Phase.DRAINING),
        (sale(ended_at=NOW, removed_at=NOW), None, Phase.CLOSED),
        (sale(), a_counter(epoch=4), Phase.SEEDING),
        (sale(), a_counter(round=1), Phase.SEEDING),
        (sale(ended_at=NOW), a_counter(round=1, epoch=4), Phase.SEEDING),
        (sale(), None, Phase.DEGRADED),
        (sale(paused=True), None, Phase.DEGRADED),
        (sale(closes_at=NOW), None, Phase.DEGRADED),
        (sale(), a_counter(available=False), Phase.DEGRADED),
        (sale(), a_counter(available=False, epoch=4), Phase.DEGRADED),
        (sale(ended_at=NOW), a_counter(available=False), Phase.DEGRADED),
    ],
)
def test_phase(sale: Sale, snapshot: Snapshot | None, expected: Phase) -> None:
    assert phase(sale, snapshot, NOW) == expected
