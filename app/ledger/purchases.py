"""The steps that every strategy takes when it decides a purchase in the ledger. Each step is one statement.

They are: read the sale, refuse or replay the purchase, and insert the booking.
"""

import time
from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.locks import hold
from app.ledger.reservations import OF_BUYER
from app.sales.model import Purchase, ReservationId, unknown_sale
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Outcome, Reserved

READ = """
    SELECT s.round, i.stock, i.remaining, i.version, i.lock_token, i.xmin::text AS row_version,
        s.customer_limit, s.think_ms,
        s.ended_at IS NOT NULL OR coalesce(s.closes_at <= now(), false) AS closed, s.paused,
        greatest(0, extract(epoch FROM s.opens_at - now()))::float8 AS opens_in_seconds
    FROM sales s JOIN inventory i ON i.sale = s.name AND i.round = s.round
    WHERE s.name = :sale
"""
HELD = text("""
    SELECT coalesce(sum(quantity) FILTER (WHERE status = 'booked'), 0) AS tickets, count(*) AS bookings FROM bookings
    WHERE sale = :sale AND round = :round AND customer = :customer AND status <> 'duplicate'
""")
BOOK = text("""
    INSERT INTO bookings (reservation_id, sale, round, customer, idempotency_key, quantity, ticket, status)
    VALUES (:reservation_id, :sale, :round, :customer, :key, :quantity, :ticket, 'booked')
    ON CONFLICT DO NOTHING RETURNING 1
""")


@dataclass(slots=True)
class Held:
    """What one customer has in a round: booked tickets, and bookings of any status but `duplicate`.

    `read_at` is as in SaleState.
    """

    tickets: int
    bookings: int
    read_at: float = field(default_factory=time.time)


@dataclass(slots=True)  # made for every purchase: see app.sales.model.Purchase
class SaleState:
    """A sale and its counter, as one statement read them at `read_at` (Unix time in seconds of this machine's clock).

    `remaining`: the tickets left by the counter. `version`: for the strategy `optimistic`.
    `lock_token`: the newest token of a fenced lock. `row_version`: the xmin of the inventory row.
    `held`: what the customer has, if the sale has a limit and this was read.
    """

    round: int
    stock: int
    remaining: int
    version: int
    lock_token: int
    row_version: str
    customer_limit: int | None
    think_ms: int
    closed: bool
    paused: bool
    opens_in_seconds: float | None
    read_at: float = field(default_factory=time.time)
    held: Held | None = None


async def read(connection: AsyncConnection, sale: str, locking: str = "") -> SaleState:
    """Read the sale and its counter (alias `i`), with `locking` as the SELECT's locking clause. Raise UnknownSale."""
    row = (await connection.execute(_reading(locking), {"sale": sale})).first()
    if row is None:
        raise unknown_sale(sale)
    return SaleState(*row)


@cache  # there are few clauses, and SQLAlchemy parses a new text() for parameters each time
def _reading(locking: str) -> TextClause:
    return text(f"{READ} {locking}")


async def refusal(
    connection: AsyncConnection, purchase: Purchase, state: SaleState, *, lock_customer: bool = False
) -> Outcome | None:
    """Return the outcome of a purchase that takes no tickets, a replay or a refusal; None means that it may go on.

    With `lock_customer`, and if the sale has a limit, purchases of one customer wait for each other from here to their
    commit.
    """
    first = await earlier_outcome(connection, purchase, state.round)
    if first is not None:
        return first
    return not_open(state) or await limit_reached(connection, purchase, state, lock_customer=lock_customer)


def not_open(state: SaleState) -> NotOpen | None:
    """Return the refusal if the sale is closed, paused or not open yet, or None."""
    if state.closed:
        return NotOpen("closed")
    if state.paused:
        return NotOpen("paused")
    return NotOpen("scheduled", state.opens_in_seconds) if state.opens_in_seconds else None


async def limit_reached(
    connection: AsyncConnection, purchase: Purchase, state: SaleState, *, lock_customer: bool
) -> CustomerLimitReached | None:
    """Return the refusal if the purchase exceeds the customer's limit, or None. Set `state.held` if there is one."""
    if state.customer_limit is None:
        return None
    if lock_customer:  # a separate statement: one that waits for the lock itself does not see later commits
        await lock_customer_of(connection, purchase)
    buyer = {"sale": purchase.sale, "round": state.round, "customer": purchase.customer}
    state.held = Held(*(await connection.execute(HELD, buyer)).one())
    too_many = state.held.tickets + purchase.quantity > state.customer_limit
    return CustomerLimitReached(state.held.tickets, state.customer_limit) if too_many else None


async def lock_customer_of(connection: AsyncConnection, purchase: Purchase) -> None:
    """Make purchases of one customer wait for each other from here to their commit."""
    await hold(connection, f"customer {purchase.sale} {purchase.customer}")


async def earlier_outcome(connection: AsyncConnection, purchase: Purchase, round_: int) -> Reserved | KeyReused | None:
    """Return the replay, or KeyReused, if the customer's key has a booking in this round; otherwise None."""
    buyer = {"sale": purchase.sale, "round": round_, "customer": purchase.customer, "key": purchase.key}
    first = (await connection.execute(OF_BUYER, buyer)).first()
    if first is None:
        return None
    if first.quantity != purchase.quantity:
        return KeyReused(first.quantity)
    reservation = ReservationId.parse(first.reservation_id)
    return Reserved(reservation, purchase.quantity, replayed=reservation.nonce != purchase.nonce)


async def book(connection: AsyncConnection, purchase: Purchase, round_: int, ticket: int) -> Reserved | None:
    """Insert the booking in the caller's transaction.

    Return None if another transaction has booked the same key in the meantime.
    """
    reservation = ReservationId(purchase.sale, round_, entry_now(), purchase.nonce)
    inserted = await connection.execute(
        BOOK,
        {
            "reservation_id": str(reservation),
            "sale": purchase.sale,
            "round": round_,
            "customer": purchase.customer,
            "key": purchase.key,
            "quantity": purchase.quantity,
            "ticket": ticket,
        },
    )
    return None if inserted.first() is None else Reserved(reservation, purchase.quantity)


def entry_now() -> str:
    """Return the present time in the form of a stream entry's id, for an order that has no entry.

    Two orders of the same millisecond differ in their nonces.
    """
    return f"{time.time_ns() // 1_000_000}-0"
