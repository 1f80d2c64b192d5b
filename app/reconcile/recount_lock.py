"""An advisory lock that shows that a sale is being recounted. It ends with its holder's connection.

The lock is not needed for safety: the epoch provides that. It keeps two reconcilers from restarting each other's long
recount. A reconciler takes it before it raises the epoch, so nobody reads an epoch whose recount does not show yet.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger.locks import KEY

TAKE = text(f"SELECT pg_try_advisory_lock({KEY})")
TAKEN = text(f"""
    SELECT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (classid::bigint << 32) | objid::bigint = {KEY}
    )
""")  # noqa: S608  a constant, no input


@asynccontextmanager
async def recount_lock(engine: AsyncEngine, sale: str, epoch: int) -> AsyncIterator[AsyncConnection | None]:
    """Take the lock and yield its connection. Yield None if another process holds the lock for this epoch."""
    async with engine.connect() as connection:
        taken = await connection.scalar(TAKE, {"lock": _lock_name(sale, epoch)})
        await connection.commit()  # the lock belongs to the session and stays
        if not taken:
            yield None
            return
        try:
            yield connection
        finally:
            # The lock belongs to the session and ends with it, whatever state an error has left the connection in.
            await connection.invalidate()


async def recount_lock_held(engine: AsyncEngine, sale: str, epoch: int) -> bool:
    """Return True if a living process is recounting the sale under this epoch."""
    async with engine.connect() as connection:
        return bool(await connection.scalar(TAKEN, {"lock": _lock_name(sale, epoch)}))


def _lock_name(sale: str, epoch: int) -> str:
    return f"recount {sale} {epoch}"
