"""The batch write: it makes accepted orders bookings, each order once, and never more tickets than the stock.

The caller's transaction does the following:

1. It locks the inventory rows of the batch, in the order of their rounds. From here on every other batch of these
   rounds waits, so what is read below stays true until the commit.
2. It plans the orders in stream order (app.ledger.booking_plan) and inserts them by one statement with ON CONFLICT DO
   NOTHING.
3. It raises `inventory.booked` by the tickets of the rows that the statement returned, and by nothing else. The check
   constraint `never_oversold` is only the last guard behind this.

Nearly every batch is new to the ledger, so step 2 first assumes that it is and reads nothing. If the statement returns
fewer rows than it was given, some orders had been delivered before. Then the savepoint is rolled back, the known rows
are read under the lock, and the plan is made again without them. (Skipping these rows would be wrong, since the first
plan gave them room.)
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.ledger.booking_plan import BookingStatus, PurchaseKey, Row, plan
from app.sales.order import Order

LOCK = text("""
    SELECT round, epoch, stock, booked, guarded FROM inventory
    WHERE sale = :sale AND round = ANY(:rounds) ORDER BY round FOR NO KEY UPDATE
""")
KNOWN_IDS = text("SELECT reservation_id FROM bookings WHERE reservation_id = ANY(:ids)")
FIRST_BOOKINGS = text("""
    SELECT b.round, b.customer, b.idempotency_key, b.reservation_id
    FROM unnest(CAST(:rounds AS integer[]), CAST(:customers AS text[]), CAST(:keys AS text[]))
        AS asked (round, customer, idempotency_key)
    JOIN bookings b ON b.sale = :sale AND b.round = asked.round AND b.customer = asked.customer
        AND b.idempotency_key = asked.idempotency_key AND b.status <> 'duplicate'
""")
INSERT = text("""
    WITH inserted AS (
        INSERT INTO bookings (sale, reservation_id, round, epoch, number, customer, idempotency_key, quantity, ticket,
            status, alias_of)
        SELECT :sale, * FROM unnest(
            CAST(:ids AS text[]), CAST(:rounds AS integer[]), CAST(:epochs AS bigint[]), CAST(:numbers AS bigint[]),
            CAST(:customers AS text[]), CAST(:keys AS text[]), CAST(:quantities AS integer[]),
            CAST(:tickets AS integer[]), CAST(:statuses AS text[]), CAST(:aliases AS text[]))
        ON CONFLICT DO NOTHING
        RETURNING round, status, quantity
    )
    SELECT round, status, count(*) AS orders, sum(quantity) AS tickets FROM inserted GROUP BY round, status
""")
ADD_BOOKED = text("""
    UPDATE inventory SET booked = booked + :tickets, recount = recount OR :older WHERE sale = :sale AND round = :round
""")


@dataclass(frozen=True, slots=True)
class Booked:
    """The result of a batch, in orders.

    `known`: orders that were delivered again and were in the ledger before. `rows`: the rows of all other orders.
    """

    booked: int = 0
    rejected: int = 0
    duplicates: int = 0
    known: int = 0
    rows: Sequence[Row] = field(default=(), compare=False)

    def __add__(self, other: "Booked") -> "Booked":
        return Booked(
            self.booked + other.booked,
            self.rejected + other.rejected,
            self.duplicates + other.duplicates,
            self.known + other.known,
            (*self.rows, *other.rows),
        )


@dataclass(frozen=True, slots=True)
class Inventory:
    """The locked inventory row of one round. `stock` and `booked` are in tickets."""

    round: int
    epoch: int
    stock: int
    booked: int
    guarded: bool


@dataclass(frozen=True, slots=True)
class Inserted:
    """The orders and tickets that the insert returned for one round and status."""

    round: int
    status: str
    orders: int
    tickets: int


class UnknownRound(AtomicTicketsError):
    """An order belongs to a round of which the ledger has no inventory.

    Another try may find the inventory. The other orders of the batch are not at fault.
    """

    status, slug, title = 409, "unknown-round", "Unknown Round"


class ConcurrentBookings(TemporarilyUnavailable):
    """Another writer added bookings without the round's lock. Nothing was booked; the batch may be tried again."""


