"""Whether the ledger is one that this release can work with, and whose it is."""

from functools import cache

from alembic.script import ScriptDirectory
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import TemporarilyUnavailable
from app.ledger.availability import ledger_reachable
from app.ledger.migrate import alembic_config
from app.ledger.models import InstanceRow


class SchemaUnfit(TemporarilyUnavailable):
    """The migrations have not been run, or belong to another release."""


@cache
def newest_revision() -> str:
    """The revision that this release's models describe."""
    return str(ScriptDirectory.from_config(alembic_config()).get_current_head())


async def installation_id(engine: AsyncEngine) -> str:
    """The id that the ledger was given by its first migration. Raises SchemaUnfit, or LedgerUnavailable."""
    with ledger_reachable():
        async with engine.connect() as connection:
            try:
                revision = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
            except ProgrammingError as error:
                raise SchemaUnfit("The ledger has no schema yet: run `python -m app.ledger.migrate`.") from error
            if revision != newest_revision():
                raise SchemaUnfit(f"The ledger's revision is {revision}; this release needs {newest_revision()}.")
            identity = (await connection.execute(select(InstanceRow.id))).scalar()
    if identity is None:
        raise SchemaUnfit("The ledger has no instance id: run `python -m app.ledger.migrate`.")
    return str(identity)
