"""The naive strategy oversells, and its counter hides it. test_duties.py tests the duties that it still has."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import TemporarilyUnavailable
from app.lab.stack.servers.ports import free_port
from app.ledger.engine import make_engine
from app.ledger.sales import SaleRepository
from app.sales.model import Sale
from app.sales.outcomes import Outcome, Reserved, SoldOut
from app.sales.strategy import Snapshot
from app.settings import LedgerSettings
from app.strategies.naive import NaiveStrategy
from tests.strategies.sale import won
from tests.support.locked_naive import LockedNaive
from tests.support.patience import PATIENT_LEDGER
from tests.support.rows import terms
from tests.support.sales import a_purchase
from tests.support.warm import warm_up

STOCK, CROWD, THINK_MS = 5, 30, 50


@pytest.fixture
async def engines(database_url: str) -> AsyncIterator[list[AsyncEngine]]:
    """Yield two engines, as two processes have them, whose connections are opened before the race."""
    engines = [make_engine(database_url, "test", PATIENT_LEDGER, pool_size=CROWD // 2) for _ in range(2)]
    for engine in engines:
        await warm_up(engine, CROWD // 2)
    yield engines
    for engine in engines:
        await engine.dispose()


@pytest.fixture
def sales(engines: list[AsyncEngine]) -> SaleRepository:
    return SaleRepository(engines[0])


@pytest.fixture
def naive(engines: list[AsyncEngine]) -> NaiveStrategy:
    return NaiveStrategy(engines[0])


async def create_sale(sales: SaleRepository, *, stock: int = STOCK, think_ms: int = 0, **other: Any) -> Sale:
    asked = terms(strategy="naive", stock=stock, think_ms=think_ms, **other)
    return (await sales.create(asked, guarded=False)).sale


async def rush(strategies: list[NaiveStrategy]) -> list[Outcome]:
    return await asyncio.gather(
        *(strategies[number % len(strategies)].buy(a_purchase(f"customer-{number}")) for number in range(CROWD))
    )


async def test_a_crowd_is_sold_more_than_there_is_and_the_counter_claims_less(
    engines: list[AsyncEngine], sales: SaleRepository
) -> None:
    sale = await create_sale(sales, think_ms=THINK_MS)
    outcomes = await rush([NaiveStrategy(engine) for engine in engines])
    tally = await sales.tally("drop", 1)
    snapshot = await NaiveStrategy(engines[0]).snapshot(sale)
    assert snapshot is not None
    assert tally.booked > STOCK, "the race did not happen"
    assert tally.booked == sum(isinstance(outcome, Reserved) for outcome in outcomes)
    assert STOCK - snapshot.remaining < tally.booked
    async with engines[0].connect() as connection:
        tickets = list((await connection.execute(text("SELECT ticket FROM bookings"))).scalars())
    assert len(set(tickets)) < len(tickets)


async def test_with_the_row_locked_the_same_crowd_is_sold_exactly_the_stock(
    engines: list[AsyncEngine], sales: SaleRepository
) -> None:
    sale = await create_sale(sales, think_ms=THINK_MS)
    outcomes = await rush([LockedNaive(engine) for engine in engines])
    tally = await sales.tally("drop", 1)
    assert tally.booked == STOCK
    assert sum(isinstance(outcome, Reserved) for outcome in outcomes) == STOCK
    assert sum(outcome == SoldOut(0) for outcome in outcomes) == CROWD - STOCK
    assert await LockedNaive(engines[0]).snapshot(sale) == Snapshot(
        round=1, epoch=1, stock=STOCK, remaining=0, backlog=0
    )
    async with engines[0].connect() as connection:
        tickets = sorted((await connection.execute(text("SELECT ticket FROM bookings"))).scalars())
    assert tickets == [1, 2, 3, 4, 5]


async def test_the_limit_races_too(naive: NaiveStrategy, sales: SaleRepository) -> None:
    await create_sale(sales, think_ms=THINK_MS, customer_limit=1)
    outcomes = await asyncio.gather(*(naive.buy(a_purchase()) for _ in range(5)))
    assert sum(isinstance(outcome, Reserved) for outcome in outcomes) > 1


async def test_a_key_sent_many_times_at_once_buys_once(engines: list[AsyncEngine], sales: SaleRepository) -> None:
    sale = await create_sale(sales, stock=10, think_ms=THINK_MS)
    strategies = [NaiveStrategy(engine) for engine in engines]
    outcomes = await asyncio.gather(*(strategies[number % 2].buy(a_purchase(key="k")) for number in range(10)))
    assert len({won(outcome).reservation for outcome in outcomes}) == 1
    assert sum(not won(outcome).replayed for outcome in outcomes) == 1
    assert (await sales.tally("drop", 1)).booked == 1
    snapshot = await strategies[0].snapshot(sale)
    assert snapshot is not None
    assert snapshot.remaining == 9


async def test_a_window_that_is_open_sells(naive: NaiveStrategy, sales: SaleRepository) -> None:
    now = datetime.now(UTC)
    await create_sale(sales, opens_at=now - timedelta(hours=1), closes_at=now + timedelta(hours=1))
    assert isinstance(await naive.buy(a_purchase()), Reserved)


async def test_a_booking_is_never_pending(naive: NaiveStrategy, sales: SaleRepository) -> None:
    await create_sale(sales)
    assert not await naive.is_pending(won(await naive.buy(a_purchase())).reservation)


async def test_a_buyer_without_a_free_connection_is_asked_to_come_back(
    database_url: str, sales: SaleRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_sale(sales)
    engine = make_engine(database_url, "test", PATIENT_LEDGER, pool_size=1)
    monkeypatch.setattr(engine.pool, "_timeout", 0.2)  # the pool alone is hasty
    async with engine.connect():
        with pytest.raises(TemporarilyUnavailable, match="busy"):
            await NaiveStrategy(engine).buy(a_purchase())
    await engine.dispose()
    assert (await sales.tally("drop", 1)).booked == 0


async def test_a_ledger_that_is_away_is_temporarily_unavailable() -> None:
    engine = make_engine(f"postgresql+asyncpg://postgres@127.0.0.1:{free_port()}/none", "test", LedgerSettings())
    with pytest.raises(TemporarilyUnavailable):
        await NaiveStrategy(engine).buy(a_purchase())
    await engine.dispose()
