"""The ledger's clock, with which the ages of its rows are measured."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable

NOW = text("SELECT now()")


async def ledger_now(engine: AsyncEngine) -> datetime:
    """Return the ledger's time, with its zone. Raise LedgerUnavailable if Postgres is away."""
    with ledger_reachable():
        async with engine.connect() as connection:
            now: datetime = (await connection.execute(NOW)).scalar_one()
            return now
