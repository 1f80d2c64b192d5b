"""The rule of the stock: no more tickets are sold or promised than the stock, and none are lost."""

from collections import defaultdict
from dataclasses import dataclass, field

from app.races.history.findings import Anomaly, Findings
from app.races.history.ledger import Booking
from app.races.history.operations import Bought

Round = tuple[str, int]


@dataclass(slots=True)
class RoundStock:
    """The tickets of one round.

    `stock`: None if the history does not say that the round was opened.
    `accepted`, `booked`, `released`: tickets.
    `beyond`: the first booking for which no ticket was left.
    `owners`: the reservation by ticket, until a ticket is sold twice.
    `twice`: the reservation that already had the ticket, and the booking that got it again.
    `remaining`, `backlog`: the final counter.
    """

    stock: int | None = None
    accepted: int = 0
    booked: int = 0
    released: int = 0
    beyond: Booking | None = None
    owners: dict[int, str] = field(default_factory=dict)
    twice: tuple[str, Booking] | None = None
    remaining: int | None = None
    backlog: int = 0


class Stock:
    """Receives the events of all rounds. `end` reports what is oversold, leaked or over-admitted."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._shelves: dict[Round, RoundStock] = defaultdict(RoundStock)
        self._won: set[str] = set()

    def opened(self, sale: str, round_: int, stock: int) -> None:
        """Set the stock of a round that was opened or has grown."""
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
        """Return the tickets that were never sold; 0 if the stock is unknown."""
        shelf = self._shelves[sale, round_]
        return 0 if shelf.stock is None else max(0, shelf.stock - shelf.booked)

    def end(self) -> None:
        for (sale, round_), shelf in sorted(self._shelves.items()):
            if shelf.stock is not None:
                self._judge(f"{sale}, round {round_}", shelf, shelf.stock)

    def _judge(self, name: str, shelf: RoundStock, stock: int) -> None:
        if shelf.beyond is not None:
            if shelf.twice is not None:
                owner, booking = shelf.twice
                why, evidence = "Two buyers hold the same ticket:", [f"booking {owner}", booking.told()]
            else:
                why, evidence = "This is the first booking for which no ticket was left:", [shelf.beyond.told()]
            self._findings.add(
                Anomaly.OVERSOLD,
                f"{name}: {shelf.booked} tickets are booked, but there are {stock}. {why}",
                evidence,
                count=shelf.booked - stock,
            )
        elif shelf.accepted > stock + shelf.released:
            self._findings.add(
                Anomaly.OVER_ACCEPTED,
                f"{name}: {shelf.accepted} tickets were promised to buyers, but there are {stock}"
                f" and {shelf.released} came back.",
                count=shelf.accepted - stock - shelf.released,
            )
        self._add_up(name, shelf, stock)

    def _add_up(self, name: str, shelf: RoundStock, stock: int) -> None:
        if shelf.remaining is None:
            return
        missing = stock - shelf.booked - shelf.remaining - shelf.backlog
        sum_of = f"{name}: {shelf.booked} booked, {shelf.remaining} left and {shelf.backlog} in the backlog, of {stock}"
        if missing > 0:
            self._findings.add(Anomaly.LEAKED, f"{sum_of}; {missing} are missing.", count=missing)
        elif missing < 0 and shelf.beyond is None:
            self._findings.add(Anomaly.OVER_ADMITTED, f"{sum_of}; {-missing} are too many.", count=-missing)
