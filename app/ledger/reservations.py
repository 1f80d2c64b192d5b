"""Look-ups of one reservation in the ledger."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable
from app.sales.model import ReservationId
from app.sales.outcomes import Reserved

FIND = text("""
    SELECT status, alias_of FROM bookings WHERE reservation_id = :id
    UNION ALL
    SELECT 'set-aside', NULL FROM set_aside
    WHERE sale = :sale AND entry = :entry AND round = :round AND set_aside_at IS NOT NULL
    LIMIT 1
""")
OF_BUYER = text("""
    SELECT reservation_id, quantity FROM bookings
    WHERE sale = :sale AND round = :round AND customer = :customer AND idempotency_key = :key AND status <> 'duplicate'
""")


@dataclass(frozen=True, slots=True)
class RecordedReservation:
    """A reservation as the ledger has it.

    `status` is the booking's status, or `set-aside`. `alias_of` is the first booking's reservation id if this one is a
    duplicate, and None otherwise.
    """

    status: str
    alias_of: str | None


class ReservationRepository:
    """The reservations in the ledger. Each call raises LedgerUnavailable if Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, reservation: ReservationId) -> RecordedReservation | None:
        """Return what the ledger has of the reservation, or None while its order is not in the ledger."""
        values = {
            "id": str(reservation),
            "sale": reservation.sale,
            "round": reservation.round,
            "entry": f"{reservation.entry}.{reservation.nonce}",
        }
        with ledger_reachable():
            async with self._engine.connect() as connection:
                row = (await connection.execute(FIND, values)).first()
        return None if row is None else RecordedReservation(*row)

    async def of_buyer(self, sale: str, round_: int, customer: str, key: str) -> Reserved | None:
        """Return the reservation that this key has won in the round, or None.

        It answers a buyer who repeats a purchase that the gate has forgotten.
        """
        values = {"sale": sale, "round": round_, "customer": customer, "key": key}
        with ledger_reachable():
            async with self._engine.connect() as connection:
                row = (await connection.execute(OF_BUYER, values)).first()
        return None if row is None else Reserved(ReservationId.parse(row.reservation_id), row.quantity, replayed=True)
