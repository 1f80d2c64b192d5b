"""The check that this release can work with the ledger, and the id of its installation."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable
from app.ledger.revisions import compatible_schema


async def installation_id(engine: AsyncEngine) -> str:
    """Return the id of the installation, which the ledger's first migration created.

    Raise SchemaBehind until the migrations are run, SchemaIncompatible if this release can't work on the schema, and
    LedgerUnavailable if Postgres is away.
    """
    with ledger_reachable():
        async with engine.connect() as connection:
            return (await connection.run_sync(compatible_schema)).installation
