"""Purchases of one sale that are decided together, in one transaction that has locked the sale's counter."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.purchases import SaleState, entry_now, not_open
from app.sales.model import Purchase, ReservationId
from app.sales.outcomes import CustomerLimitReached, KeyReused, Outcome, Reserved, SoldOut

FIRST = text("""
    SELECT b.customer, b.idempotency_key, b.reservation_id, b.quantity
    FROM unnest(CAST(:customers AS text[]), CAST(:keys AS text[])) AS asked (customer, key)
    JOIN bookings b ON b.sale = :sale AND b.round = :round AND b.customer = asked.customer
        AND b.idempotency_key = asked.key AND b.status <> 'duplicate'
""")
HELD = text("""
    SELECT customer, sum(quantity) AS tickets FROM bookings
    WHERE sale = :sale AND round = :round AND customer = ANY(:customers) AND status = 'booked' GROUP BY customer
""")
BOOK = text("""
    WITH taken AS (
        UPDATE inventory SET remaining = remaining - :tickets, booked = booked + :tickets
        WHERE sale = :sale AND round = :round
    )
    INSERT INTO bookings (sale, round, status, reservation_id, customer, idempotency_key, quantity, ticket)
    SELECT :sale, :round, 'booked', * FROM unnest(
        CAST(:ids AS text[]), CAST(:customers AS text[]), CAST(:keys AS text[]),
        CAST(:quantities AS integer[]), CAST(:tickets_from AS integer[]))
""")


@dataclass(slots=True)
class Batch:
    """The state of a batch after the purchases that were decided so far.

    `remaining`: tickets left. `first`: the first order of each (customer, key). `held`: tickets of each customer.
    `won`: the purchases to book, each with its outcome and the number of its first ticket.
    """

    state: SaleState
    remaining: int
    first: dict[tuple[str, str], Reserved]
    held: defaultdict[str, int]
    won: list[tuple[Purchase, Reserved, int]] = field(default_factory=list)

    def decide(self, purchase: Purchase) -> Outcome:
        """Return the outcome of the next purchase, as if it were decided alone after the earlier ones."""
        buyer = (purchase.customer, purchase.key)
        first = self.first.get(buyer)
        if first is not None:
            replayed = first.reservation.nonce != purchase.nonce
            same = first.quantity == purchase.quantity
            return Reserved(first.reservation, first.quantity, replayed) if same else KeyReused(first.quantity)
        refused = not_open(self.state) or self._too_many(purchase)
        if refused is not None:
            return refused
        reservation = ReservationId(purchase.sale, self.state.round, entry_now(), purchase.nonce)
        reserved = self.first[buyer] = Reserved(reservation, purchase.quantity)
        self.won.append((purchase, reserved, self.state.stock - self.remaining + 1))
        self.remaining -= purchase.quantity
        self.held[purchase.customer] += purchase.quantity
        return reserved

    def _too_many(self, purchase: Purchase) -> CustomerLimitReached | SoldOut | None:
        held, limit = self.held[purchase.customer], self.state.customer_limit
        if limit is not None and held + purchase.quantity > limit:
            return CustomerLimitReached(held, limit)
        return SoldOut(self.remaining) if purchase.quantity > self.remaining else None


async def decide(connection: AsyncConnection, state: SaleState, purchases: Sequence[Purchase]) -> list[Outcome]:
    """Decide the purchases in their order, book the accepted ones, and return the outcomes.

    The caller's transaction must have locked the inventory row from which `state` was read.
    """
    sale = purchases[0].sale
    values = {
        "sale": sale,
        "round": state.round,
        "customers": [purchase.customer for purchase in purchases],
        "keys": [purchase.key for purchase in purchases],
    }
    first = {
        (row.customer, row.idempotency_key): Reserved(ReservationId.parse(row.reservation_id), row.quantity)
        for row in await connection.execute(FIRST, values)
    }
    held: defaultdict[str, int] = defaultdict(int)
    if state.customer_limit is not None:
        held.update({row.customer: row.tickets for row in await connection.execute(HELD, values)})
    batch = Batch(state, state.remaining, first, held)
    outcomes = [batch.decide(purchase) for purchase in purchases]
    if batch.won:
        await _book(connection, batch)
    return outcomes


async def _book(connection: AsyncConnection, batch: Batch) -> None:
    purchases = [purchase for purchase, _, _ in batch.won]
    await connection.execute(
        BOOK,
        {
            "sale": purchases[0].sale,
            "round": batch.state.round,
            "tickets": batch.state.remaining - batch.remaining,
            "ids": [str(reserved.reservation) for _, reserved, _ in batch.won],
            "customers": [purchase.customer for purchase in purchases],
            "keys": [purchase.key for purchase in purchases],
            "quantities": [purchase.quantity for purchase in purchases],
            "tickets_from": [ticket for _, _, ticket in batch.won],
        },
    )
