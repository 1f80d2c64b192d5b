"""Which server the ledger is: it changes if a standby takes over, a backup is restored or the server is restarted.

To the ledger this is what the run id is to the gate. After a change, what was committed before may be gone.
"""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger.availability import ledger_reachable

HIDDEN = ("42501", "42883", "0A000")  # forbidden, no such function, not supported: as managed services answer
# A standby would refuse to name a WAL file, but takes no session of ours (app.ledger.sessions).
INCARNATION = text("""
    SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)
        || '@' || floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint
""")


async def ledger_incarnation(engine: AsyncEngine) -> str:
    """Return '<timeline>@<start of the server>': 8 hex digits, and milliseconds since 1970.

    Return '' if the server hides these facts. Raise LedgerUnavailable if Postgres is away.
    """
    with ledger_reachable():
        async with engine.connect() as connection:
            return await read_incarnation(connection)


async def read_incarnation(connection: AsyncConnection) -> str:
    """Return the same, read in a transaction of its own on a connection that has none open."""
    try:
        async with connection.begin():
            return str(await connection.scalar(INCARNATION))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in HIDDEN:
            raise
        return ""
