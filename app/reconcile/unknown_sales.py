"""Stop the sales that the gate has and the ledger does not: the ledger is older than the sale's own row or round.

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
from app.ledger.sales import SaleRepository
from app.reconcile.meters import UNKNOWN_SALES

PAGE = 500  # names

# The keys of a sale that is removed are gone, unless the ledger has lost the round that began after it.
KNOWN = text("SELECT name FROM sales WHERE name = ANY(:names) AND removed_at IS NULL")

log = structlog.get_logger()


async def stop_unknown_sales(gate: Gate, engine: AsyncEngine, told: frozenset[str] = frozenset()) -> frozenset[str]:
    """Fence each sale that the ledger does not know, and return their names. Log those that were not `told` before.

    Raise TemporarilyUnavailable if a store is away.
    """
    unknown: set[str] = set()
    names: list[str] = []
    async for name in gate.names():
        names.append(name)
        if len(names) == PAGE:
            unknown |= await _unknown(names, engine)
            names = []
    unknown |= await _unknown(names, engine)
    stopped = {name for name in sorted(unknown) if await _stop(name, gate, engine, told=name in told)}
    UNKNOWN_SALES.set(len(stopped))
    return frozenset(stopped)


async def _unknown(names: list[str], engine: AsyncEngine) -> set[str]:
    if not names:
        return set()
    with ledger_reachable():
        async with engine.connect() as connection:
            return set(names) - set((await connection.execute(KNOWN, {"names": names})).scalars())


async def _stop(name: str, gate: Gate, engine: AsyncEngine, *, told: bool) -> bool:
    """Fence the sale. Return whether the ledger has lost it; keys of a removed round are removed again instead.

    Those came back with a stock server that went back in time itself.
    """
    snapshot = await gate.snapshot(name)
    sale = await SaleRepository(engine).get(name)
    if snapshot is None or (sale is not None and sale.removed_at is None):
        return False  # it was removed or created again meanwhile
    stopped = await gate.fence(name, snapshot.epoch)
    if sale is not None and sale.round >= snapshot.round:
        log.warning("the keys of a removed sale came back", sale=name, removed=await gate.remove(sale))
        return False
    if not told:
        log.error(
            "the ledger does not know a sale that the gate has: it went back in time; the sale is stopped",
            sale=name,
            round=snapshot.round,
            epoch=snapshot.epoch,
            stopped=stopped,
        )
    return True
