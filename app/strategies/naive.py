"""`naive`: reads the stock, thinks, writes back what it computed. Wrong on purpose.

How it works: SELECT the counter, check it, think, UPDATE it to an absolute value, INSERT the booking; one transaction
under READ COMMITTED, as many services do it.
Guarantees: one booking per customer and idempotency key. Nothing about the stock.
What breaks it: any two purchases that overlap. Both read the same counter and both write the same value, so that one
update is lost: two tickets are sold, and the counter fell by one. The customer's limit races in the same way.
"""

import asyncio
import time
from typing import Any, ClassVar, Self

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger.availability import LedgerUnavailable, ledger_reachable
from app.sales.model import Purchase, ReservationId, Sale, UnknownSale
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Outcome, Reserved, SoldOut
from app.strategies.protocol import Parts, Snapshot

READ = """
    SELECT s.round, s.customer_limit, s.think_ms, s.paused, i.stock, i.remaining,
        s.ended_at IS NOT NULL OR coalesce(s.closes_at <= now(), false) AS closed,
        greatest(0, extract(epoch FROM s.opens_at - now()))::float8 AS opens_in_seconds
    FROM sales s JOIN inventory i ON i.sale = s.name AND i.round = s.round
    WHERE s.name = :sale
"""
ANSWER = text("""
    SELECT b.reservation_id, b.quantity FROM bookings b JOIN sales s ON s.name = b.sale AND s.round = b.round
    WHERE s.name = :sale AND b.customer = :customer AND b.idempotency_key = :key AND b.status <> 'duplicate'
""")
HELD = text("""
    SELECT coalesce(sum(quantity), 0) FROM bookings
    WHERE sale = :sale AND round = :round AND customer = :customer AND status = 'booked'
""")
WRITE = text("UPDATE inventory SET remaining = :remaining WHERE sale = :sale AND round = :round")
BOOK = text("""
    INSERT INTO bookings (reservation_id, sale, round, customer, idempotency_key, quantity, ticket, status)
    VALUES (:reservation_id, :sale, :round, :customer, :key, :quantity, :ticket, 'booked')
    ON CONFLICT DO NOTHING RETURNING 1
""")
SNAPSHOT = text("""
    SELECT round, epoch, stock, remaining, 0 AS backlog FROM inventory WHERE sale = :sale AND round = :round
""")


class NaiveStrategy:
    """All in Postgres; the window is judged by the database's clock."""

    name: ClassVar[str] = "naive"
    promises_exactness: ClassVar[bool] = False
    sells_at_gate: ClassVar[bool] = False
    read: ClassVar[str] = READ

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    def build(cls, parts: Parts) -> Self:
        return cls(parts.engine)

    async def buy(self, purchase: Purchase) -> Outcome:
        with ledger_reachable():
            async with self._engine.connect() as connection:
                outcome = await self._sell(connection, purchase)
                if isinstance(outcome, Reserved):
                    await connection.commit()
                    return outcome
                if outcome is not None:
                    return outcome
            # The same key won elsewhere while this purchase thought. Its own write is rolled back.
            async with self._engine.connect() as connection:
                answer = await self._answer(connection, purchase)
        if answer is None:
            raise LedgerUnavailable("The round ended meanwhile; nothing was taken.")
        return answer

    async def prepare(self, sale: Sale) -> None:
        """Nothing follows the ledger: the counter is a column of it."""

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        with ledger_reachable():
            async with self._engine.connect() as connection:
                values = {"sale": sale.name, "round": sale.round}
                row = (await connection.execute(SNAPSHOT, values)).mappings().first()
        return None if row is None else Snapshot(**row)

    async def is_pending(self, reservation: ReservationId) -> bool:  # noqa: ARG002  the protocol's signature
        """Never: a purchase is answered after its booking is committed."""
        return False

    async def close(self) -> None:
        """Nothing is under way between two purchases."""

    async def _sell(self, connection: AsyncConnection, purchase: Purchase) -> Outcome | None:
        """Decides and books, uncommitted. None: the same key was booked by another transaction meanwhile."""
        seen = (await connection.execute(text(self.read), {"sale": purchase.sale})).first()
        if seen is None:
            raise UnknownSale(f"There is no sale {purchase.sale!r}.")
        refusal = await self._refusal(connection, purchase, seen)
        if refusal is not None:
            return refusal
        await asyncio.sleep(seen.think_ms / 1000)
        return await self._book(connection, purchase, seen)

    async def _refusal(self, connection: AsyncConnection, purchase: Purchase, seen: Row[Any]) -> Outcome | None:
        answer = await self._answer(connection, purchase)
        if answer is not None:
            return answer
        if seen.closed:
            return NotOpen("closed")
        if seen.paused:
            return NotOpen("paused")
        if seen.opens_in_seconds:
            return NotOpen("scheduled", seen.opens_in_seconds)
        if seen.customer_limit is not None:
            buyer = {"sale": purchase.sale, "round": seen.round, "customer": purchase.customer}
            held = (await connection.execute(HELD, buyer)).scalar_one()
            if held + purchase.quantity > seen.customer_limit:
                return CustomerLimitReached(held, seen.customer_limit)
        return SoldOut(seen.remaining) if purchase.quantity > seen.remaining else None

    async def _answer(self, connection: AsyncConnection, purchase: Purchase) -> Outcome | None:
        """What the key came to in this round, if it was here before."""
        values = {"sale": purchase.sale, "customer": purchase.customer, "key": purchase.key}
        first = (await connection.execute(ANSWER, values)).first()
        if first is None:
            return None
        if first.quantity != purchase.quantity:
            return KeyReused(first.quantity)
        reservation = ReservationId.parse(first.reservation_id)
        return Reserved(reservation, purchase.quantity, replayed=reservation.nonce != purchase.nonce)

    async def _book(self, connection: AsyncConnection, purchase: Purchase, seen: Row[Any]) -> Reserved | None:
        # There is no stream: the time stands for its entry's id, and the nonce tells two orders of a millisecond apart.
        entry = f"{time.time_ns() // 1_000_000}-0"
        reservation = ReservationId(purchase.sale, seen.round, entry, purchase.nonce)
        await connection.execute(
            WRITE, {"sale": purchase.sale, "round": seen.round, "remaining": seen.remaining - purchase.quantity}
        )
        inserted = await connection.execute(
            BOOK,
            {
                "reservation_id": str(reservation),
                "sale": purchase.sale,
                "round": seen.round,
                "customer": purchase.customer,
                "key": purchase.key,
                "quantity": purchase.quantity,
                "ticket": seen.stock - seen.remaining + 1,
            },
        )
        return None if inserted.first() is None else Reserved(reservation, purchase.quantity)
