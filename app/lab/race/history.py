"""The history of a race in the format of docs/history.md: its events are recorded here and written as JSON lines."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.blasts.load.result import ACCEPTED, LoadResult, PurchaseRecord
from app.races.history.check import Verdict, check
from app.sales.model import ReservationId

PAGE = 1_000
CONTENTION = "contention"
LINE_NUMBER = re.compile(r"^line \d+(: |$)| \(line \d+\)")

Event = dict[str, Any]


@dataclass
class History:
    """The events of one sale or of several.

    `exchanges`: requests and answers of the buyers, as (time, rank among events of the same time, event)
    `inside`: events from inside the service: attempts and crashes
    `bookings`: rows of the ledger, read at the end
    `counters`: for each sale its round, remaining tickets and backlog at the end
    """

    exchanges: list[tuple[float, int, Event]] = field(default_factory=list)
    inside: list[Event] = field(default_factory=list)
    bookings: list[Event] = field(default_factory=list)
    counters: dict[str, Event] = field(default_factory=dict)

    def opened(self, sale: str, round_: int, stock: int, customer_limit: int | None, at: float) -> None:
        """Record that a round was opened. `at` is in Unix seconds, here and in all other methods."""
        value = {"sale": sale, "round": round_, "stock": stock, "customer_limit": customer_limit}
        self._exchanged("race", "ok", "open", value, at)

    def crashed(self, process: str, point: str, at: float) -> None:
        """Record that a process died at this point."""
        self.inside.append(event("info", "crash", process, {"at": point}, at))

    def bought(self, result: LoadResult) -> None:
        """Record the purchases of a load. The result must have records."""
        for record in result.records:
            self._bought(result, record)

    def attempted(self, sale: str, attempts: Iterable[Event]) -> None:
        """Record attempts as returned by GET /sales/{sale}/attempts.

        Attempts name no customer. It is looked up in the bookings, which must be set before.
        """
        customers = {row["reservation_id"]: row["customer"] for row in self.bookings}
        for attempt in attempts:
            guards = str(attempt["guards"])
            if guards == "customer":
                guards = f"customer:{customers.get(attempt['reservation_id'], '')}"
            value = attempt | {"sale": sale, "guards": guards}
            recorded = event(
                "info", "attempt", str(attempt.get("process") or attempt["pod"]), value, attempt["read_at"]
            )
            self.inside.append(recorded | {"trace_id": attempt.get("trace_id")})

    def merge(self, other: "History") -> None:
        """Add the events of another history to this one."""
        self.exchanges += other.exchanges
        self.inside += other.inside
        self.bookings += other.bookings
        self.counters |= other.counters

    def lines(self) -> Iterator[str]:
        """Yield the history as JSON lines. The events of buyers are in the order of their times."""
        self.exchanges.sort(key=lambda exchange: exchange[:2])
        for _, _, line in self.exchanges:
            yield json.dumps(line)
        for line in self.inside:
            yield json.dumps(line)
        pages = [self.bookings[start : start + PAGE] for start in range(0, len(self.bookings), PAGE)]
        for page in pages:
            yield json.dumps(event("ok", "ledger-read", "race", {"bookings": page}, self._end))
        yield json.dumps(event("ok", "ledger-read", "race", {"counters": self.counters, "complete": True}, self._end))

    def verdict(self) -> Verdict:
        """Return what the check of this history finds, without the numbers of lines: it is in no file."""
        verdict = check(self.lines())
        for finding in verdict.findings:
            finding.sentence = LINE_NUMBER.sub("", finding.sentence)
            finding.evidence = [text for line in finding.evidence if (text := LINE_NUMBER.sub("", line))]
        return verdict

    @property
    def _end(self) -> float:
        return self.exchanges[-1][0] if self.exchanges else 0.0

    def _exchanged(self, process: str, type_: str, function: str, value: Event, at: float, **more: Any) -> None:
        rank = 0 if type_ == "invoke" else 1  # at the same time, requests come before answers
        self.exchanges.append((at, rank, event(type_, function, process, value, at) | more))

    def _bought(self, result: LoadResult, record: PurchaseRecord) -> None:
        plan = result.plan
        trace = {"trace_id": record.trace_id} if record.trace_id else {}
        request = {"sale": plan.sale, "customer": record.customer, "key": record.key, "quantity": plan.quantity}
        process = f"{plan.key_prefix}-{record.number}"
        self._exchanged(process, "invoke", "buy", request, record.sent_at, **trace)
        type_, value = answer_of(record)
        self._exchanged(
            process, type_, "buy", value | {"attempts": record.attempts}, record.sent_at + record.latency, **trace
        )


def answer_of(record: PurchaseRecord) -> tuple[str, Event]:
    """Return the type of the answer (`ok`, `fail`, or `info` if the outcome is unknown) and its value."""
    if record.outcome == ACCEPTED and record.reservation_id:
        round_ = ReservationId.parse(record.reservation_id).round
        return "ok", {"reservation_id": record.reservation_id, "round": round_, "replayed": record.replayed}
    unknown = record.status == 0 or (record.status >= 500 and record.outcome != CONTENTION)
    return "info" if unknown else "fail", {"outcome": record.outcome}


def event(type_: str, function: str, process: str, value: Event, at: float) -> Event:
    """Return one line of a history, as a dictionary."""
    return {"process": process, "type": type_, "function": function, "value": value, "time": round(at, 6)}
