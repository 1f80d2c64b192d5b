"""Tickets that were dealt out to buckets or shelves and not sold when their round was over: back to the counter."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

OVER = "d.round < s.round OR s.removed_at IS NOT NULL"

# Rows that a late purchase holds are passed over, and looked at again the next time.
TAKE_BACK = tuple(
    text(f"""
        WITH over AS MATERIALIZED (
            SELECT d.sale, d.round, d.{key} FROM {table} d JOIN sales s ON s.name = d.sale
            WHERE {OVER} LIMIT :batch FOR UPDATE OF d SKIP LOCKED
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
    """)  # noqa: S608  our own text, no input
    for table, key, tickets in (("buckets", "bucket", "d.remaining"), ("units", "ticket", "1"))
)


async def take_back(connection: AsyncConnection, batch: int) -> int:
    """At most a batch of buckets and one of units, in the caller's transaction; returns how many rows went."""
    return sum([(await connection.execute(statement, {"batch": batch})).scalar_one() for statement in TAKE_BACK])
