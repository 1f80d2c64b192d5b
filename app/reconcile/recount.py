"""Makes Redis follow the ledger: a fresh sale, a next round, and after a loss, all by one procedure.

The caller has committed the newer epoch in the ledger before. Then, in this order:

1. Seed the sale behind a closed fence. From here on no order is accepted and none of an older epoch can be.
2. Read the stream. Entries may leave it at any time, but only after their booking is committed.
3. Read the ledger. So an order is seen in the stream, or in the ledger, or in both; never in neither.
4. Restore answers and customers' tickets: of every booking, of what is set aside, and of what waits in the stream.
5. Open, with what is left: the stock, less what is booked, set aside, or waits in the stream.

The ledger decides where it knows a buyer's key: such an order in the stream is booked already, or becomes a duplicate
that takes no room. An order that is booked between 2 and 3's page is in both and counts once. One that a worker still
held in memory when Redis forgot it is in neither: its booking is of an older epoch, and the drain marks the round for
an exact check (`inventory.recount`).

Whoever dies after 1 leaves a fenced sale, which sells nothing; the reconciliation raises the epoch and starts anew.
What an overtaken recount still sends is refused by the newer epoch: every step names its own. The first page of 4
empties what an earlier attempt has restored. After 5 there is nothing left to do.

For a fresh sale each step is one small command, whatever the stock is.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.drain.set_aside import name_of
from app.gate.gate import Gate
from app.gate.replies import Remembered
from app.ledger.availability import ledger_reachable
from app.ledger.models import BookingStatus
from app.reconcile.recount_lock import recount_lock
from app.reconcile.stream_backlog import StreamBacklog, count_backlog, read_backlog
from app.sales.model import ReservationId, Sale
from app.sales.order import Order, parse

PAGE = 1000  # rows; restoring them holds the stock server for about 2 ms

# The keys of a buyer are unique but for duplicates, and so is this index: a page is one range of it.
BOOKINGS = text("""
    SELECT reservation_id, customer, idempotency_key, quantity, status FROM bookings
    WHERE sale = :sale AND round = :round AND status <> 'duplicate'
        AND (customer, idempotency_key) > (:customer, :key)
    ORDER BY customer, idempotency_key LIMIT :page
""")
SET_ASIDE = text("""
    SELECT entry, quantity, payload FROM set_aside
    WHERE sale = :sale AND round = :round AND set_aside_at IS NOT NULL AND entry > :after
    ORDER BY entry LIMIT :page
""")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recounted:
    """What a recount came to, in tickets. `opened` is False where somebody newer is at work, and nothing was changed.

    `over_admitted`: promised beyond the stock; the drain rejects it. `in_stream`: ids of the orders that waited there.
    """

    opened: bool
    epoch: int = 0
    booked: int = 0
    remaining: int = 0
    backlog: int = 0
    over_admitted: int = 0
    in_stream: tuple[str, ...] = ()


OVERTAKEN = Recounted(opened=False)


async def recount(sale: Sale, gate: Gate, engine: AsyncEngine) -> Recounted:
    """Seeds, restores and opens `sale` at its epoch. Raises TemporarilyUnavailable where a store is away."""
    with ledger_reachable():
        async with recount_lock(engine, sale.name, sale.epoch) as ledger:
            if ledger is None or not await gate.seed(sale):
                return OVERTAKEN
            return await _follow(sale, gate, ledger)


async def _follow(sale: Sale, gate: Gate, ledger: AsyncConnection) -> Recounted:
    """Everything behind the fence."""
    waiting = await read_backlog(gate, sale.name, sale.round)
    in_stream = tuple(order.reservation_id for order in waiting.orders.values())
    booked = await _restore_bookings(sale, gate, ledger, waiting)
    if booked is None:
        return OVERTAKEN
    set_aside = await _restore_set_aside(sale, gate, ledger, waiting)
    if set_aside is None:
        return OVERTAKEN
    restored = (_remember(order.id, order.customer, order.key, order.quantity) for order in waiting.orders.values())
    if not await _restore(sale, gate, restored):
        return OVERTAKEN
    owed = sum(order.quantity for order in waiting.orders.values()) + sum(waiting.unreadable.values())
    left = sale.terms.stock - booked - set_aside - owed
    remaining = max(0, left)
    backlog, entries = waiting.backlog, waiting.entries
    while not await gate.open(sale, remaining=remaining, backlog=backlog, entries=entries):
        seen = await gate.snapshot(sale.name)
        if seen is None or seen.epoch != sale.epoch or seen.state != "fenced":
            return OVERTAKEN
        # The drain took entries away. It adds none behind the fence, so that this ends at the latest with the stream.
        backlog, entries = await count_backlog(gate, sale.name, sale.round)
    log.info("sale opened", sale=sale.name, round=sale.round, epoch=sale.epoch, remaining=remaining, backlog=backlog)
    return Recounted(
        opened=True,
        epoch=sale.epoch,
        booked=booked,
        remaining=remaining,
        backlog=backlog,
        over_admitted=max(0, -left),
        in_stream=in_stream,
    )


async def _restore_bookings(sale: Sale, gate: Gate, ledger: AsyncConnection, waiting: StreamBacklog) -> int | None:
    """Restores the answers of the ledger's rows and takes their buyers out of `waiting`; returns the booked tickets.

    None: somebody newer is at work.
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
            reservation = ReservationId.parse(row.reservation_id)
            orders.append(_remember(reservation, row.customer, row.idempotency_key, row.quantity, counted))
        if (orders or first) and not await gate.restore(sale, orders, first=first):
            return None
        if len(rows) < PAGE:
            return booked
        first = False
        customer, key = rows[-1].customer, rows[-1].idempotency_key


async def _restore_set_aside(sale: Sale, gate: Gate, ledger: AsyncConnection, waiting: StreamBacklog) -> int | None:
    """The same for what is set aside, as far as it can be read; returns its tickets."""
    names = {name_of(order): buyer for buyer, order in waiting.orders.items()}
    tickets = 0
    after = ""
    while True:
        position = {"sale": sale.name, "round": sale.round, "after": after, "page": PAGE}
        rows = (await ledger.execute(SET_ASIDE, position)).all()
        orders = []
        for row in rows:
            tickets += row.quantity
            waiting.unreadable.pop(row.entry, None)
            if row.entry in names:
                waiting.orders.pop(names[row.entry], None)
            order = parse(sale.name, row.entry.partition(".")[0], json.loads(row.payload))
            if isinstance(order, Order):
                orders.append(_remember(order.id, order.customer, order.key, order.quantity))
        if not await _restore(sale, gate, orders):
            return None
        if len(rows) < PAGE:
            return tickets
        after = rows[-1].entry


async def _restore(sale: Sale, gate: Gate, orders: Iterable[Remembered]) -> bool:
    """Restores `orders` after the ledger's, in pages."""
    rest = iter(orders)
    while page := list(islice(rest, PAGE)):
        if not await gate.restore(sale, page, first=False):
            return False
    return True


def _remember(
    reservation: ReservationId, customer: str, key: str, quantity: int, counted: int | None = None
) -> Remembered:
    counted = quantity if counted is None else counted
    return Remembered(customer, key, reservation.entry, reservation.nonce, quantity, counted)
