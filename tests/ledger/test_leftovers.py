"""Tickets that a strategy has dealt into units or buckets, and that were not sold when their round ended.

They go back to the round's counter exactly once. Tickets that are still on sale stay where they are.
"""

import secrets

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.migrate import alembic_config
from app.ledger.retention import prune
from app.ledger.sales import SaleRepository
from app.sales.model import Purchase, Sale, SaleTerms
from app.sales.outcomes import Reserved
from app.strategies.in_ledger.strategy import LedgerStrategy
from app.strategies.sharded_counter import ShardedCounterStrategy
from app.strategies.skip_locked import SkipLockedStrategy
from tests.support.rows import mark_removed

STOCK = 50

DEALT = text("SELECT (SELECT count(*) FROM units) + (SELECT count(*) FROM buckets)")


@pytest.fixture(params=[SkipLockedStrategy, ShardedCounterStrategy], ids=lambda strategy: strategy.name)
async def strategy(request: pytest.FixtureRequest, engine: AsyncEngine) -> LedgerStrategy:
    selling: LedgerStrategy = request.param(engine)
    return selling


@pytest.fixture
async def sale(strategy: LedgerStrategy, sales: SaleRepository) -> Sale:
    """Return a sale of which one ticket is sold and most others are dealt."""
    sale = (await sales.create(SaleTerms(name="drop", strategy=strategy.name, stock=STOCK), guarded=True)).sale
    assert isinstance(await buy(strategy), Reserved)
    return sale


async def buy(strategy: LedgerStrategy) -> object:
    return await strategy.buy(Purchase("drop", secrets.token_hex(4), "k", 1, secrets.token_hex(8)))


async def dealt(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(DEALT)).scalar_one())


async def remaining(strategy: LedgerStrategy, sale: Sale) -> int:
    snapshot = await strategy.snapshot(sale)
    assert snapshot is not None
    return snapshot.remaining


@pytest.mark.usefixtures("sale")
async def test_what_is_on_sale_stays(engine: AsyncEngine) -> None:
    before = await dealt(engine)
    assert before > 0
    assert await prune(engine, 30) == 0
    assert await dealt(engine) == before


async def test_what_a_reset_left_over_goes_back_once(
    strategy: LedgerStrategy, sale: Sale, sales: SaleRepository, engine: AsyncEngine
) -> None:
    following = await sales.next_round("drop")
    assert isinstance(await buy(strategy), Reserved)
    rows = await dealt(engine)
    gone = [await prune(engine, 30) for _ in range(2)]
    assert gone[0] > 0
    assert gone[1] == 0
    assert await dealt(engine) == rows - gone[0]
    assert (await sales.tally("drop", 1)).counter_remaining == STOCK - 1
    assert [await remaining(strategy, each) for each in (sale, following)] == [STOCK - 1, STOCK - 1]


async def test_what_an_end_left_over_goes_back_in_bounded_batches(
    strategy: LedgerStrategy, sale: Sale, sales: SaleRepository, engine: AsyncEngine
) -> None:
    await sales.end("drop")
    assert await prune(engine, 30) == 0  # a purchase may still be under way
    await mark_removed(engine)
    gone = [await prune(engine, 30, batch=10) for _ in range(8)]
    assert max(gone) == 10
    assert gone[-1] == 0
    assert await dealt(engine) == 0
    assert (await sales.tally("drop", 1)).counter_remaining == await remaining(strategy, sale) == STOCK - 1


async def test_a_ticket_that_a_late_purchase_holds_is_passed_over(
    strategy: LedgerStrategy, sale: Sale, sales: SaleRepository, engine: AsyncEngine
) -> None:
    await sales.next_round("drop")
    async with engine.connect() as late:
        for table in ("units", "buckets"):
            await late.execute(text(f"SELECT 1 FROM {table} FOR UPDATE"))  # noqa: S608  our own names
        assert await prune(engine, 30) == 0
    assert await prune(engine, 30) > 0
    assert await remaining(strategy, sale) == STOCK - 1


async def test_an_older_schema_finds_them_in_the_counter(
    strategy: LedgerStrategy, sale: Sale, sales: SaleRepository, engine: AsyncEngine
) -> None:
    def downgrade(connection: Connection) -> None:
        config = alembic_config(connection)
        before = ScriptDirectory.from_config(config).get_revision("0005").down_revision
        assert isinstance(before, str)
        command.downgrade(config, before)

    assert (await sales.tally("drop", 1)).counter_remaining < await remaining(strategy, sale)
    async with engine.begin() as connection:
        await connection.run_sync(downgrade)
        # The statements of this release need its own schema.
        assert await connection.scalar(text("SELECT remaining FROM inventory")) == STOCK - 1
