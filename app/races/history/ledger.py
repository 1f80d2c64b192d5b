"""The last part of a history: the bookings of the ledger, and the counters of the strategies."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from app.races.history.events import Event, InvalidHistory

STATUSES = frozenset({"booked", "cancelled", "rejected", "duplicate", "set-aside"})


class Booking(NamedTuple):
    """One row of the ledger's bookings."""

    reservation_id: str
    sale: str
    round: int
    customer: str
    key: str
    quantity: int
    status: str
    ticket: int

    @property
    def name(self) -> str:
        """Return the name of the booking's purchase, as Invocation.name."""
        return f"{self.sale} {self.customer} {self.key}"

    @property
    def holds_tickets(self) -> bool:
        return self.status == "booked"

    def describe(self) -> str:
        """Return the booking as a line of evidence."""
        from_ticket = f" from ticket {self.ticket} on" if self.ticket else ""
        return f"{self.describe_holder()}, quantity {self.quantity}{from_ticket}, {self.status}"

    def describe_holder(self) -> str:
        """Return whose booking it is, without its tickets."""
        return f"booking {self.reservation_id} for {self.customer}, key {self.key}"


def bookings_of(event: Event) -> Iterator[Booking]:
    """Yield the bookings of one page. Raise InvalidHistory if it cannot be read."""
    rows = event.value.get("bookings", [])
    if not isinstance(rows, list):
        raise InvalidHistory(f"Line {event.line}: value.bookings must be a list.")
    for row in rows:
        yield booking_of(event, row)


def booking_of(event: Event, row: Any) -> Booking:
    """Return one booking. Raise InvalidHistory if it cannot be read."""
    try:
        booking = Booking(
            row["reservation_id"],
            row["sale"],
            row["round"],
            row["customer"],
            row["key"],
            row["quantity"],
            row.get("status", "booked"),
            row.get("ticket", 0),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidHistory(f"Line {event.line}: a booking lacks {error}.") from error
    texts = (booking.reservation_id, booking.sale, booking.customer, booking.key)
    if not all(isinstance(text, str) for text in texts):
        raise InvalidHistory(f"Line {event.line}: a booking's reservation_id, sale, customer and key must be strings.")
    if not all(isinstance(number, int) for number in (booking.round, booking.quantity, booking.ticket)):
        raise InvalidHistory(f"Line {event.line}: a booking's round, quantity and ticket must be whole numbers.")
    if not isinstance(booking.status, str) or booking.status not in STATUSES:
        raise InvalidHistory(f"Line {event.line}: no booking has the status {booking.status!r}.")
    return booking


class CounterRead(NamedTuple):
    """The final state of a round's counter, in tickets."""

    sale: str
    round: int
    remaining: int
    backlog: int


def counters_of(event: Event) -> Iterator[CounterRead]:
    """Yield the counters of one page. Raise InvalidHistory if it cannot be read."""
    counters = event.value.get("counters", {})
    if not isinstance(counters, dict):
        raise InvalidHistory(f"Line {event.line}: value.counters must be an object.")
    for sale, counter in counters.items():
        read = counter if isinstance(counter, dict) else {}
        numbers = [read.get("round"), read.get("remaining"), read.get("backlog", 0)]
        if not all(isinstance(number, int) for number in numbers):
            raise InvalidHistory(f"Line {event.line}: a counter's round, remaining and backlog must be whole numbers.")
        yield CounterRead(sale, *numbers)
