"""The stock: never more sold than there is, never more promised, none lost on the way."""

from collections import defaultdict
from dataclasses import dataclass, field

from app.races.history.findings import Anomaly, Findings
from app.races.history.ledger import Booking
from app.races.history.operations import Bought

Round = tuple[str, int]


@dataclass(slots=True)
class Shelf:
    """The tickets of one round, and where they went."""

    stock: int | None = None  # None: nobody told that this round was opened
    accepted: int = 0
    booked: int = 0
    released: int = 0
    beyond: Booking | None = None  # the first booking for which there was no ticket
    owners: dict[int, str] = field(default_factory=dict)  # reservations by ticket, until one is sold twice
    twice: tuple[str, Booking] | None = None
    remaining: int | None = None  # as the counter says in the end
    backlog: int = 0


class Stock:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._shelves: dict[Round, Shelf] = defaultdict(Shelf)
        self._won: set[str] = set()

    def opened(self, sale: str, round_: int, stock: int) -> None:
        """Also when it grows."""
        self._shelves[sale, round_].stock = stock

    def released(self, sale: str, round_: int, quantity: int) -> None:
        self._shelves[sale, round_].released += quantity

    def bought(self, told: Bought) -> None:
        if told.type == "ok" and told.reservation_id not in self._won:
            self._won.add(told.reservation_id)
            self._shelves[told.asked.sale, told.round].accepted += told.asked.quantity

    def booked(self, booking: Booking) -> None:
        if not booking.holds_tickets:
            return
        shelf = self._shelves[booking.sale, booking.round]
        shelf.booked += booking.quantity
        if shelf.beyond is None and shelf.stock is not None and shelf.booked > shelf.stock:
            shelf.beyond = booking
        if shelf.twice is None and booking.ticket:
            for ticket in range(booking.ticket, booking.ticket + booking.quantity):
                owner = shelf.owners.setdefault(ticket, booking.reservation_id)
                if owner != booking.reservation_id:
                    shelf.twice = (owner, booking)
                    shelf.owners = {}
                    break

    def counted(self, sale: str, round_: int, remaining: int, backlog: int) -> None:
        shelf = self._shelves[sale, round_]
        shelf.remaining, shelf.backlog = remaining, backlog

    def unsold(self, sale: str, round_: int) -> int:
        """Tickets that were never sold; 0 where the stock is not known."""
        shelf = self._shelves[sale, round_]
        return 0 if shelf.stock is None else max(0, shelf.stock - shelf.booked)

    def end(self) -> None:
        for (sale, round_), shelf in sorted(self._shelves.items()):
            if shelf.stock is not None:
                self._judge(f"{sale}, round {round_}", shelf, shelf.stock)

    def _judge(self, name: str, shelf: Shelf, stock: int) -> None:
        if shelf.beyond is not None:
            if shelf.twice is not None:
                owner, booking = shelf.twice
                why, evidence = "Two buyers hold the same ticket:", [f"booking {owner}", booking.told()]
            else:
                why, evidence = "This is the first for which there was none:", [shelf.beyond.told()]
            self._findings.add(
                Anomaly.OVERSOLD,
                f"{name}: {shelf.booked} tickets are booked, and there are {stock}. {why}",
                evidence,
                count=shelf.booked - stock,
            )
        elif shelf.accepted > stock + shelf.released:
            self._findings.add(
                Anomaly.OVER_ACCEPTED,
                f"{name}: buyers were told of {shelf.accepted} tickets, and there are {stock}"
                f" and {shelf.released} that came back.",
                count=shelf.accepted - stock - shelf.released,
            )
        self._add_up(name, shelf, stock)

    def _add_up(self, name: str, shelf: Shelf, stock: int) -> None:
        if shelf.remaining is None:
            return
        missing = stock - shelf.booked - shelf.remaining - shelf.backlog
        sum_of = f"{name}: {shelf.booked} booked, {shelf.remaining} to be had and {shelf.backlog} under way of {stock}"
        if missing > 0:
            self._findings.add(Anomaly.LEAKED, f"{sum_of}; {missing} are nowhere.", count=missing)
        elif missing < 0 and shelf.beyond is None:
            self._findings.add(Anomaly.OVER_ADMITTED, f"{sum_of}; {-missing} too many.", count=-missing)
