"""Look up what became of a reservation."""

from dataclasses import dataclass

from app.ledger.receipts import ReceiptRepository
from app.ledger.reservations import ReservationRepository
from app.sales.model import ReservationId, UnknownReservation, UnknownSale
from app.services.catalog import SaleCatalog


@dataclass(frozen=True, slots=True)
class ReservationView:
    """A reservation. `status` is pending, booked, rejected, duplicate, cancelled or lost.

    An order that is set aside for a person is pending: its tickets are owed. `alias_of` is the reservation id of the
    first booking; only a duplicate has one.
    """

    reservation_id: str
    sale: str
    round: int
    status: str
    alias_of: str | None = None


class Reservations:
    """The lookup of reservations in the ledger, the strategy, the ledger again, and the receipts, in this order."""

    def __init__(self, ledger: ReservationRepository, receipts: ReceiptRepository, catalog: SaleCatalog) -> None:
        self._ledger = ledger
        self._receipts = receipts
        self._catalog = catalog

    async def status(self, reservation_id: str) -> ReservationView:
        """Return the reservation. Raise UnknownReservation, or TemporarilyUnavailable if a store is away."""
        reservation = ReservationId.parse(reservation_id)
        if recorded := await self._ledger.find(reservation):
            return view(reservation, recorded.status, recorded.alias_of)
        try:
            strategy = self._catalog.known(reservation.sale) or await self._catalog.find(reservation.sale)
        except UnknownSale as error:
            raise unknown(reservation) from error
        if await strategy.is_pending(reservation):
            return view(reservation, "pending")
        # The order may have moved from the stream to the ledger since the first lookup.
        if recorded := await self._ledger.find(reservation):
            return view(reservation, recorded.status, recorded.alias_of)
        if await self._receipts.get(reservation_id) is None:
            raise unknown(reservation)
        return view(reservation, "lost")


def view(reservation: ReservationId, status: str, alias_of: str | None = None) -> ReservationView:
    """Return the reservation with its status. An order that is set aside is shown as pending."""
    shown = "pending" if status == "set-aside" else status
    return ReservationView(str(reservation), reservation.sale, reservation.round, shown, alias_of)


def unknown(reservation: ReservationId) -> UnknownReservation:
    """Return the error for an id that no reservation has."""
    return UnknownReservation(f"No reservation has the id {str(reservation)!r}.")
