"""Tickets that others hold are not sold out, a purchase gets all its tickets or none, and more tickets are dealt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import Reserved, SoldOut
from app.strategies import skip_locked
from app.strategies.contention import Contention
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.strategy import Taken
from app.strategies.skip_locked import SkipLockedStrategy
from tests.strategies.sale import create_sale, insist, remaining, tally_of, won
from tests.strategies.waiting import lock_waiters
from tests.support.sales import a_purchase
from tests.support.until import until


class Hasty(SkipLockedStrategy):
    """The control: tickets that are locked at the moment count as sold out."""

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        here = {"sale": purchase.sale, "round": state.round}
        tickets = await self._take_free(connection, here, purchase.quantity)
        return Taken(min(tickets)) if len(tickets) == purchase.quantity else SoldOut(len(tickets))


class Careless(SkipLockedStrategy):
    """The control: it reads which rows are free, and does not check that this buyer deleted them."""

    async def _take_free(self, connection: AsyncConnection, here: dict[str, Any], wanted: int) -> list[int]:
        free = text("SELECT ticket FROM units WHERE sale = :sale AND round = :round ORDER BY ticket LIMIT :wanted")
        tickets = list((await connection.execute(free, here | {"wanted": wanted})).scalars())
        gone = text("DELETE FROM units WHERE sale = :sale AND round = :round AND ticket = ANY(:tickets)")
        await connection.execute(gone, here | {"tickets": tickets})
        return tickets


@asynccontextmanager
async def somebody_holds(dependencies: StrategyDependencies, tickets: int) -> AsyncIterator[None]:
    """Hold tickets in another buyer's transaction, which is rolled back in the end."""
    async with dependencies.engine.connect() as other:
        await other.execute(text("SELECT 1 FROM units ORDER BY ticket LIMIT :tickets FOR UPDATE"), {"tickets": tickets})
        yield
        await other.rollback()


async def test_tickets_that_are_held_are_contended_and_not_sold_out(dependencies: StrategyDependencies) -> None:
    strategy = SkipLockedStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=3)
    won(await strategy.buy(a_purchase()))
    async with somebody_holds(dependencies, 2):
        with pytest.raises(Contention):
            await strategy.buy(a_purchase())
    won(await strategy.buy(a_purchase(quantity=2)))
    assert await strategy.buy(a_purchase()) == SoldOut(0)
    assert (await tally_of(dependencies, sale)).booked == 3


async def test_if_held_tickets_count_as_sold_a_buyer_is_turned_away_too_early(
    dependencies: StrategyDependencies,
) -> None:
    strategy = SkipLockedStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=3)
    won(await strategy.buy(a_purchase()))
    async with somebody_holds(dependencies, 2):
        assert await Hasty.build(dependencies).buy(a_purchase()) == SoldOut(0)
    assert await remaining(strategy, sale) == 2


async def test_what_is_had_in_part_is_given_back(dependencies: StrategyDependencies) -> None:
    strategy = SkipLockedStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=4)
    won(await strategy.buy(a_purchase()))
    async with somebody_holds(dependencies, 1):
        with pytest.raises(Contention):
            await strategy.buy(a_purchase(quantity=3))
        won(await strategy.buy(a_purchase(quantity=2)))
    assert await strategy.buy(a_purchase(quantity=2)) == SoldOut(1)
    assert await remaining(strategy, sale) == 1


async def test_rows_that_are_not_locked_are_sold_twice(dependencies: StrategyDependencies) -> None:
    strategy = SkipLockedStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=2)
    won(await strategy.buy(a_purchase()))
    async with somebody_holds(dependencies, 1):
        purchases = [asyncio.create_task(Careless.build(dependencies).buy(a_purchase())) for _ in range(4)]

        async def all_wait() -> bool:
            return await lock_waiters(dependencies.engine) == len(purchases)

        await until(all_wait)
    outcomes = await asyncio.gather(*purchases)
    assert all(isinstance(outcome, Reserved) for outcome in outcomes)
    assert (await tally_of(dependencies, sale)).booked > 2


async def test_tickets_are_dealt_as_often_as_it_takes(
    dependencies: StrategyDependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skip_locked, "DEALT_TICKETS", 7)
    strategy = SkipLockedStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=30)
    outcomes = await asyncio.gather(*(insist(strategy, a_purchase(quantity=3)) for _ in range(20)))
    assert sum(isinstance(outcome, Reserved) for outcome in outcomes) == 10
    assert (await tally_of(dependencies, sale)).booked == 30
    async with dependencies.engine.connect() as connection:
        tickets = list((await connection.execute(text("SELECT ticket FROM bookings"))).scalars())
    assert len(set(tickets)) == 10
    assert max(tickets) <= 30


async def test_a_large_stock_is_not_written_out(dependencies: StrategyDependencies) -> None:
    strategy = SkipLockedStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=100_000_000)
    won(await strategy.buy(a_purchase()))
    async with dependencies.engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM units"))).scalar_one() == 999
    assert await remaining(strategy, sale) == 99_999_999
