"""Reads of the ledger by the race itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

BOOKINGS = """
    SELECT reservation_id, sale, round, customer, idempotency_key AS key, quantity, status, ticket
    FROM bookings WHERE sale = $1 ORDER BY booked_at, reservation_id
"""


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Open a connection of the race's own, so that its reads do not wait behind purchases for a pooled one."""
    connection = await asyncpg.connect(
        database_url.replace("postgresql+asyncpg://", "postgresql://"),
        server_settings={"application_name": "atomictickets.race"},
    )
    try:
        yield connection
    finally:
        await connection.close()


async def bookings_of(connection: "asyncpg.Connection[Any]", sale: str) -> list[dict[str, Any]]:
    """Return the bookings of a sale, of all rounds, in the order in which they were booked."""
    return [dict(row) for row in await connection.fetch(BOOKINGS, sale)]
