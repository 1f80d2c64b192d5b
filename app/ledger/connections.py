"""Checks of the ledger's server: it takes writes, and it allows as many connections as may be opened.

If it allows fewer, some fail under load.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable

# `reserved_connections` exists since PostgreSQL 16.
ALLOWED = text("""
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)
""")

# A server that is read-only refuses it before it looks for rows. So nothing is written, and no transaction id is used.
EMPTY_WRITE = text("UPDATE instance SET id = id WHERE false")


async def require_writable(engine: AsyncEngine) -> None:
    """Raise LedgerUnavailable if a write would be refused. The pool then replaces its sessions."""
    with ledger_reachable():
        async with engine.connect() as connection:
            await connection.execute(EMPTY_WRITE)


async def allowed_connections(engine: AsyncEngine) -> int:
    """Return how many connections the server allows to all ordinary accounts together. Raise LedgerUnavailable."""
    with ledger_reachable():
        async with engine.connect() as connection:
            return int((await connection.execute(ALLOWED)).scalar_one())


async def connection_problems(engine: AsyncEngine, wanted: int) -> list[str]:
    """Return the reasons why `wanted` connections are too many, or an empty list.

    Connections of other applications are not counted.
    """
    allowed = await allowed_connections(engine)
    if wanted <= allowed:
        return []
    return [
        f"up to {wanted} connections may be opened to the ledger, whose server allows {allowed}: lower LEDGER_POOL_SIZE"
    ]
