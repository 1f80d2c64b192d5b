"""The duties of a purchase that is decided in the ledger, whichever way it is sold. Each is one statement."""

import time
from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.locks import hold
from app.ledger.reservations import OF_BUYER
from app.sales.model import Purchase, ReservationId, UnknownSale
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
    """What one customer has in a round: tickets, and bookings of any kind. `read_at` as in Seen."""

    tickets: int
    bookings: int
    read_at: float = field(default_factory=time.time)


@dataclass(slots=True)  # made for every purchase: see app.sales.model.Purchase
class Seen:
    """A sale and its counter, as one statement read them, and when (seconds since 1970 of this machine's clock).

    `remaining`: tickets of the counter. `version`, `lock_token`: of the optimistic way and of the fenced lock.
    `row_version`: the inventory row's xmin. `held`: what the customer has, once that was asked because of a limit.
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


async def read(connection: AsyncConnection, sale: str, locking: str = "") -> Seen:
    """Reads the sale with its counter, alias `i`, for which `locking` may add a clause. Raises UnknownSale."""
    row = (await connection.execute(_reading(locking), {"sale": sale})).first()
    if row is None:
        raise UnknownSale(f"There is no sale {sale!r}.")
    return Seen(*row)


@cache  # a few clauses; made anew each time it would be parsed for parameters each time
def _reading(locking: str) -> TextClause:
    return text(f"{READ} {locking}")


async def refusal(
    connection: AsyncConnection, purchase: Purchase, seen: Seen, *, lock_customer: bool = False
) -> Outcome | None:
    """What the purchase comes to before any ticket is asked for: a replay, or a refusal. None: go on.

    `lock_customer`: purchases of one customer wait for each other from here to their commit, where there is a limit.
    """
    first = await answer(connection, purchase, seen.round)
    if first is not None:
        return first
    return not_open(seen) or await limit_reached(connection, purchase, seen, lock_customer=lock_customer)


def not_open(seen: Seen) -> NotOpen | None:
    if seen.closed:
        return NotOpen("closed")
    if seen.paused:
        return NotOpen("paused")
    return NotOpen("scheduled", seen.opens_in_seconds) if seen.opens_in_seconds else None


async def limit_reached(
    connection: AsyncConnection, purchase: Purchase, seen: Seen, *, lock_customer: bool
) -> CustomerLimitReached | None:
    if seen.customer_limit is None:
        return None
    if lock_customer:  # a statement of its own: one that waited for the lock would not see what was committed meanwhile
        await lock_customer_of(connection, purchase)
    buyer = {"sale": purchase.sale, "round": seen.round, "customer": purchase.customer}
    seen.held = Held(*(await connection.execute(HELD, buyer)).one())
    too_many = seen.held.tickets + purchase.quantity > seen.customer_limit
    return CustomerLimitReached(seen.held.tickets, seen.customer_limit) if too_many else None


async def lock_customer_of(connection: AsyncConnection, purchase: Purchase) -> None:
    """Purchases of one customer wait for each other from here to their commit."""
    await hold(connection, f"customer {purchase.sale} {purchase.customer}")


async def answer(connection: AsyncConnection, purchase: Purchase, round_: int) -> Reserved | KeyReused | None:
    """What the key came to in this round, if it was here before."""
    buyer = {"sale": purchase.sale, "round": round_, "customer": purchase.customer, "key": purchase.key}
    first = (await connection.execute(OF_BUYER, buyer)).first()
    if first is None:
        return None
    if first.quantity != purchase.quantity:
        return KeyReused(first.quantity)
    reservation = ReservationId.parse(first.reservation_id)
    return Reserved(reservation, purchase.quantity, replayed=reservation.nonce != purchase.nonce)


async def book(connection: AsyncConnection, purchase: Purchase, round_: int, ticket: int) -> Reserved | None:
    """Inserts the booking, in the caller's transaction. None: the same key was booked by another one meanwhile."""
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
    """There is no stream: the time stands for its entry's id. The nonce tells two orders of a millisecond apart."""
    return f"{time.time_ns() // 1_000_000}-0"
