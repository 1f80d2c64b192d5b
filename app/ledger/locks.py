"""Advisory locks and their keys.

Postgres has one key space for the advisory locks of a database, which several installations may share. So the schema's
name is part of each key. It is taken from the search path, because a lock is also held while the schema is created.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

KEY = "hashtextextended(current_setting('search_path') || ' ' || :lock, 0)"
"""SQL for a lock's key. The parameter `lock` is a text that names what the lock protects."""
HOLD = text(f"SELECT pg_advisory_xact_lock({KEY})")


async def hold(connection: AsyncConnection, lock: str) -> None:
    """Wait for the lock, and hold it until the transaction ends. `lock` names what it protects."""
    await connection.execute(HOLD, {"lock": lock})
