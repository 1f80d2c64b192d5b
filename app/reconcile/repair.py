"""What the reconciliation does to the stores. Each repair is refused where it was decided on what is no longer so."""

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.gate import Gate
from app.ledger.availability import ledger_reachable
from app.ledger.sales import raise_epoch
from app.reconcile.at_work import at_work, somebody_at_work
from app.reconcile.measure import LedgerSide, Measurement
from app.reconcile.recount import Recounted, recount_on
from app.sales.model import Sale

ACQUIT = text("""
    UPDATE inventory SET recount = false
    WHERE sale = :sale AND round = :round AND epoch = :epoch AND booked = :counter AND recount
""")
LOCK_ENDED = text("""
    SELECT 1 FROM sales WHERE name = :sale AND round = :round AND ended_at IS NOT NULL AND removed_at IS NULL
    FOR NO KEY UPDATE
""")
MARK_REMOVED = text("UPDATE sales SET removed_at = now() WHERE name = :sale")

log = structlog.get_logger()


async def recount_anew(sale: Sale, measurement: Measurement, gate: Gate, engine: AsyncEngine) -> Recounted | None:
    """Fences the sale, raises its epoch in the ledger, and recounts it. None where somebody else is at it.

    Of two reconcilers with one finding, one is at work on the next epoch; the other leaves the sale to it. If that one
    is done meanwhile, the gate is newer than the finding: then nothing is fenced, and the finding is out of date.
    Dying after the fence or after the raise leaves the sale fenced or behind, which the next check finds.
    """
    seen = measurement.ledger.epoch
    first, last = (one.epoch if one is not None else 0 for one in (measurement.before, measurement.after))
    with ledger_reachable():
        if await somebody_at_work(engine, sale.name, seen):
            return None
        async with at_work(engine, sale.name, max(seen, last) + 1) as ledger:
            if ledger is None:
                return None
            await gate.fence(sale.name, min(first, last))
            now = await gate.snapshot(sale.name)
            if now is not None and now.epoch > min(first, last):
                return None  # somebody was at work: a sale that was just created, or recounted, is not lost
            async with ledger.begin():
                raised = await raise_epoch(ledger, sale.name, seen, beyond=last)
            if raised.ended_at is not None:
                return None
            return await recount_on(ledger, raised, gate)


async def acquit(sale: Sale, checked: LedgerSide, engine: AsyncEngine) -> bool:
    """Takes back the drain's wish for a check, unless anything was booked since the one that found nothing."""
    values = {"sale": sale.name, "round": sale.round, "epoch": checked.epoch, "counter": checked.counter}
    with ledger_reachable():
        async with engine.begin() as connection:
            return (await connection.execute(ACQUIT, values)).rowcount == 1


async def remove(sale: Sale, gate: Gate, engine: AsyncEngine) -> bool:
    """Removes the keys of an ended and drained sale. Its bookings stay.

    The sale's row is locked meanwhile: a next round begins after the keys of this one are gone, or keeps them. Dying
    before the commit leaves a sale without keys that is not marked; the next check marks it.
    """
    values = {"sale": sale.name, "round": sale.round}
    with ledger_reachable():
        async with engine.begin() as connection:
            if await connection.scalar(LOCK_ENDED, values) is None:
                return False
            snapshot = await gate.snapshot(sale.name)
            if snapshot is not None and (snapshot.last_entry or snapshot.state not in ("closed", "fenced")):
                return False
            if not await gate.remove(sale):
                return False
            await connection.execute(MARK_REMOVED, values)
    log.info("sale removed from the gate", sale=sale.name, round=sale.round)
    return True
