"""The return of unsold tickets in buckets and units to the counter, after their round is over."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Rows that a late purchase has locked are skipped, and taken back the next time.
TAKE_BACK = tuple(
    text(f"""
        WITH over AS MATERIALIZED (
            SELECT d.sale, d.round, d.{key} FROM {table} d JOIN sales s ON s.name = d.sale
            WHERE d.round < s.round OR s.removed_at IS NOT NULL LIMIT :batch FOR UPDATE OF d SKIP LOCKED
        ), gone AS (
            DELETE FROM {table} d USING over
            WHERE d.sale = over.sale AND d.round = over.round AND d.{key} = over.{key}
            RETURNING d.sale, d.round, {tickets} AS tickets
        ), back AS (
            UPDATE inventory i SET remaining = i.remaining + summed.tickets
            FROM (SELECT sale, round, sum(tickets) AS tickets FROM gone GROUP BY sale, round) summed
            WHERE i.sale = summed.sale AND i.round = summed.round
        )
        SELECT count(*) FROM gone
    """)  # noqa: S608  constants only
    for table, key, tickets in (("buckets", "bucket", "d.remaining"), ("units", "ticket", "1"))
)


async def return_unsold(connection: AsyncConnection, batch: int) -> int:
    """Take back at most `batch` buckets and `batch` units, in the caller's transaction. Return the rows deleted."""
    return sum([(await connection.execute(statement, {"batch": batch})).scalar_one() for statement in TAKE_BACK])