async def book(connection: AsyncConnection, sale: str, orders: Sequence[Order]) -> Booked:
    """Book the orders of one sale, in their order, in the caller's transaction.

    Raise UnknownRound, ConcurrentBookings, or an error of the database. The caller must then roll back, and nothing is
    booked.
    """
    inventories = await _lock(connection, sale, orders)
    rows = _plan(orders, inventories, frozenset(), {})
    savepoint = await connection.begin_nested()
    inserted = await _insert(connection, sale, rows)
    if sum(group.orders for group in inserted) == len(orders):
        await savepoint.commit()
    else:
        await savepoint.rollback()
        known_ids = frozenset(
            (await connection.execute(KNOWN_IDS, {"ids": [order.reservation_id for order in orders]})).scalars()
        )
        rows = _plan(orders, inventories, known_ids, await _first_bookings(connection, sale, orders))
        inserted = await _insert(connection, sale, rows)
        if sum(group.orders for group in inserted) != len(rows):
            raise ConcurrentBookings(f"Bookings of {sale!r} were added without its lock; the batch is tried again.")
    await _add_booked(connection, sale, rows, inserted, inventories)
    orders_by_status: dict[str, int] = defaultdict(int)
    for group in inserted:
        orders_by_status[group.status] += group.orders
    return Booked(
        booked=orders_by_status[BookingStatus.BOOKED],
        rejected=orders_by_status[BookingStatus.REJECTED],
        duplicates=orders_by_status[BookingStatus.DUPLICATE],
        known=len(orders) - len(rows),
        rows=rows,
    )


async def _lock(connection: AsyncConnection, sale: str, orders: Iterable[Order]) -> dict[int, Inventory]:
    """Lock and return the inventory of each round of the batch. Raise UnknownRound if one is missing."""
    rounds = {order.round for order in orders}
    result = await connection.execute(LOCK, {"sale": sale, "rounds": sorted(rounds)})
    inventories = {row.round: Inventory(*row) for row in result}
    if missing := sorted(rounds - inventories.keys()):
        raise UnknownRound(f"The ledger has no inventory of {sale!r} in round {', '.join(map(str, missing))}.")
    return inventories


async def _first_bookings(
    connection: AsyncConnection, sale: str, orders: Sequence[Order]
) -> dict[int, dict[PurchaseKey, str]]:
    """Return, by round and purchase key, the reservation id of the booking that the ledger has already."""
    result = await connection.execute(
        FIRST_BOOKINGS,
        {
            "sale": sale,
            "rounds": [order.round for order in orders],
            "customers": [order.customer for order in orders],
            "keys": [order.key for order in orders],
        },
    )
    first: dict[int, dict[PurchaseKey, str]] = defaultdict(dict)
    for round_, customer, key, reservation_id in result:
        first[round_][customer, key] = reservation_id
    return first


def _plan(
    orders: Sequence[Order],
    inventories: Mapping[int, Inventory],
    known_ids: frozenset[str],
    first_bookings: Mapping[int, Mapping[PurchaseKey, str]],
) -> list[Row]:
    """Plan each round separately. A batch has more than one round only around a reset."""
    rows: list[Row] = []
    for round_, inventory in inventories.items():
        rows += plan(
            (order for order in orders if order.round == round_),
            known_ids=known_ids,
            first_bookings=first_bookings.get(round_, {}),
            room=inventory.stock - inventory.booked,
            guarded=inventory.guarded,
        )
    return rows


async def _insert(connection: AsyncConnection, sale: str, rows: Sequence[Row]) -> list[Inserted]:
    """Insert the rows that are not in the ledger yet. Return the inserted orders and tickets by round and status."""
    orders = [row.order for row in rows]
    result = await connection.execute(
        INSERT,
        {
            "sale": sale,
            "ids": [order.reservation_id for order in orders],
            "rounds": [order.round for order in orders],
            "epochs": [order.epoch for order in orders],
            "numbers": [order.number for order in orders],
            "customers": [order.customer for order in orders],
            "keys": [order.key for order in orders],
            "quantities": [order.quantity for order in orders],
            "tickets": [order.ticket for order in orders],
            "statuses": [row.status.value for row in rows],
            "aliases": [row.alias_of for row in rows],
        },
    )
    return [Inserted(*group) for group in result]


async def _add_booked(
    connection: AsyncConnection,
    sale: str,
    rows: Sequence[Row],
    inserted: Sequence[Inserted],
    inventories: Mapping[int, Inventory],
) -> None:
    """Add the booked tickets to `booked` of each round.

    Request a recount of each round in which an order of an older epoch was inserted.
    """
    tickets = {group.round: group.tickets for group in inserted if group.status == BookingStatus.BOOKED}
    older = {row.order.round for row in rows if row.order.epoch < inventories[row.order.round].epoch}
    for round_ in sorted(tickets.keys() | older):
        await connection.execute(
            ADD_BOOKED, {"sale": sale, "round": round_, "tickets": tickets.get(round_, 0), "older": round_ in older}
        )
