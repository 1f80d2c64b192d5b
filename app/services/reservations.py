"""What became of a reservation."""

from dataclasses import dataclass

from app.ledger.receipts import ReceiptRepository
from app.ledger.reservations import Recorded, ReservationRepository
from app.sales.model import ReservationId, UnknownReservation, UnknownSale
from app.services.catalog import SaleCatalog


@dataclass(frozen=True, slots=True)
class ReservationView:
    """`status` is pending, booked, rejected, duplicate, cancelled or lost.

    An order that is set aside for a person is pending: its tickets are owed. `alias_of` is the reservation id of the
    first booking, of a duplicate only.
    """

    reservation_id: str
    sale: str
    round: int
    status: str
    alias_of: str | None = None


class Reservations:
    """Asks the ledger, the strategy and the receipts, in the order in which an order may move from one to the next."""

    def __init__(self, ledger: ReservationRepository, receipts: ReceiptRepository, catalog: SaleCatalog) -> None:
        self._ledger = ledger
        self._receipts = receipts
        self._catalog = catalog

    async def status(self, reservation_id: str) -> ReservationView:
        """Raises UnknownReservation, or TemporarilyUnavailable where a store is away."""
        reservation = ReservationId.parse(reservation_id)
        if recorded := await self._ledger.find(reservation):
            return view(reservation, recorded)
        try:
            strategy = self._catalog.known(reservation.sale) or await self._catalog.find(reservation.sale)
        except UnknownSale as error:
            raise unknown(reservation) from error
        if await strategy.is_pending(reservation):
            return view(reservation, Recorded("pending", None))
        # It may have gone from the stream to the ledger between the two looks.
        if recorded := await self._ledger.find(reservation):
            return view(reservation, recorded)
        if await self._receipts.get(reservation_id) is None:
            raise unknown(reservation)
        return view(reservation, Recorded("lost", None))


def view(reservation: ReservationId, recorded: Recorded) -> ReservationView:
    status = "pending" if recorded.status == "set-aside" else recorded.status
    return ReservationView(str(reservation), reservation.sale, reservation.round, status, recorded.alias_of)


def unknown(reservation: ReservationId) -> UnknownReservation:
    return UnknownReservation(f"No reservation has the id {str(reservation)!r}.")
