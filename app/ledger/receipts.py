"""Receipts: the acceptances that were sent to buyers shortly before a fence.

A receipt without any other trace in the ledger or the stream is an order that Redis lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable
from app.sales.acceptance import Acceptance

PAGE = 1000  # rows of one insert
MAX_NAMED = 100  # lost orders whose ids are returned; all are counted

KEEP = text("""
    INSERT INTO receipts (reservation_id, sale, round, epoch, number, customer, idempotency_key, quantity)
    SELECT * FROM unnest(
        CAST(:ids AS text[]), CAST(:sales AS text[]), CAST(:rounds AS integer[]), CAST(:epochs AS bigint[]),
        CAST(:numbers AS bigint[]), CAST(:customers AS text[]), CAST(:keys AS text[]), CAST(:quantities AS integer[]))
    ON CONFLICT DO NOTHING
""")
GET = text("""
    SELECT reservation_id, sale, round, epoch, number, customer, idempotency_key AS key, quantity
    FROM receipts WHERE reservation_id = :id
""")
UNACCOUNTED = """
    FROM receipts r
    WHERE r.sale = :sale AND r.round = :round
        AND NOT EXISTS (SELECT FROM bookings b WHERE b.reservation_id = r.reservation_id)
        AND NOT EXISTS (
            SELECT FROM set_aside a WHERE a.sale = r.sale AND a.set_aside_at IS NOT NULL
                AND concat_ws('.', a.sale, a.round, a.entry) = r.reservation_id
        )
"""
"""SQL for the receipts `r` of a round without any other row in the ledger: lost, unless they wait in the stream."""
LOST = text(f"""
    WITH lost AS (
        SELECT r.reservation_id, r.epoch, r.number, r.quantity {UNACCOUNTED}
            AND NOT EXISTS (SELECT FROM unnest(CAST(:in_stream AS text[])) s (id) WHERE s.id = r.reservation_id)
    )
    SELECT count(*) AS orders, coalesce(sum(quantity), 0) AS tickets,
        ARRAY(SELECT reservation_id FROM lost ORDER BY epoch, number LIMIT :named) AS named
    FROM lost
""")  # noqa: S608  constants only


@dataclass(frozen=True, slots=True)
class Receipt:
    """One order as its buyer was answered. `quantity` is in tickets; the gate assigned (epoch, number)."""

    reservation_id: str
    sale: str
    round: int
    epoch: int
    number: int
    customer: str
    key: str
    quantity: int


@dataclass(frozen=True, slots=True)
class LostOrders:
    """The orders that were accepted and are lost, and their tickets.

    `named` holds the reservation ids of the first MAX_NAMED.
    """

    orders: int
    tickets: int
    named: tuple[str, ...] = ()


class ReceiptRepository:
    """The stored receipts. Each call raises LedgerUnavailable if Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, acceptances: Sequence[Acceptance]) -> None:
        """Store the acceptances, in pages of one transaction each. Receipts that exist stay as they are."""
        rest = iter(acceptances)
        while page := list(islice(rest, PAGE)):
            with ledger_reachable():
                async with self._engine.begin() as connection:
                    await connection.execute(
                        KEEP,
                        {
                            "ids": [str(acceptance.reservation) for acceptance in page],
                            "sales": [acceptance.reservation.sale for acceptance in page],
                            "rounds": [acceptance.reservation.round for acceptance in page],
                            "epochs": [acceptance.epoch for acceptance in page],
                            "numbers": [acceptance.number for acceptance in page],
                            "customers": [acceptance.purchase.customer for acceptance in page],
                            "keys": [acceptance.purchase.key for acceptance in page],
                            "quantities": [acceptance.purchase.quantity for acceptance in page],
                        },
                    )

    async def get(self, reservation_id: str) -> Receipt | None:
        """Return the receipt of this reservation, or None."""
        with ledger_reachable():
            async with self._engine.connect() as connection:
                row = (await connection.execute(GET, {"id": reservation_id})).first()
        return None if row is None else Receipt(*row)

    async def lost(self, sale: str, round_: int, in_stream: Sequence[str] = ()) -> LostOrders:
        """Count the round's receipts that have no booking of any status and are not set aside.

        `in_stream` are the reservation ids that wait in the stream at this moment and so are not lost.
        """
        with ledger_reachable():
            async with self._engine.connect() as connection:
                row = (
                    await connection.execute(
                        LOST, {"sale": sale, "round": round_, "in_stream": list(in_stream), "named": MAX_NAMED}
                    )
                ).one()
        return LostOrders(row.orders, row.tickets, tuple(row.named))
