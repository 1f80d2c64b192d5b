"""A purchase that waits for a lock until its time is up gets Contention: a crowd is no outage. It takes no ticket."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger import engine as engine_module
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


@asynccontextmanager
async def process(
    dependencies: StrategyDependencies, database_url: str, statement_seconds: float
) -> AsyncIterator[StrategyDependencies]:
    """Yield the dependencies of a process whose statements have `statement_seconds`."""
    settings = LedgerSettings(connect_timeout_seconds=20, statement_timeout_seconds=statement_seconds)
    engine = make_engine(database_url, "test", settings)
    yield replace(dependencies, engine=engine)
    await engine.dispose()


@pytest.fixture
async def hasty(
    dependencies: StrategyDependencies, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StrategyDependencies]:
    """Yield the dependencies of a process that waits for a lock for 0.3 s.

    Its statements have far longer. When they had 0.4 s, one was ended for its own length on a busy machine.
    """
    monkeypatch.setattr(engine_module, "LOCK_SHARE", 0.03)
    async with process(dependencies, database_url, 10.0) as hasty:
        yield hasty


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
    dependencies: StrategyDependencies, database_url: str
) -> None:
    async with process(dependencies, database_url, 0.4) as hasty:
        strategy = Slow.build(hasty)
        await create_sale(strategy, dependencies)
        with pytest.raises(LedgerUnavailable):
            await strategy.buy(a_purchase())


async def test_a_lock_has_less_time_than_its_statement(dependencies: StrategyDependencies) -> None:
    async with dependencies.engine.connect() as connection:
        settings = "SELECT extract(epoch FROM current_setting(name)::interval) FROM unnest(CAST(:names AS text[])) name"
        found = await connection.scalars(text(settings), {"names": ["lock_timeout", "statement_timeout"]})
        lock, statement = found.all()
    assert 0 < lock < statement
