"""The reconciler's repairs of the stores. A repair is refused if the state that called for it has changed."""

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.gate import Gate
from app.ledger.availability import ledger_reachable
from app.ledger.sales import claim_seed, lock_sale, raise_epoch
from app.reconcile.observation import LedgerRound, Observation
from app.reconcile.rebook import rebook_rounds
from app.reconcile.recount import Recounted, recount_claimed
from app.reconcile.recount_lock import own_session, recount_lock_held, take
from app.sales.model import Sale

CLEAR_RECOUNT_FLAG = text("""
    UPDATE inventory SET recount = false
    WHERE sale = :sale AND round = :round AND epoch = :epoch AND booked = :counter AND recount
""")
LOCK_ENDED = text("""
    SELECT 1 FROM sales WHERE name = :sale AND round = :round AND ended_at IS NOT NULL AND removed_at IS NULL
    FOR NO KEY UPDATE
""")
MARK_REMOVED = text("UPDATE sales SET removed_at = now() WHERE name = :sale")

log = structlog.get_logger()


async def fence_and_recount(sale: Sale, observation: Observation, gate: Gate, engine: AsyncEngine) -> Recounted | None:
    """Fence the sale, raise its epoch in the ledger, and recount it.

    Return None if another process is at work on the sale, or if the sale has ended.

    If two reconcilers find the same loss, one raises the epoch. The other sees that it is at work, or that the ledger
    or the gate is newer than the finding, and leaves the sale alone. Dying after the fence or after the raise leaves
    the sale fenced or behind the ledger, which the next check finds.
    """
    ledger_epoch, expected_epoch = observation.ledger.epoch, _expected_epoch(observation)
    beyond = _newest_epoch(observation)
    with ledger_reachable():
        if await recount_lock_held(engine, sale.name, ledger_epoch):
            return None
        await gate.fence(sale.name, expected_epoch)
        snapshot = await gate.snapshot(sale.name)
        if snapshot is not None and snapshot.epoch > expected_epoch:
            return None  # another process was at work: a sale that was just created or recounted is not lost
        async with own_session(engine) as ledger:
            async with ledger.begin():
                present, _ = await lock_sale(ledger, sale.name)
                if present.epoch != ledger_epoch or present.ended_at is not None:
                    return None
                raised = await raise_epoch(ledger, present, beyond=beyond)
                if not await take(ledger, sale.name, raised.epoch) or not await claim_seed(ledger, raised):
                    return None
            return await recount_claimed(ledger, raised, gate)


def _newest_epoch(observation: Observation) -> int:
    """Return the newest epoch that any trace shows, which the next one must exceed.

    If the ledger went back, an API process, the gate or a booking may have a newer epoch than the ledger's own.
    """
    after = observation.after
    return max(observation.ledger.highest[0], 0 if after is None else max(after.epoch, after.fenced_at))


def _expected_epoch(observation: Observation) -> int:
    """Return the newest epoch that the gate may have if the finding still holds, or 0 if it must not have the sale.

    If the gate has the sale only since the ledger was read, it may just have been created. But if the gate is older
    than the ledger, it was restored from an older copy.
    """
    before, after, ledger = observation.before, observation.after, observation.ledger
    if after is None:
        return 0
    if after.epoch < ledger.epoch or (after.epoch, after.accepted) < ledger.highest:
        return after.epoch
    return min(before.epoch if before is not None else 0, after.epoch)


async def clear_recount_flag(sale: Sale, checked: LedgerRound, engine: AsyncEngine) -> bool:
    """Withdraw the drain's request for a check, unless anything was booked since `checked`, which found no drift.

    Return True if the request was withdrawn.
    """
    values = {"sale": sale.name, "round": sale.round, "epoch": checked.epoch, "counter": checked.counter}
    with ledger_reachable():
        async with engine.begin() as connection:
            return (await connection.execute(CLEAR_RECOUNT_FLAG, values)).rowcount == 1


async def remove(sale: Sale, gate: Gate, engine: AsyncEngine) -> bool:
    """Remove the keys of an ended and drained sale. Its bookings stay. Return False if the sale is not in that state.

    Before that, what the ledger has lost of it is booked again: afterwards nobody looks at the sale any more.

    The sale's row is locked meanwhile: the next round either begins after the keys are gone, or keeps them. Dying
    before the commit leaves a sale without keys that is not marked as removed; the next check marks it.
    """
    await rebook_rounds(sale.name, sale.round, gate, engine)
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
