"""A count of the transactions in the test's database that wait for a lock at this moment."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

WAITING = text("""
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


async def lock_waiters(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(WAITING)).scalar_one())
