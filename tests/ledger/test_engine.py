"""How a pool handles connections whose server has restarted."""

from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.lab.stack.servers.postgres import PostgresServer
from app.ledger.engine import make_engine
from app.settings import LedgerSettings
from tests.support.until import until


@pytest.fixture
def postgres(make_postgres: Callable[..., PostgresServer]) -> PostgresServer:
    return make_postgres()


@pytest.fixture
async def ours(postgres: PostgresServer) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(postgres.url, "test", LedgerSettings(schema_name="public"))
    yield engine
    await engine.dispose()


@pytest.fixture
async def plain(postgres: PostgresServer) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(postgres.url)
    yield engine
    await engine.dispose()


async def use_after_a_restart(engine: AsyncEngine, postgres: PostgresServer) -> int:
    """Restart the server behind a used pool, and return the answer to the first statement after that."""
    async with engine.connect() as connection:
        pooled = (await connection.get_raw_connection()).driver_connection
        await connection.execute(text("SELECT 1"))
    postgres.kill()
    postgres.start()
    assert pooled is not None
    await until(pooled.is_closed)
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT 1")) or 0)


async def test_the_first_statement_after_a_restart_works(ours: AsyncEngine, postgres: PostgresServer) -> None:
    assert await use_after_a_restart(ours, postgres) == 1


async def test_without_the_listener_it_fails(plain: AsyncEngine, postgres: PostgresServer) -> None:
    """The control: SQLAlchemy's plain pool hands out the dead connection."""
    with pytest.raises(DBAPIError, match="closed"):
        await use_after_a_restart(plain, postgres)
