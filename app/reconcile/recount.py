"""Rebuild each store from the other. One procedure serves for a new sale, for the next round, and after a loss of data.

The caller has already committed the newer epoch in the ledger. Then, in this order:

1. Claim the seeding of the epoch in the ledger, and seed the sale in the state `fenced`. From here on no order is
   accepted, and no order of an older epoch ever will be.
2. Book again what the gate remembers and the ledger has lost (app.reconcile.rebook).
3. Read the stream. Entries may leave it at any time, but only after their booking is committed.
4. Read the ledger. So an order is seen in the stream, in the ledger, or in both, but never in neither.
5. Restore the answers and the customers' tickets: of every booking, of every entry that is set aside, and of every
   order that waits in the stream.
6. Open the sale with what is left: the stock, less what is booked, set aside, or waits in the stream.

If the ledger knows a buyer's key, the ledger decides: such an order in the stream is booked already, or becomes a
duplicate that takes no tickets. An order that is booked between step 3 and its page of step 4 is in both and counts
once. An order that a worker still held in memory when Redis forgot it is in neither. Its booking is of an older epoch,
and the drain marks the round for an exact check (`inventory.recount`).

A reconciler that dies after the claim leaves a sale that is missing, behind the ledger, or fenced, and sells nothing.
The next check raises the epoch and starts again. Each step names its epoch, so a newer epoch refuses the commands of an
older recount that is still running. The first page of step 5 deletes what an earlier attempt has restored, but not
before step 2 has booked it. After step 6 there is nothing left to do.

For a new sale each step is one small command, whatever the stock is.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.drain.set_aside import entry_key
from app.gate.gate import Gate
from app.gate.replies import RestoredOrder
from app.ledger.availability import ledger_reachable
from app.ledger.booking_plan import BookingStatus
from app.ledger.incarnation import read_incarnation
from app.ledger.sales import claim_seed
from app.reconcile.rebook import NONE, Rebooked, rebook
from app.reconcile.recount_lock import recount_lock
from app.reconcile.stream_backlog import StreamBacklog, count_backlog, read_backlog
from app.sales.model import ReservationId, Sale
from app.sales.order import Order, parse_entry

PAGE = 1000  # rows; restoring them occupies the stock server for about 2 ms

# Except for duplicates, (customer, idempotency_key) is unique within a round. A page is one range of its index.
BOOKINGS = text("""
    SELECT reservation_id, epoch, number, customer, idempotency_key, quantity, ticket, status FROM bookings
    WHERE sale = :sale AND round = :round AND status <> 'duplicate'
        AND (customer, idempotency_key) > (:customer, :key)
    ORDER BY customer, idempotency_key LIMIT :page
""")
SET_ASIDE = text("""
    SELECT entry, quantity, payload FROM set_aside
    WHERE sale = :sale AND round = :round AND set_aside_at IS NOT NULL AND entry > :after
    ORDER BY entry LIMIT :page
