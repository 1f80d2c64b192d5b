"""The ledger as a race reads it in the end."""

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
    """A connection of its own, so that the race waits behind no buyer."""
    connection = await asyncpg.connect(
        database_url.replace("postgresql+asyncpg://", "postgresql://"),
        server_settings={"application_name": "atomictickets.race"},
    )
    try:
        yield connection
    finally:
        await connection.close()


async def bookings_of(connection: "asyncpg.Connection[Any]", sale: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(BOOKINGS, sale)]
