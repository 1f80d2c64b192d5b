"""Deletion of old rows that the ledger need not keep: receipts, evidence of races, and ended blasts.

Unsold tickets in the buckets and units of old rounds go back to their counter. Bookings stay forever.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable
from app.ledger.leftovers import return_unsold

BATCH = 1000  # rows; deleting them takes some ms

# Two reconcilers at the same time skip each other's rows instead of waiting for them.
OLD = (
    text("""
        DELETE FROM receipts WHERE reservation_id IN (
            SELECT reservation_id FROM receipts WHERE kept_at < now() - make_interval(days => :days)
            LIMIT :batch FOR UPDATE SKIP LOCKED)
    """),
    text("""
        DELETE FROM attempts WHERE id IN (
            SELECT id FROM attempts WHERE recorded_at < now() - make_interval(days => :days)
            LIMIT :batch FOR UPDATE SKIP LOCKED)
    """),  # their witnesses are deleted with them
    text("""
        DELETE FROM blasts WHERE id IN (
            SELECT id FROM blasts WHERE finished_at < now() - make_interval(days => :days)
                AND state NOT IN ('queued', 'running')
            LIMIT :batch FOR UPDATE SKIP LOCKED)
    """),
)


async def prune(engine: AsyncEngine, older_than_days: int, batch: int = BATCH) -> int:
    """Delete at most `batch` rows of each kind and return how many were deleted. Raise LedgerUnavailable."""
    deleted = 0
    for statement in OLD:
        with ledger_reachable():
            async with engine.begin() as connection:
                deleted += (await connection.execute(statement, {"days": older_than_days, "batch": batch})).rowcount
    with ledger_reachable():
        async with engine.begin() as connection:
            return deleted + await return_unsold(connection, batch)
