"""A purchase that waits for a lock until its time is up gets Contention: a crowd is no outage. It takes no ticket."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger.availability import LedgerUnavailable
from app.ledger.engine import make_engine
from app.ledger.locks import hold
from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.settings import LedgerSettings
from app.strategies.contention import Contention
from app.strategies.dependencies import RegisteredStrategy, StrategyDependencies
from app.strategies.in_ledger.strategy import Taken
from app.strategies.registry import STRATEGIES
from app.strategies.row_lock import RowLockStrategy
from tests.strategies.sale import create_sale, tally_of, won
from tests.support.sales import a_purchase

Held = Callable[[AsyncEngine], AbstractAsyncContextManager[None]]


@pytest.fixture
async def hasty(dependencies: StrategyDependencies, database_url: str) -> AsyncIterator[StrategyDependencies]:
    """Yield the dependencies of a process whose statements have little time."""
    engine = make_engine(database_url, "test", LedgerSettings(statement_timeout_seconds=0.4))
    yield replace(dependencies, engine=engine)
    await engine.dispose()


@asynccontextmanager
async def row_held(engine: AsyncEngine) -> AsyncIterator[None]:
    """Hold the counter's row, like another purchase that pauses."""
    async with engine.begin() as other:
        await other.execute(text("SELECT 1 FROM inventory FOR NO KEY UPDATE"))
        yield


@asynccontextmanager
async def sale_held(engine: AsyncEngine) -> AsyncIterator[None]:
    async with engine.begin() as other:
        await hold(other, "sale drop")
        yield


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("row-lock", row_held),
        ("advisory-lock", sale_held),
        ("conditional-update", row_held),
        ("single-statement", row_held),
        ("db-gathered", row_held),
    ],
)
async def test_a_lock_that_is_not_free_in_time_is_contention(
    dependencies: StrategyDependencies, hasty: StrategyDependencies, name: str, held: Held
) -> None:
    strategy: RegisteredStrategy = STRATEGIES[name].build(hasty)
    sale = await create_sale(strategy, dependencies)
    async with held(dependencies.engine):
        with pytest.raises(Contention):
            await strategy.buy(a_purchase())
    won(await strategy.buy(a_purchase()))
    assert (await tally_of(dependencies, sale)).booked == 1
    await strategy.close()


class Slow(RowLockStrategy):
    """The control: a statement that takes too long without waiting for a lock."""

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        await connection.execute(text("SELECT pg_sleep(60)"))
        return await super().take(connection, purchase, state)


async def test_a_statement_that_takes_too_long_by_itself_is_no_contention(
    dependencies: StrategyDependencies, hasty: StrategyDependencies
) -> None:
    strategy = Slow.build(hasty)
    await create_sale(strategy, dependencies)
    with pytest.raises(LedgerUnavailable):
        await strategy.buy(a_purchase())
