"""Installations that share a database, each in a schema of its own."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.gate.server import ForeignStores, claim
from app.ledger.engine import make_engine
from app.ledger.migrate import upgrade
from app.ledger.sales import SaleRepository
from app.ledger.schema import installation_id
from app.reconcile.recount_lock import recount_lock, recount_lock_held
from app.sales.model import SaleTerms
from app.settings import InvalidSettings, LedgerSettings

NORTH, SOUTH = "shops-north-1", "x" * 63


async def open_schema(database_url: str, name: str) -> AsyncEngine:
    engine = make_engine(database_url, "test", LedgerSettings(schema_name=name), pool_size=3)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, name)
    return engine


@pytest.fixture
async def shops(empty_database_url: str) -> AsyncIterator[tuple[AsyncEngine, AsyncEngine]]:
    # Alembic supports one migration at a time within a process.
    north, south = [await open_schema(empty_database_url, name) for name in (NORTH, SOUTH)]
    yield north, south
    await north.dispose()
    await south.dispose()


async def test_each_schema_has_its_own_tables_and_rows(
    shops: tuple[AsyncEngine, AsyncEngine], empty_database_url: str
) -> None:
    north, south = (SaleRepository(engine) for engine in shops)
    await north.create(SaleTerms(name="drop", strategy="atomic", stock=5), guarded=True)
    assert await south.get("drop") is None
    engine = create_async_engine(empty_database_url)
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT schemaname FROM pg_tables WHERE tablename = 'alembic_version'"))
        assert set(found.scalars()) == {NORTH, SOUTH}
    await engine.dispose()


async def test_stores_of_two_schemas_are_a_foreign_pair(
    shops: tuple[AsyncEngine, AsyncEngine], stock_redis: Redis, key_prefix: str
) -> None:
    north, south = shops
    await claim(stock_redis, key_prefix, await installation_id(north))
    with pytest.raises(ForeignStores):
        await claim(stock_redis, key_prefix, await installation_id(south))


async def test_a_recount_in_one_schema_does_not_lock_the_other(
    shops: tuple[AsyncEngine, AsyncEngine],
) -> None:
    north, south = shops
    async with recount_lock(north, "drop", 1) as working:
        assert working is not None
        assert not await recount_lock_held(south, "drop", 1)
        async with recount_lock(south, "drop", 1) as also:
            assert also is not None
        async with recount_lock(north, "drop", 1) as twice:  # the control
            assert twice is None


@pytest.mark.parametrize("name", ["", "x" * 64, 'quo"te', "two.parts", "a b"])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(InvalidSettings, match="LEDGER_SCHEMA_NAME: "):
        LedgerSettings(schema_name=name)
