"""Who is recounting a sale at this moment: an advisory lock, which ends with its holder's connection.

It keeps nobody safe (the epoch does that); it keeps two reconcilers from starting a long recount anew under each other.
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
""")  # noqa: S608  our own text, no input


@asynccontextmanager
async def recount_lock(engine: AsyncEngine, sale: str, epoch: int) -> AsyncIterator[AsyncConnection | None]:
    """Yields a connection in autocommit that says who is at work; None where another is, on this very epoch."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not await connection.scalar(TAKE, {"lock": _work(sale, epoch)}):
            yield None
            return
        try:
            yield connection
        finally:
            # The lock belongs to the session: it ends with it, whatever state an error has left the connection in.
            await connection.invalidate()


async def recount_lock_held(engine: AsyncEngine, sale: str, epoch: int) -> bool:
    """Whether a living process is recounting the sale under this epoch."""
    async with engine.connect() as connection:
        return bool(await connection.scalar(TAKEN, {"lock": _work(sale, epoch)}))


def _work(sale: str, epoch: int) -> str:
    return f"recount {sale} {epoch}"
