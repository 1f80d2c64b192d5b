"""The batch write: accepted orders become bookings, each one once, and never more than the stock.

One transaction, by the caller:

1. The inventory rows of the batch are locked, in the order of their rounds. From here on no other batch of these
   rounds moves, so what is read below stays true until the commit.
2. Orders are planned in stream order (app.ledger.booking_plan) and inserted by one statement, ON CONFLICT DO NOTHING.
3. `inventory.booked` grows by the tickets of the rows that the statement returned, and by nothing else. The check
   constraint `never_oversold` is the last guard behind that, not the mechanism.

Nearly every batch is new to the ledger, so step 2 first assumes it is and asks nothing. Where the statement returns
fewer rows than it was given, something had been delivered before: the savepoint is rolled back, the known rows are read
under the lock, and the plan is made again without them. (Merely skipping them would be wrong: they had taken room.)
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.ledger.booking_plan import Buyer, Row, plan
from app.ledger.models import BookingStatus
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
    """What became of a batch, in orders. `known`: delivered again, and in the ledger before; the others have `rows`."""

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
    """The locked row of one round; tickets."""

    round: int
    epoch: int
    stock: int
    booked: int
    guarded: bool


@dataclass(frozen=True, slots=True)
class Inserted:
    """What the insert returned for one round and status."""

    round: int
    status: str
    orders: int
    tickets: int


class UnknownRound(AtomicTicketsError):
    """An order of a round that the ledger has no inventory of. Another try may find it; the order alone is at fault."""

    status, slug, title = 409, "unknown-round", "Unknown Round"


class LedgerMoved(TemporarilyUnavailable):
    """Someone wrote bookings of a locked round without its lock. Nothing was booked; the batch may be tried again."""


async def book(connection: AsyncConnection, sale: str, orders: Sequence[Order]) -> Booked:
    """Books the orders of one sale, in their order, in the caller's transaction.

    Raises UnknownRound, LedgerMoved, or what the database raises; nothing is booked then, once the caller rolls back.
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
            raise LedgerMoved(f"Bookings of {sale!r} appeared beside the lock; the batch is tried again.")
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
    """Locks and returns the inventory of each round of the batch."""
    rounds = {order.round for order in orders}
    result = await connection.execute(LOCK, {"sale": sale, "rounds": sorted(rounds)})
    inventories = {row.round: Inventory(*row) for row in result}
    if missing := sorted(rounds - inventories.keys()):
        raise UnknownRound(f"The ledger has no inventory of {sale!r} in round {', '.join(map(str, missing))}.")
    return inventories


async def _first_bookings(
    connection: AsyncConnection, sale: str, orders: Sequence[Order]
) -> dict[int, dict[Buyer, str]]:
    """By round: the reservation id under which each buyer's key is in the ledger, where it is."""
    result = await connection.execute(
        FIRST_BOOKINGS,
        {
            "sale": sale,
            "rounds": [order.round for order in orders],
            "customers": [order.customer for order in orders],
            "keys": [order.key for order in orders],
        },
    )
    first: dict[int, dict[Buyer, str]] = defaultdict(dict)
    for round_, customer, key, reservation_id in result:
        first[round_][customer, key] = reservation_id
    return first


def _plan(
    orders: Sequence[Order],
    inventories: Mapping[int, Inventory],
    known_ids: frozenset[str],
    first_bookings: Mapping[int, Mapping[Buyer, str]],
) -> list[Row]:
    """Plans each round by itself; a batch holds more than one only around a reset."""
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
    """Inserts what isn't there yet, and returns what really was inserted, by round and status."""
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
    """Adds the booked tickets to each round, and asks for a recount where an order of an older epoch came late."""
    tickets = {group.round: group.tickets for group in inserted if group.status == BookingStatus.BOOKED}
    older = {row.order.round for row in rows if row.order.epoch < inventories[row.order.round].epoch}
    for round_ in sorted(tickets.keys() | older):
        await connection.execute(
            ADD_BOOKED, {"sale": sale, "round": round_, "tickets": tickets.get(round_, 0), "older": round_ in older}
        )
