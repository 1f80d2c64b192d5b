"""The rule of the stock: no more tickets are sold or promised than the stock, and none are lost."""

from collections import defaultdict
from dataclasses import dataclass, field

from app.races.history.findings import Anomaly, Findings
from app.races.history.ledger import Booking
from app.races.history.operations import Completion

Round = tuple[str, int]


@dataclass(slots=True)
class RoundStock:
    """The tickets of one round.

    `stock`: None if the history does not say that the round was opened.
    `accepted`, `booked`, `released`: tickets.
    `beyond`: the first booking for which no ticket was left.
    `owners`: the reservation by ticket, until a ticket is sold twice.
    `twice`: the reservation that already had the ticket, the booking that got it again, and the ticket.
    `remaining`, `backlog`: the final counter.
    """

    stock: int | None = None
    accepted: int = 0
    booked: int = 0
    released: int = 0
    beyond: Booking | None = None
    owners: dict[int, str] = field(default_factory=dict)
    twice: tuple[str, Booking, int] | None = None
    remaining: int | None = None
    backlog: int = 0


class Stock:
    """Receives the events of all rounds. `end` reports what is oversold, over-accepted, leaked or over-admitted."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._rounds: dict[Round, RoundStock] = defaultdict(RoundStock)
        self._won: set[str] = set()

    def opened(self, sale: str, round_: int, stock: int) -> None:
        """Set the stock of a round that was opened or has grown."""
        self._rounds[sale, round_].stock = stock

    def released(self, sale: str, round_: int, quantity: int) -> None:
        self._rounds[sale, round_].released += quantity

    def completed(self, completion: Completion) -> None:
        if completion.type == "ok" and completion.reservation_id not in self._won:
            self._won.add(completion.reservation_id)
            self._rounds[completion.invocation.sale, completion.round].accepted += completion.invocation.quantity

    def booked(self, booking: Booking) -> None:
        if not booking.holds_tickets:
            return
        tally = self._rounds[booking.sale, booking.round]
        tally.booked += booking.quantity
        if tally.beyond is None and tally.stock is not None and tally.booked > tally.stock:
            tally.beyond = booking
        if tally.twice is None and booking.ticket:
            for ticket in range(booking.ticket, booking.ticket + booking.quantity):
                owner = tally.owners.setdefault(ticket, booking.reservation_id)
                if owner != booking.reservation_id:
                    tally.twice = (owner, booking, ticket)
                    tally.owners = {}
                    break

    def counted(self, sale: str, round_: int, remaining: int, backlog: int) -> None:
        tally = self._rounds[sale, round_]
        tally.remaining, tally.backlog = remaining, backlog

    def unsold(self, sale: str, round_: int) -> int:
        """Return the tickets that were never sold; 0 if the stock is unknown."""
        tally = self._rounds[sale, round_]
        return 0 if tally.stock is None else max(0, tally.stock - tally.booked)

    def end(self) -> None:
        for (sale, round_), tally in sorted(self._rounds.items()):
            if tally.stock is not None:
                self._judge(f"{sale}, round {round_}", tally, tally.stock)

    def _judge(self, name: str, tally: RoundStock, stock: int) -> None:
        if tally.beyond is not None:
            if tally.twice is not None:
                owner, booking, ticket = tally.twice
                why, evidence = (
                    "Two buyers hold the same ticket:",
                    [f"booking {reservation}: ticket {ticket}" for reservation in (owner, booking.reservation_id)],
                )
            else:
                why = "This is the first booking for which no ticket was left:"
                evidence = [tally.beyond.describe_holder()]
            self._findings.add(
                Anomaly.OVERSOLD,
                f"{name}: {tally.booked} tickets are booked, but the stock is {stock}. {why}",
                evidence,
                count=tally.booked - stock,
            )
        elif tally.accepted > stock + tally.released:
            self._findings.add(
                Anomaly.OVER_ACCEPTED,
                f"{name}: {tally.accepted} tickets were promised to buyers, but there are {stock}"
                f" and {tally.released} came back.",
                count=tally.accepted - stock - tally.released,
            )
        self._add_up(name, tally, stock)

    def _add_up(self, name: str, tally: RoundStock, stock: int) -> None:
        if tally.remaining is None:
            return
        missing = stock - tally.booked - tally.remaining - tally.backlog
        sum_of = f"{name}: {tally.booked} booked, {tally.remaining} left and {tally.backlog} in the backlog, of {stock}"
        if missing > 0:
            self._findings.add(Anomaly.LEAKED, f"{sum_of}. Missing: {missing}.", count=missing)
        elif missing < 0 and tally.beyond is None:
            self._findings.add(Anomaly.OVER_ADMITTED, f"{sum_of}; {-missing} are too many.", count=-missing)
