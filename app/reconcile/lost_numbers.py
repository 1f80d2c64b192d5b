"""Name the orders that neither store has: the gate had counted them, and remembered nothing else of them."""

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import TemporarilyUnavailable
from app.gate.gate import Gate
from app.gate.replies import GateSnapshot
from app.ledger.availability import ledger_reachable
from app.sales.model import Sale
from app.sales.order import parse_entry

MAX_NAMED = 100

# Each number is looked up in an index.
MISSING = text("""
    SELECT n FROM generate_series(1, CAST(:accepted AS bigint)) AS n
    WHERE n <> ALL(CAST(:waiting AS bigint[]))
        AND NOT EXISTS (
            SELECT FROM bookings WHERE sale = :sale AND round = :round AND epoch = :epoch AND number = n)
        AND NOT EXISTS (
            SELECT FROM set_aside WHERE sale = :sale AND round = :round AND epoch = :epoch AND number = n
                AND set_aside_at IS NOT NULL)
    ORDER BY n
""")

log = structlog.get_logger()


async def tell_lost(sale: Sale, counted: GateSnapshot, gate: Gate, engine: AsyncEngine) -> None:
    """Log the orders of the epoch of `counted`, which a recount has ended, that are nowhere. Call it afterwards.

    A store that is away, or a ledger with too many orders to look through, only costs the names.
    """
    try:
        numbers = await _numbers(sale, counted, gate, engine)
    except TemporarilyUnavailable as error:
        log.warning("lost orders could not be named", sale=sale.name, error=error.detail)
        return
    if numbers:
        log.error(
            "orders that were accepted are in neither store; their tickets are for sale again",
            sale=sale.name,
            round=counted.round,
            epoch=counted.epoch,
            orders=len(numbers),
            numbers=numbers[:MAX_NAMED],
        )


async def _numbers(sale: Sale, counted: GateSnapshot, gate: Gate, engine: AsyncEngine) -> list[int]:
    waiting: list[int] = []
    async for page in gate.entries(sale.name):
        orders = (parse_entry(sale.name, entry, fields) for entry, fields in page)
        waiting += (order.number for order in orders if (order.round, order.epoch) == (counted.round, counted.epoch))
    asked = {
        "sale": sale.name,
        "round": counted.round,
        "epoch": counted.epoch,
        "accepted": counted.accepted,
        "waiting": waiting,
    }
    with ledger_reachable():
        async with engine.connect() as connection:
            return list((await connection.execute(MISSING, asked)).scalars())
