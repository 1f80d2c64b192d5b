"""Whether the ledger's server takes as many connections as may be opened; else some fail in the busiest hour."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable

# `reserved_connections` came with PostgreSQL 16.
ALLOWED = text("""
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)
""")


async def allowed_connections(engine: AsyncEngine) -> int:
    """How many the server lets ordinary accounts have, all together. Raises LedgerUnavailable."""
    with ledger_reachable():
        async with engine.connect() as connection:
            return int((await connection.execute(ALLOWED)).scalar_one())


async def doubts(engine: AsyncEngine, wanted: int) -> list[str]:
    """Why `wanted` connections can't all be had; empty where they can, as long as nobody else has them."""
    allowed = await allowed_connections(engine)
    if wanted <= allowed:
        return []
    return [
        f"up to {wanted} connections may be opened to the ledger, whose server takes {allowed}: lower LEDGER_POOL_SIZE"
    ]
