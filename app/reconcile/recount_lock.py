"""An advisory lock that shows that a sale is being recounted. It ends with its holder's connection.

The lock is not needed for safety: the epoch provides that. It keeps two reconcilers from restarting each other's long
recount. A reconciler takes it in the transaction that raises the epoch, so that nobody reads an epoch whose recount
does not show yet. After a creation or a reset, the epoch can be read a moment earlier.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger import sessions
from app.ledger.locks import KEY

END_IF_IDLE = text("SELECT set_config('idle_session_timeout', :milliseconds, false)")
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
    async with own_session(engine) as connection:
        async with connection.begin():
            taken = await take(connection, sale, epoch)
        yield connection if taken else None


@asynccontextmanager
async def own_session(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yield a connection that is closed afterwards, because its locks end with its session.

    If an answer is lost, the session may hold a lock that its process does not know of. The server ends the session if
    it is idle for IDLE_LOCK_SECONDS: a holder that does something else for longer sends `SELECT 1` meanwhile.
    """
    async with engine.connect() as connection:
        try:
            await connection.execute(END_IF_IDLE, {"milliseconds": sessions.milliseconds(sessions.IDLE_LOCK_SECONDS)})
            await connection.commit()
            yield connection
        finally:
            await connection.invalidate()


async def take(connection: AsyncConnection, sale: str, epoch: int) -> bool:
    """Take the lock for the session. Return False if another session holds it."""
    return bool(await connection.scalar(TAKE, {"lock": _lock_name(sale, epoch)}))


async def recount_lock_held(engine: AsyncEngine, sale: str, epoch: int) -> bool:
    """Return True if a living process is recounting the sale under this epoch."""
    async with engine.connect() as connection:
        return bool(await connection.scalar(TAKEN, {"lock": _lock_name(sale, epoch)}))


def _lock_name(sale: str, epoch: int) -> str:
    return f"recount {sale} {epoch}"
