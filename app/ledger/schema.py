"""Whether the ledger is one that this release can work with, and whose it is."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable
from app.ledger.revisions import fitting_schema


async def installation_id(engine: AsyncEngine) -> str:
    """The id that the ledger was given by its first migration.

    Raises SchemaBehind, which passes when the migrations are run; SchemaUnfit, or LedgerUnavailable.
    """
    with ledger_reachable():
        async with engine.connect() as connection:
            return (await connection.run_sync(fitting_schema)).installation
