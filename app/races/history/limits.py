"""The rule of the limit per customer."""

from collections import defaultdict

from app.races.history.findings import Anomaly, Findings
from app.races.history.ledger import Booking

Held = tuple[int, str]  # the tickets of a reservation, and its id


class Limits:
    """Checks, at the end, that no customer holds more tickets of a round than the limit."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._limits: dict[tuple[str, int], int] = {}
        self._held: dict[tuple[str, int, str], list[Held]] = defaultdict(list)

    def opened(self, sale: str, round_: int, limit: int) -> None:
        self._limits[sale, round_] = limit

    def booked(self, booking: Booking) -> None:
        if booking.holds_tickets and (booking.sale, booking.round) in self._limits:
            self._held[booking.sale, booking.round, booking.customer].append((booking.quantity, booking.reservation_id))

    def end(self) -> None:
        for (sale, round_, customer), bookings in self._held.items():
            limit, held = self._limits[sale, round_], tickets_of(bookings)
            if held > limit:
                self._findings.add(
                    Anomaly.LIMIT_EXCEEDED,
                    f"{customer} holds {held} tickets of {sale}, round {round_}, but the limit is {limit}.",
                    [f"booking {name}: {quantity} tickets" for quantity, name in fewest_beyond(bookings, limit)],
                )


def tickets_of(bookings: list[Held]) -> int:
    return sum(quantity for quantity, _ in bookings)


def fewest_beyond(bookings: list[Held], limit: int) -> list[Held]:
    """Return the fewest bookings that exceed the limit together, the largest first."""
    chosen: list[Held] = []
    for booking in sorted(bookings, reverse=True):
        if tickets_of(chosen) > limit:
            break
        chosen.append(booking)
    return chosen
