"""`naive`: reads the stock, thinks, writes back what it computed. Wrong on purpose.

How it works: SELECT the counter, check it, think, UPDATE it to an absolute value, INSERT the booking; one transaction
under READ COMMITTED, as many services do it.
Guarantees: one booking per customer and idempotency key. Nothing about the stock.
What breaks it: any two purchases that overlap. Both read the same counter and both write the same value, so that one
update is lost: two tickets are sold, and the counter fell by one. The customer's limit is a write skew: both count the
customer's bookings and each adds one that the other did not see.
What it leaves behind: an attempt for each purchase that got past its checks. One that was refused wrote nothing, so it
is no half of a pair, and of a crowd that comes too late there is no end.
"""

import asyncio
import time
from typing import Any, ClassVar, Self

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger.availability import LedgerUnavailable, ledger_reachable
from app.races.attempt import Attempt, Attempts, Hazard, NoAttempts
from app.sales.model import Purchase, ReservationId, Sale, UnknownSale
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Outcome, Reserved, SoldOut
from app.strategies.protocol import Parts, Snapshot

READ = """
    SELECT s.round, s.customer_limit, s.think_ms, s.paused, i.stock, i.remaining, i.xmin::text AS version,
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
    SELECT coalesce(sum(quantity) FILTER (WHERE status = 'booked'), 0) AS tickets, count(*) AS bookings FROM bookings
    WHERE sale = :sale AND round = :round AND customer = :customer AND status <> 'duplicate'
""")
WRITE = text("""
    UPDATE inventory SET remaining = :remaining WHERE sale = :sale AND round = :round RETURNING xmin::text AS version
""")
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
    locking: ClassVar[str] = ""

    def __init__(self, engine: AsyncEngine, attempts: Attempts | None = None) -> None:
        self._engine = engine
        self._attempts = attempts or NoAttempts()

    @classmethod
    def build(cls, parts: Parts) -> Self:
        return cls(parts.engine, parts.attempts)

    async def buy(self, purchase: Purchase) -> Outcome:
        with ledger_reachable():
            async with self._engine.connect() as connection:
                outcome, windows = await self._sell(connection, purchase)
                if isinstance(outcome, Reserved):
                    await connection.commit()
                    for window in windows:
                        window.wrote_at = time.time()
                        self._attempts.record(window)
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

    async def _sell(self, connection: AsyncConnection, purchase: Purchase) -> tuple[Outcome | None, list[Attempt]]:
        """Decides and books, uncommitted. None: the same key was booked by another transaction meanwhile.

        With it come the attempts that got past the checks: at the stock, and at the customer's limit if there is one.
        """
        seen = (await connection.execute(text(f"{READ} {self.locking}"), {"sale": purchase.sale})).first()
        if seen is None:
            raise UnknownSale(f"There is no sale {purchase.sale!r}.")
        stock = attempt_at(
            purchase, seen.round, "stock", Hazard.LOST_UPDATE, version=seen.version, value=seen.remaining
        )
        refusal = await self._answer(connection, purchase) or closed(seen)
        if refusal is not None:
            return refusal, []
        windows = [stock]
        if seen.customer_limit is not None:
            held, limit = await self._held(connection, purchase, seen.round)
            if held + purchase.quantity > seen.customer_limit:
                return CustomerLimitReached(held, seen.customer_limit), []
            windows.append(limit)
        if purchase.quantity > seen.remaining:
            return SoldOut(seen.remaining), []
        await asyncio.sleep(seen.think_ms / 1000)
        return await self._book(connection, purchase, seen, windows), windows

    async def _held(self, connection: AsyncConnection, purchase: Purchase, round_: int) -> tuple[int, Attempt]:
        """The customer's tickets, and the attempt that rests on them.

        Its version is how many bookings were seen: they only grow, so whoever saw as many saw the same ones.
        """
        buyer = {"sale": purchase.sale, "round": round_, "customer": purchase.customer}
        held = (await connection.execute(HELD, buyer)).one()
        guards = f"customer:{purchase.customer}"
        skew = attempt_at(purchase, round_, guards, Hazard.WRITE_SKEW, version=str(held.bookings), value=held.tickets)
        return held.tickets, skew

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

    async def _book(
        self, connection: AsyncConnection, purchase: Purchase, seen: Row[Any], windows: list[Attempt]
    ) -> Reserved | None:
        # There is no stream: the time stands for its entry's id, and the nonce tells two orders of a millisecond apart.
        entry = f"{time.time_ns() // 1_000_000}-0"
        reservation = ReservationId(purchase.sale, seen.round, entry, purchase.nonce)
        remaining = seen.remaining - purchase.quantity
        values = {"sale": purchase.sale, "round": seen.round, "remaining": remaining}
        version = (await connection.execute(WRITE, values)).scalar_one()
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
        if inserted.first() is None:
            return None
        stock, *limits = windows
        stock.version_written, stock.value_written = version, remaining
        for limit in limits:
            limit.version_written = str(int(limit.version_read) + 1)
            limit.value_written = limit.value_read + purchase.quantity
        for window in windows:
            window.reservation_id = str(reservation)
        return Reserved(reservation, purchase.quantity)


def closed(seen: Row[Any]) -> NotOpen | None:
    """Why nothing is sold at this moment, if so."""
    if seen.closed:
        return NotOpen("closed")
    if seen.paused:
        return NotOpen("paused")
    if seen.opens_in_seconds:
        return NotOpen("scheduled", seen.opens_in_seconds)
    return None


def attempt_at(purchase: Purchase, round_: int, guards: str, hazard: Hazard, *, version: str, value: int) -> Attempt:
    """An attempt that has read just now."""
    return Attempt(
        sale=purchase.sale,
        round=round_,
        strategy=NaiveStrategy.name,
        hazard=hazard,
        nonce=purchase.nonce,
        quantity=purchase.quantity,
        version_read=version,
        value_read=value,
        read_at=time.time(),
        guards=guards,
    )
