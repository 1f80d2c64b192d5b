"""Reads of the ledger by the race itself, in the schema that LEDGER_SCHEMA_NAME names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from app.lab.race.target import Target
from app.lab.stack.ledger_address import LedgerAddress

BOOKINGS = """
    SELECT reservation_id, sale, round, customer, idempotency_key AS key, quantity, status, ticket
    FROM bookings WHERE sale = $1 ORDER BY booked_at, reservation_id
"""
KNOWS = "SELECT EXISTS (SELECT FROM sales WHERE name = $1)"


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Open a connection of the race's own, so that its reads do not wait behind purchases for a pooled one."""
    connection = await asyncpg.connect(
        LedgerAddress.of(str(target.database_url)).libpq(password=True),
        server_settings={"application_name": "atomictickets.race", "search_path": f'"{target.ledger_schema}"'},
    )
    try:
        yield connection
    finally:
        await connection.close()


async def bookings_of(connection: "asyncpg.Connection[Any]", sale: str) -> list[dict[str, Any]]:
    """Return the bookings of a sale, of all rounds, in the order in which they were booked."""
    return [dict(row) for row in await connection.fetch(BOOKINGS, sale)]


async def knows(connection: "asyncpg.Connection[Any]", sale: str) -> bool:
    """Return whether the ledger has a sale of this name. Raise UndefinedTableError if the schema is no ledger."""
    found: bool = await connection.fetchval(KNOWS, sale)
    return found
