"""The checker of a history. It reads the lines once, in order; its memory grows with purchases, not with lines."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.races.history.events import Event, InvalidHistory, count_of, read_events, text_of
from app.races.history.findings import Anomaly, Finding, Findings
from app.races.history.ledger import bookings_of, counters_of
from app.races.history.limits import Limits
from app.races.history.operations import Completion, Invocation, completion_of, invocation_of, never_answered
from app.races.history.orders import Orders
from app.races.history.sold_out import SoldOut
from app.races.history.stock import Stock
from app.races.history.versions import Versions

CLOCK_SECONDS = 1e-6  # times are written in microseconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check.

    `events`: lines. `purchases`: answered purchases. `bookings`: rows of the ledger.
    """

    events: int
    purchases: int
    bookings: int
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        return {
            "clean": self.clean,
            "events": self.events,
            "purchases": self.purchases,
            "bookings": self.bookings,
            "findings": [finding.as_json() for finding in self.findings],
        }


def check(lines: Iterable[str | bytes]) -> Verdict:
    """Check a history and return the verdict. Raise InvalidHistory if the history cannot be judged."""
    checker = Checker()
    for event in read_events(lines):
        checker.add(event)
    return checker.verdict()


@dataclass
class Checker:
    """The state of a check: the rules, which are independent of each other, and the events that they wait for."""

    findings: Findings = field(default_factory=Findings)
    events: int = 0
    purchases: int = 0
    bookings: int = 0

    def __post_init__(self) -> None:
        self._orders = Orders(self.findings)
        self._stock = Stock(self.findings)
        self._limits = Limits(self.findings)
        self._sold_out = SoldOut(self.findings)
        self._versions = Versions(self.findings)
        # By process: the purchase that waits for its answer, and the result of `SoldOut.invoked` for it.
        self._pending: dict[str, tuple[Invocation, int | None]] = {}
        self._restocking: dict[str, str] = {}  # by process: the sale that it restocks
        self._rounds: dict[str, int] = {}
        self._latest_time = -math.inf
        self._ledger_complete = False

    def add(self, event: Event) -> None:
        """Pass the next event to the rules. Raise InvalidHistory if it is not allowed at this point."""
        self.events += 1
        if self._ledger_complete:
            raise InvalidHistory(f"Line {event.line}: nothing may follow the ledger's last page.")
        if event.function == "buy":
            self._require_time_order(event)
            self._buy(event)
        elif event.function in ("open", "grow", "release"):
            self._require_time_order(event)
            self._restock(event)
        elif event.function == "attempt":
            self._versions.attempted(event)
        elif event.function == "crash":
            self._orders.crashed(event.process, event.line)
        else:
            self._ledger_read(event)

    def verdict(self) -> Verdict:
        """Return the verdict after the last event.

        Raise InvalidHistory if the ledger was not read to its end, because every order would look lost.
        """
        if not self._ledger_complete:
            raise InvalidHistory("The history does not end with the ledger's last page (ledger-read, complete).")
        self._orders.end()
        self._stock.end()
        self._limits.end()
        for sale, round_ in self._rounds.items():
            self._undersold(sale, round_)
        return Verdict(self.events, self.purchases, self.bookings, tuple(self.findings))

    def _require_time_order(self, event: Event) -> None:
        if event.time < self._latest_time - CLOCK_SECONDS:
            raise InvalidHistory(f"Line {event.line}: requests and answers must be in the order of time.")
        self._latest_time = event.time

    def _buy(self, event: Event) -> None:
        if event.type == "invoke":
            if event.process in self._pending:
                line = self._pending[event.process][0].line
                raise InvalidHistory(f"Line {event.line}: {event.process} still waits for an answer (line {line}).")
            invocation = invocation_of(event)
            self._pending[event.process] = (invocation, self._sold_out.invoked(invocation))
            return
        if event.process not in self._pending:
            raise InvalidHistory(f"Line {event.line}: {event.process} gets an answer without a request.")
        invocation, restocks_before = self._pending.pop(event.process)
        self._completed(completion_of(invocation, event), restocks_before)

    def _completed(self, completion: Completion, restocks_before: int | None) -> None:
        self.purchases += 1
        self._orders.completed(completion)
        self._stock.completed(completion)
        self._sold_out.completed(completion, restocks_before)

    def _restock(self, event: Event) -> None:
        """Handle an event that adds tickets.

        The tickets arrive between the `invoke` and its answer; if there is no `invoke`, at the time of the answer.
        """
        sale = text_of(event, "sale")
        if event.type == "invoke":
            self._restocking[event.process] = sale
            self._sold_out.restock_begins(sale)
            if event.function == "open":
                self._orders.opening(sale)
            return
        begun = self._restocking.pop(event.process, None)
        if begun is None:
            self._sold_out.restock_begins(sale)
        elif begun != sale:
            raise InvalidHistory(
                f"Line {event.line}: the answer is for {sale}, but {event.process} had asked for {begun}."
            )
        if event.type == "info":
            return  # the restock may happen at any time from now on
        self._sold_out.restock_ends(sale)
        if event.type == "ok":
            self._restocked(event)

    def _restocked(self, event: Event) -> None:
        sale, round_ = text_of(event, "sale"), count_of(event, "round", 1)
        if event.function == "release":
            self._orders.released(text_of(event, "reservation_id"))
            self._stock.released(sale, round_, count_of(event, "quantity", 1))
            return
        self._stock.opened(sale, round_, count_of(event, "stock"))
        if event.function == "open":
            self._rounds[sale] = round_
            self._orders.opened(sale, round_)
            if event.value.get("customer_limit") is not None:
                self._limits.opened(sale, round_, count_of(event, "customer_limit"))

    def _ledger_read(self, event: Event) -> None:
        for invocation, restocks_before in self._pending.values():
            self._completed(never_answered(invocation), restocks_before)
        self._pending.clear()
        for booking in bookings_of(event):
            self.bookings += 1
            self._orders.booked(booking)
            self._stock.booked(booking)
            self._limits.booked(booking)
        for counter in counters_of(event):
            self._stock.counted(*counter)
        self._ledger_complete = event.value.get("complete") is True

    def _undersold(self, sale: str, round_: int) -> None:
        unsold = self._stock.unsold(sale, round_)
        refused = {
            quantity: completion
            for quantity, completion in self._sold_out.refused_of(sale).items()
            if quantity <= unsold
        }
        if refused:
            self.findings.add(
                Anomaly.UNDERSOLD,
                f"{sale}, round {round_}: buyers were refused as sold out. Tickets never sold: {unsold}.",
                [refused[min(refused)].describe()],
                count=unsold,
            )
