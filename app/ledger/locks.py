"""Advisory locks and their keys. Postgres has one space of them per database, which installations may share.

So the schema's name is part of each key. It is taken from the search path, since a lock is also held while the schema
is made.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

KEY = "hashtextextended(current_setting('search_path') || ' ' || :lock, 0)"
"""SQL; `lock` is bound to what the lock is about, in words."""
HOLD = text(f"SELECT pg_advisory_xact_lock({KEY})")


async def hold(connection: AsyncConnection, lock: str) -> None:
    """Waits for the lock, and has it until the transaction ends."""
    await connection.execute(HOLD, {"lock": lock})
