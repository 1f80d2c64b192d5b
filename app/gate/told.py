"""What this process told buyers lately: the memory by which an order is missed that Redis and the ledger lack."""

from collections import deque
from dataclasses import dataclass

from app.sales.model import Purchase, ReservationId

TOLD_SECONDS = 60.0
TOLD_ORDERS = 20_000  # about 10 MB; at full speed some seconds of orders, while the drain needs less than one


@dataclass(frozen=True, slots=True)
class Told:
    """An acceptance that went out to a buyer. `at`: seconds of the process's monotonic clock."""

    at: float
    epoch: int
    number: int
    reservation: ReservationId
    purchase: Purchase


class RecentlyTold:
    """A bounded ring of acceptances, per process; the oldest go first."""

    def __init__(self, orders: int = TOLD_ORDERS, seconds: float = TOLD_SECONDS) -> None:
        self._ring: deque[Told] = deque(maxlen=orders)
        self._seconds = seconds

    def add(self, told: Told) -> None:
        self._ring.append(told)

    def sales(self, now: float) -> set[str]:
        """The sales that were sold lately; forgets what is too old."""
        while self._ring and self._ring[0].at < now - self._seconds:
            self._ring.popleft()
        return {told.reservation.sale for told in self._ring}

    def of(self, sale: str, before_epoch: int) -> list[Told]:
        """What was told of `sale` under an epoch older than `before_epoch`, oldest first."""
        return [told for told in self._ring if told.reservation.sale == sale and told.epoch < before_epoch]

    def forget(self, told: list[Told]) -> None:
        """Drops what is kept elsewhere by now."""
        gone = {each.reservation for each in told}
        self._ring = deque((each for each in self._ring if each.reservation not in gone), maxlen=self._ring.maxlen)
