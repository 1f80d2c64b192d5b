"""A release goes on selling over its open connections while a newer release adds columns to its tables."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.attempts import AttemptRepository
from app.ledger.blasts import BlastRepository
from app.ledger.engine import make_engine
from app.ledger.managed import ManagedSales
from app.ledger.models import Base
from app.ledger.purchases import read
from app.ledger.receipts import ReceiptRepository
from app.ledger.reservations import ReservationRepository
from app.ledger.retention import prune
from app.ledger.sales import SaleRepository
from app.ledger.schema import installation_id
from app.ledger.tickets import TicketRepository
from app.sales.desired_state import DesiredSale
from app.sales.model import ReservationId
from app.settings import LedgerSettings
from tests.support.rows import reservation_id, terms

Use = Callable[[AsyncEngine], Awaitable[Any]]


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Yield an engine with one connection, which keeps every statement prepared."""
    engine = make_engine(database_url, "test", LedgerSettings(statement_timeout_seconds=30), pool_size=1)
    yield engine
    await engine.dispose()


@pytest.fixture
async def newer_release(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Yield the engine of the newer release's migration."""
    engine = make_engine(database_url, "migrate", LedgerSettings(statement_timeout_seconds=30))
    yield engine
    await engine.dispose()


async def add_a_column_to_each_table(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            await connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN of_a_newer_release integer"))


async def blasts(engine: AsyncEngine) -> None:
    repository = BlastRepository(engine)
    asked = await repository.create("drop", requests=1, concurrency=1, customers=None, quantity=1, retries=0)
    assert await repository.get(asked.id) == asked
    assert asked in await repository.recent(5)
    assert await repository.claim("test") is not None
    assert await repository.progress(asked.id, {"sent": 1})
    assert (await repository.request_cancel(asked.id)).cancel_asked
    assert await repository.finish(asked.id, "cancelled", {})


async def sales(engine: AsyncEngine) -> None:
    repository = SaleRepository(engine)
    await repository.create(terms(), guarded=True)
    assert await repository.get("drop") is not None
    assert await repository.page()
    assert await repository.active()
    assert await repository.tally("drop", (await repository.next_round("drop")).round)
    assert await ManagedSales(engine).follow(DesiredSale(terms=terms("led"), uid="u", generation=1), None, guarded=True)


async def orders(engine: AsyncEngine) -> None:
    of_nobody = ReservationId.parse(reservation_id())
    assert await ReservationRepository(engine).find(of_nobody) is None
    assert await ReservationRepository(engine).of_buyer("drop", 1, "ada", "k") is None
    assert await ReceiptRepository(engine).get(str(of_nobody)) is None
    assert await TicketRepository(engine).map("drop", 1, 10)
    async with engine.connect() as connection:
        assert await read(connection, "drop")


async def evidence(engine: AsyncEngine) -> None:
    repository = AttemptRepository(engine)
    await repository.attempts("drop", 1, limit=5)
    await repository.witnesses("drop", 1, limit=5)


async def housekeeping(engine: AsyncEngine) -> None:
    assert await installation_id(engine)
    await prune(engine, 30)


@pytest.mark.parametrize("use", [blasts, sales, orders, evidence, housekeeping])
async def test_what_was_prepared_before_a_column_came_works_after_it(
    engine: AsyncEngine, newer_release: AsyncEngine, use: Use
) -> None:
    await sales(engine)
    await use(engine)
    await add_a_column_to_each_table(newer_release)
    await use(engine)


async def test_a_star_does_not(engine: AsyncEngine, newer_release: AsyncEngine) -> None:
    """The control: a statement with `*` that was prepared before fails."""

    async def star() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT * FROM blasts"))

    await star()
    await add_a_column_to_each_table(newer_release)
    with pytest.raises(DBAPIError, match="cached statement plan is invalid"):
        await star()
