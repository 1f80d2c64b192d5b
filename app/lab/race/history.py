"""Writes down a race as docs/history.md has it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.blasts.load.result import ACCEPTED, LoadResult, Told
from app.races.history.check import Verdict, check
from app.sales.model import ReservationId

PAGE = 1_000
CONTENTION = "contention"

Event = dict[str, Any]


@dataclass
class History:
    """All that was asked and told, and in the end booked, in one race or in several."""

    told: list[tuple[float, int, Event]] = field(default_factory=list)  # time, and what comes first at one time
    inside: list[Event] = field(default_factory=list)
    bookings: list[Event] = field(default_factory=list)
    counters: dict[str, Event] = field(default_factory=dict)

    def opened(self, sale: str, round_: int, stock: int, customer_limit: int | None, at: float) -> None:
        value = {"sale": sale, "round": round_, "stock": stock, "customer_limit": customer_limit}
        self._tell("race", "ok", "open", value, at)

    def crashed(self, process: str, where: str, at: float) -> None:
        self.inside.append(event("info", "crash", process, {"at": where}, at))

    def bought(self, result: LoadResult) -> None:
        """Needs a result with records."""
        for told in result.records:
            self._bought(result, told)

    def attempted(self, sale: str, attempts: Iterable[Event]) -> None:
        """Attempts as GET /sales/{sale}/attempts tells them. They name no customer; their bookings do."""
        customers = {row["reservation_id"]: row["customer"] for row in self.bookings}
        for attempt in attempts:
            guards = str(attempt["guards"])
            if guards == "customer":
                guards = f"customer:{customers.get(attempt['reservation_id'], '')}"
            value = attempt | {"sale": sale, "guards": guards}
            line = event("info", "attempt", str(attempt.get("process") or attempt["pod"]), value, attempt["read_at"])
            self.inside.append(line | {"trace_id": attempt.get("trace_id")})

    def merge(self, other: "History") -> None:
        self.told += other.told
        self.inside += other.inside
        self.bookings += other.bookings
        self.counters |= other.counters

    def lines(self) -> Iterator[str]:
        self.told.sort(key=lambda each: each[:2])
        for _, _, line in self.told:
            yield json.dumps(line)
        for line in self.inside:
            yield json.dumps(line)
        pages = [self.bookings[start : start + PAGE] for start in range(0, len(self.bookings), PAGE)]
        for page in pages:
            yield json.dumps(event("ok", "ledger-read", "race", {"bookings": page}, self._end))
        yield json.dumps(event("ok", "ledger-read", "race", {"counters": self.counters, "complete": True}, self._end))

    def verdict(self) -> Verdict:
        return check(self.lines())

    @property
    def _end(self) -> float:
        return self.told[-1][0] if self.told else 0.0

    def _tell(self, process: str, type_: str, function: str, value: Event, at: float, **more: Any) -> None:
        rank = 0 if type_ == "invoke" else 1  # at one time: asked before anybody else was told
        self.told.append((at, rank, event(type_, function, process, value, at) | more))

    def _bought(self, result: LoadResult, told: Told) -> None:
        plan = result.plan
        trace = {"trace_id": found} if (found := getattr(told, "trace_id", None)) else {}
        asked = {"sale": plan.sale, "customer": told.customer, "key": told.key, "quantity": plan.quantity}
        process = f"{plan.key_prefix}-{told.number}"
        self._tell(process, "invoke", "buy", asked, told.sent_at, **trace)
        type_, value = answer_of(told)
        self._tell(process, type_, "buy", value | {"attempts": told.attempts}, told.sent_at + told.latency, **trace)


def answer_of(told: Told) -> tuple[str, Event]:
    """The type of the answer, and its value."""
    if told.outcome == ACCEPTED and told.reservation_id:
        round_ = ReservationId.parse(told.reservation_id).round
        return "ok", {"reservation_id": told.reservation_id, "round": round_, "replayed": told.replayed}
    unknown = told.status == 0 or (told.status >= 500 and told.outcome != CONTENTION)
    return "info" if unknown else "fail", {"outcome": told.outcome}


def event(type_: str, function: str, process: str, value: Event, at: float) -> Event:
    return {"process": process, "type": type_, "function": function, "value": value, "time": round(at, 6)}
