"""Small histories written by hand: the requests and their answers, and what the ledger holds at the end."""

import json
from typing import Any

from app.races.history.check import Verdict, check

SALE = "drop"


class History:
    """A history in the making. A purchase begins at `at` and takes one second unless `until` is given."""

    def __init__(self, stock: int = 10, limit: int | None = None, *, opened: bool = True) -> None:
        self._events: list[dict[str, Any]] = []
        self._bookings: list[dict[str, Any]] = []
        self._counters: dict[str, Any] = {}
        if opened:
            self.note("lab", "ok", "open", {"stock": stock, "round": 1, "customer_limit": limit}, -10.0)

    def note(self, process: str, type_: str, function: str, value: dict[str, Any], time: float) -> "History":
        """Add any one line."""
        event = {"process": process, "type": type_, "function": function, "value": {"sale": SALE} | value, "time": time}
        self._events.append(event)
        return self

    def buy(
        self,
        customer: str,
        answer: str | None,
        at: float = 0.0,
        *,
        until: float | None = None,
        key: str = "k",
        quantity: int = 1,
        process: str | None = None,
        **value: Any,
    ) -> "History":
        """Add a purchase and its answer.

        `answer` is a reservation (`r...`), a refusal, or None if the buyer got no answer. `value` is added to its line.
        """
        process = process or f"{customer}-{key}-{at}"
        self.note(process, "invoke", "buy", {"customer": customer, "key": key, "quantity": quantity}, at)
        done = at + 1 if until is None else until
        if answer is None:
            return self.note(process, "info", "buy", {"outcome": "no-reply"} | value, done)
        if answer.startswith("r"):
            return self.note(process, "ok", "buy", {"reservation_id": answer, "round": 1} | value, done)
        return self.note(process, "fail", "buy", {"outcome": answer} | value, done)

    def booking(self, reservation: str, customer: str, *, key: str = "k", quantity: int = 1, **row: Any) -> "History":
        known = {"sale": SALE, "round": 1, "status": "booked", "ticket": len(self._bookings) + 1}
        self._bookings.append(
            known | {"reservation_id": reservation, "customer": customer, "key": key, "quantity": quantity} | row
        )
        return self

    def won(self, customer: str, reservation: str, at: float = 0.0, *, key: str = "k", quantity: int = 1) -> "History":
        """Add a purchase that was accepted, and its booking."""
        return self.buy(customer, reservation, at, key=key, quantity=quantity).booking(
            reservation, customer, key=key, quantity=quantity
        )

    def restock(self, function: str, at: float, *, until: float | None = None, **value: Any) -> "History":
        self.note("lab", "invoke", function, value, at)
        return self.note("lab", "ok", function, value, at + 0.5 if until is None else until)

    def attempt(self, pod: str, hazard: str, version: str, *, wrote: bool = True, **value: Any) -> "History":
        known = {"hazard": hazard, "version_read": version, "pod": pod, "read_at": 1.0, "value_read": 5}
        written = {"wrote_at": 2.0, "value_written": 4} if wrote else {"wrote_at": None}
        return self.note(pod, "info", "attempt", known | written | value, 2.0)

    def left(self, remaining: int, backlog: int = 0) -> "History":
        """Set what the counter says at the end."""
        self._counters[SALE] = {"round": 1, "remaining": remaining, "backlog": backlog}
        return self

    @property
    def lines(self) -> list[str]:
        events = sorted(self._events, key=lambda event: float(event["time"]))
        read = {"bookings": self._bookings, "counters": self._counters, "complete": True}
        last = {"process": "lab", "type": "ok", "function": "ledger-read", "value": read, "time": 1000.0}
        return [json.dumps(event) for event in [*events, last]]

    def verdict(self) -> Verdict:
        return check(self.lines)

    def anomalies(self) -> dict[str, int]:
        return {str(found.anomaly): found.count for found in self.verdict().findings}
