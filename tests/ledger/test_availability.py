"""A ledger that is away or busy is distinguished from one that refuses a statement."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.lab.stack.servers.ports import free_port
from app.lab.stack.servers.postgres import PostgresServer
from app.ledger.availability import LedgerUnavailable, ledger_reachable
from app.ledger.engine import make_engine
from app.ledger.sales import SaleRepository
from app.settings import LedgerSettings
from tests.support.patience import PATIENT_LEDGER
from tests.support.until import until


async def run(engine: AsyncEngine, statement: str) -> None:
    with ledger_reachable():
        async with engine.connect() as connection:
            await connection.execute(text(statement))


async def answers(engine: AsyncEngine) -> bool:
    try:
        await run(engine, "SELECT 1")
    except LedgerUnavailable:
        return False
    return True


async def test_nobody_listens() -> None:
    engine = make_engine(f"postgresql+asyncpg://postgres@127.0.0.1:{free_port()}/none", "test", LedgerSettings())
    with pytest.raises(LedgerUnavailable, match="can't be reached"):
        await SaleRepository(engine).get("drop")
    await engine.dispose()


async def test_every_connection_is_taken(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(database_url, "test", PATIENT_LEDGER, pool_size=1)
    monkeypatch.setattr(engine.pool, "_timeout", 0.2)  # the pool alone is hasty
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        await stack.enter_async_context(engine.connect())
        with pytest.raises(LedgerUnavailable, match="busy"):
            await run(engine, "SELECT 1")


async def test_a_statement_takes_too_long(database_url: str) -> None:
    engine = make_engine(database_url, "test", LedgerSettings(statement_timeout_seconds=0.2))
    with pytest.raises(LedgerUnavailable):
        await run(engine, "SELECT pg_sleep(60)")
    await engine.dispose()


async def test_the_server_dies_and_comes_back(make_postgres: Callable[..., PostgresServer]) -> None:
    server = make_postgres()
    engine = make_engine(server.url, "test", PATIENT_LEDGER, pool_size=1)
    await run(engine, "SELECT 1")
    server.kill()
    with pytest.raises(LedgerUnavailable):
        await run(engine, "SELECT 1")
    await asyncio.to_thread(server.start)
    await run(engine, "SELECT 1")
    await engine.dispose()


async def test_the_server_is_silent(make_postgres: Callable[..., PostgresServer]) -> None:
    """The connections stay open, like those to a lost node, so that only our own timeout ends the wait."""
    server = make_postgres()
    settings = LedgerSettings(pool_size=1, statement_timeout_seconds=0.2, connect_timeout_seconds=1)
    engine = make_engine(server.url, "test", settings)
    await until(lambda: answers(engine))
    postmaster = psutil.Process(server.pid)
    stopped = [postmaster, *postmaster.children(recursive=True)]
    for process in stopped:
        process.suspend()
    for _ in ("over a connection that was there", "over one that has to be made"):
        with pytest.raises(LedgerUnavailable):
            async with asyncio.timeout(60):  # fails the test with another error if the wait does not end
                await run(engine, "SELECT 1")
    for process in stopped:
        process.resume()
    await until(lambda: answers(engine))
    await engine.dispose()


async def test_a_wrong_statement_is_no_outage(engine: AsyncEngine) -> None:
    with pytest.raises(DBAPIError):
        await run(engine, "SELECT nothing FROM nowhere")
