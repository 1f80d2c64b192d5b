"""Who is recounting a sale at this moment: an advisory lock, which ends with its holder's connection.

It keeps nobody safe (the epoch does that); it keeps two reconcilers from starting a long recount anew under each other.
A reconciler takes it in the transaction that raises the epoch, so that nobody sees an epoch whose recount has yet to
say that it runs. (After a creation or a reset the epoch is seen a moment before.)
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
async def at_work(engine: AsyncEngine, sale: str, epoch: int) -> AsyncIterator[AsyncConnection | None]:
    """Yields a connection that says who is at work; None where another is, on this very epoch."""
    async with own_session(engine) as connection:
        async with connection.begin():
            taken = await take(connection, sale, epoch)
        yield connection if taken else None


@asynccontextmanager
async def own_session(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yields a connection that is closed afterwards, because its locks end with its session.

    If an answer was lost, the session may hold a lock that its process does not know of.
    """
    async with engine.connect() as connection:
        try:
            yield connection
        finally:
            await connection.invalidate()


async def take(connection: AsyncConnection, sale: str, epoch: int) -> bool:
    """Takes the lock for the session; False where another has it."""
    return bool(await connection.scalar(TAKE, {"lock": _work(sale, epoch)}))


async def somebody_at_work(engine: AsyncEngine, sale: str, epoch: int) -> bool:
    """Whether a living process is recounting the sale under this epoch."""
    async with engine.connect() as connection:
        return bool(await connection.scalar(TAKEN, {"lock": _work(sale, epoch)}))


def _work(sale: str, epoch: int) -> str:
    return f"recount {sale} {epoch}"