""")

KEEP_LOCK = text("SELECT 1")  # the server ends the session of a recount lock that is idle for too long

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recounted:
    """The result of a recount: the sale is open at `epoch`.

    `in_stream` holds the reservation ids of the orders that waited in the stream.
    `rebooked`: what the ledger had lost.
    """

    epoch: int
    in_stream: tuple[str, ...]
    rebooked: Rebooked = NONE


async def recount(sale: Sale, gate: Gate, engine: AsyncEngine) -> Recounted | None:
    """Seed, restore and open `sale` at its epoch.

    Return None if another recount is or was at work; this one has not opened the sale then. Raise
    TemporarilyUnavailable if a store is away.
    """
    with ledger_reachable():
        async with recount_lock(engine, sale.name, sale.epoch) as ledger:
            if ledger is None:
                return None
            async with ledger.begin():
                if not await claim_seed(ledger, sale):
                    return None
            return await recount_claimed(ledger, sale, gate)


async def recount_claimed(ledger: AsyncConnection, sale: Sale, gate: Gate) -> Recounted | None:
    """Do the same after the claim, on the connection that holds the recount lock and has no transaction open."""
    if not await gate.seed(sale, await read_incarnation(ledger)):
        return None
    rebooked = await rebook(sale.name, sale.round, gate, ledger)
    await ledger.execution_options(isolation_level="AUTOCOMMIT")  # no long read may hold back a vacuum

    async def keep_lock() -> None:
        await ledger.execute(KEEP_LOCK)

    waiting = await read_backlog(gate, sale.name, sale.round, each_page=keep_lock)
    in_stream = tuple(order.reservation_id for order in waiting.orders.values())
    booked = await _restore_bookings(sale, gate, ledger, waiting)
    if booked is None:
        return None
    set_aside = await _restore_set_aside(sale, gate, ledger, waiting)
    if set_aside is None:
        return None
    orders = list(waiting.orders.values())
    if not await _restore(sale, gate, (RestoredOrder(order, order.quantity) for order in orders)):
        return None
    in_flight = sum(order.quantity for order in orders) + sum(waiting.unreadable.values())
    # Not below 0: what is promised beyond the stock, the drain rejects.
    remaining = max(0, sale.terms.stock - booked - set_aside - in_flight)
    backlog, entries = waiting.backlog, waiting.entries
    while not await gate.open(sale, remaining=remaining, backlog=backlog, entries=entries):
        snapshot = await gate.snapshot(sale.name)
        if snapshot is None or snapshot.epoch != sale.epoch or snapshot.state != "fenced":
            return None
        # The drain has removed entries meanwhile. Behind the fence none are added, so the loop ends with the stream at
        # the latest.
        backlog, entries = await count_backlog(gate, sale.name, sale.round)
    log.info("sale opened", sale=sale.name, round=sale.round, epoch=sale.epoch, remaining=remaining, backlog=backlog)
    return Recounted(epoch=sale.epoch, in_stream=in_stream, rebooked=rebooked)


async def _restore_bookings(sale: Sale, gate: Gate, ledger: AsyncConnection, waiting: StreamBacklog) -> int | None:
    """Restore the answers of the ledger's rows, remove their orders from `waiting`, and return the booked tickets.

    Return None if a newer recount is at work.
    """
    booked = 0
    customer = key = ""
    first = True
    while True:
        position = {"sale": sale.name, "round": sale.round, "customer": customer, "key": key, "page": PAGE}
        rows = (await ledger.execute(BOOKINGS, position)).all()
        orders = []
        for row in rows:
            waiting.orders.pop((row.customer, row.idempotency_key), None)
            counted = row.quantity if row.status == BookingStatus.BOOKED else 0
            booked += counted
            id_ = ReservationId.parse(row.reservation_id)
            order = Order(id_, row.epoch, row.number, row.customer, row.idempotency_key, row.quantity, row.ticket)
            orders.append(RestoredOrder(order, counted))
        if (orders or first) and not await gate.restore(sale, orders, first=first):
            return None
        if len(rows) < PAGE:
            return booked
        first = False
        customer, key = rows[-1].customer, rows[-1].idempotency_key


async def _restore_set_aside(sale: Sale, gate: Gate, ledger: AsyncConnection, waiting: StreamBacklog) -> int | None:
    """Restore the answers of the entries that are set aside, remove them from `waiting`, and return their tickets.

    An entry that can't be read has no answer; only its tickets count. Return None if a newer recount is at work.
    """
    purchase_keys = {entry_key(order): key for key, order in waiting.orders.items()}
    tickets = 0
    after = ""
    while True:
        position = {"sale": sale.name, "round": sale.round, "after": after, "page": PAGE}
        rows = (await ledger.execute(SET_ASIDE, position)).all()
        orders = []
        for row in rows:
            tickets += row.quantity
            waiting.unreadable.pop(row.entry, None)
            if row.entry in purchase_keys:
                waiting.orders.pop(purchase_keys[row.entry], None)
            order = parse_entry(sale.name, row.entry.partition(".")[0], json.loads(row.payload))
            if isinstance(order, Order):
                orders.append(RestoredOrder(order, order.quantity))
        if not await _restore(sale, gate, orders):
            return None
        if len(rows) < PAGE:
            return tickets
        after = rows[-1].entry


async def _restore(sale: Sale, gate: Gate, orders: Iterable[RestoredOrder]) -> bool:
    """Restore `orders` in pages, after those of the ledger. Return False if a newer recount is at work."""
    rest = iter(orders)
    while page := list(islice(rest, PAGE)):
        if not await gate.restore(sale, page, first=False):
            return False
    return True
