"""Stop the sales that the gate has and the ledger does not: the ledger is older than the sale's own row.

A sale is committed in the ledger before the gate is seeded. So the ledger has gone back in time, to before the sale was
created. Nobody can book its orders, and an API process that knows the sale would go on accepting them.

The sale stays fenced until it is created again, over HTTP or by its resource. Its round is then known to both stores,
and a recount books its orders again.
"""

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.gate import Gate
from app.ledger.availability import ledger_reachable
from app.reconcile.meters import UNKNOWN_SALES

PAGE = 500  # names

KNOWN = text("SELECT name FROM sales WHERE name = ANY(:names)")

log = structlog.get_logger()


async def stop_unknown_sales(gate: Gate, engine: AsyncEngine) -> set[str]:
    """Fence each sale that the ledger does not know, and return their names.

    Raise TemporarilyUnavailable if a store is away.
    """
    unknown: set[str] = set()
    names: list[str] = []
    async for name in gate.names():
        names.append(name)
        if len(names) == PAGE:
            unknown |= await _stop(names, gate, engine)
            names = []
    unknown |= await _stop(names, gate, engine)
    UNKNOWN_SALES.set(len(unknown))
    return unknown


async def _stop(names: list[str], gate: Gate, engine: AsyncEngine) -> set[str]:
    if not names:
        return set()
    with ledger_reachable():
        async with engine.connect() as connection:
            known = set((await connection.execute(KNOWN, {"names": names})).scalars())
    unknown = set(names) - known
    for name in unknown:
        snapshot = await gate.snapshot(name)
        epoch = 0 if snapshot is None else snapshot.epoch
        stopped = await gate.fence(name, epoch)
        log.error(
            "the ledger does not know a sale that the gate has: it went back in time; the sale is stopped",
            sale=name,
            round=None if snapshot is None else snapshot.round,
            epoch=epoch,
            stopped=stopped,
        )
    return unknown
