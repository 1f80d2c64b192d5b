"""What the reconciliation does to the stores. Each repair is refused where it was decided on what is no longer so."""

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.gate import Gate
from app.ledger.availability import ledger_reachable
from app.ledger.sales import lock, raise_epoch
from app.reconcile.at_work import own_session, somebody_at_work, take
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

    Of two reconcilers with one finding, one raises the epoch; the other finds it at work, or the ledger or the gate
    newer than the finding, and leaves the sale alone. Dying after the fence or after the raise leaves the sale fenced
    or behind, which the next check finds.
    """
    seen, known = measurement.ledger.epoch, _epoch_of_the_finding(measurement)
    beyond = measurement.after.epoch if measurement.after is not None else 0
    with ledger_reachable():
        if await somebody_at_work(engine, sale.name, seen):
            return None
        await gate.fence(sale.name, known)
        now = await gate.snapshot(sale.name)
        if now is not None and now.epoch > known:
            return None  # somebody was at work: a sale that was just created, or recounted, is not lost
        async with own_session(engine) as ledger:
            async with ledger.begin():
                present, _ = await lock(ledger, sale.name)
                if present.epoch != seen or present.ended_at is not None:
                    return None
                raised = await raise_epoch(ledger, present, beyond=beyond)
                if not await take(ledger, sale.name, raised.epoch):
                    return None
            return await recount_on(ledger, raised, gate)


def _epoch_of_the_finding(measurement: Measurement) -> int:
    """The newest epoch that the gate may have if the finding still holds; 0: it has no such sale.

    A sale that the gate has only since the ledger was read may just have been created. It has not where it is older
    than the ledger: then it comes from an older copy.
    """
    before, after, ledger = measurement.before, measurement.after, measurement.ledger
    if after is None:
        return 0
    if after.epoch < ledger.epoch or (after.epoch, after.accepted) < ledger.highest:
        return after.epoch
    return min(before.epoch if before is not None else 0, after.epoch)


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
