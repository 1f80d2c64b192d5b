"""Book again what the gate remembers and the ledger has lost.

The gate's answers hold every order of a round. One that is in neither the ledger nor the stream was booked and
acknowledged before the ledger went back in time. It is booked again under its own reservation id, by the batch write of
the workers, so its buyer's promise holds. Its tickets are still taken at the gate, so nothing is sold meanwhile.

It is right at any moment and may be repeated, by several processes at once too. A new order is in the stream until its
booking is committed, so it is found either there or, if it was booked since it was not found in the ledger, by the
batch write itself, which books no id twice. Dying on the way leaves pages that are booked and pages that are not.

An order that the answers do not hold any more is in neither store, and lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.drain.set_aside import entry_key, forget_tries
from app.gate.gate import Gate
from app.ledger.availability import ledger_reachable
from app.ledger.booking_plan import BookingStatus
from app.ledger.bookings import book
from app.ledger.sales import add_round
from app.reconcile.meters import REBOOKED
from app.sales.order import Order

MAX_NAMED = 100  # reservation ids in the log; the rows of all are marked

MISSING = text("""
    SELECT asked.id FROM unnest(CAST(:ids AS text[]), CAST(:entries AS text[])) AS asked (id, entry)
    WHERE NOT EXISTS (SELECT FROM bookings b WHERE b.reservation_id = asked.id)
        AND NOT EXISTS (
            SELECT FROM set_aside a WHERE a.sale = :sale AND a.entry = asked.entry AND a.set_aside_at IS NOT NULL)
""")
HAS_ROUND = text("SELECT true FROM inventory WHERE sale = :sale AND round = :round")
MARK = text("UPDATE bookings SET rebooked = true WHERE reservation_id = ANY(:ids)")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rebooked:
    """The orders that have a booking again. `tickets` are those that are booked; `rejected` orders found no room."""

    orders: int = 0
    tickets: int = 0
    rejected: int = 0

    def __add__(self, other: "Rebooked") -> "Rebooked":
        return Rebooked(self.orders + other.orders, self.tickets + other.tickets, self.rejected + other.rejected)


NONE = Rebooked()


async def rebook_rounds(sale: str, newest: int, gate: Gate, engine: AsyncEngine) -> Rebooked:
    """Book again the lost orders of round `newest` and of the earlier ones, as far back as the gate has answers.

    Raise TemporarilyUnavailable if a store is away.
    """
    total = NONE
    with ledger_reachable():
        async with engine.connect() as ledger:
            total += await rebook(sale, newest, gate, ledger)
            for round_ in range(newest - 1, 0, -1):
                if not await gate.remembered(sale, round_):
                    break
                await _restore_round(sale, round_, gate, ledger)
                total += await rebook(sale, round_, gate, ledger)
    return total


async def _restore_round(sale: str, round_: int, gate: Gate, ledger: AsyncConnection) -> None:
    """Insert an earlier round that the ledger has lost, with the tickets that the gate remembers as its stock.

    A resource may lead the ledger from the round before it straight to a later one.
    """
    async with ledger.begin():
        if await ledger.scalar(HAS_ROUND, {"sale": sale, "round": round_}):
            return
    tickets = epoch = 0
    async for orders in gate.remembered_orders(sale, round_):
        tickets += sum(order.quantity for order in orders)
        epoch = max(epoch, *(order.epoch for order in orders))
    async with ledger.begin():
        await add_round(ledger, sale, round_, epoch=epoch, stock=tickets, guarded=True)
    log.error("a round that the ledger had lost is restored", sale=sale, round=round_, tickets=tickets)


async def rebook(sale: str, round_: int, gate: Gate, ledger: AsyncConnection) -> Rebooked:
    """Do so for one round, in transactions of `ledger`, which has none open."""
    total = NONE
    async for orders in gate.remembered_orders(sale, round_):
        lost = await gate.without_entry(sale, await _not_in_ledger(sale, orders, ledger))
        if lost:
            total += await _book(sale, sorted(lost, key=lambda order: (order.epoch, order.number)), ledger)
    return total


async def _not_in_ledger(sale: str, orders: Sequence[Order], ledger: AsyncConnection) -> list[Order]:
    by_id = {order.reservation_id: order for order in orders}
    asked = {"sale": sale, "ids": list(by_id), "entries": [entry_key(order) for order in by_id.values()]}
    async with ledger.begin():
        return [by_id[id_] for id_ in (await ledger.execute(MISSING, asked)).scalars()]


async def _book(sale: str, orders: Sequence[Order], ledger: AsyncConnection) -> Rebooked:
    """Book the orders in one transaction, and log them."""
    async with ledger.begin():
        booked = await book(ledger, sale, orders)
        await forget_tries(ledger, sale, orders)  # if a worker has set one aside meanwhile
        ids = [row.order.reservation_id for row in booked.rows]
        await ledger.execute(MARK, {"ids": ids})
    tickets = sum(row.order.quantity for row in booked.rows if row.status is BookingStatus.BOOKED)
    rebooked = Rebooked(len(ids), tickets, booked.rejected)
    if ids:
        REBOOKED.inc(rebooked.tickets)
        log.error(
            "orders booked again: the ledger had lost them",
            sale=sale,
            orders=rebooked.orders,
            tickets=rebooked.tickets,
            rejected=rebooked.rejected,
            reservations=ids[:MAX_NAMED],
        )
    return rebooked
