"""Purchases: the request of a process paired with its answer."""

from typing import NamedTuple

from app.races.history.events import Event, InvalidHistory, count_of, text_of


class Invocation(NamedTuple):
    """A purchase that waits for its answer. `invoked`: seconds."""

    line: int
    process: str
    sale: str
    customer: str
    key: str
    quantity: int
    invoked: float
    trace_id: str | None

    @property
    def name(self) -> str:
        """Return sale, customer and key, which make two requests one purchase. None of the three contains a blank."""
        return f"{self.sale} {self.customer} {self.key}"


class Completion(NamedTuple):
    """A purchase and its outcome.

    `type`: ok, fail or info.
    `outcome`: in the words of the API.
    `completed`: seconds.
    `reservation_id`, `round`: known if the type is ok.
    `sent_once`: whether the client sent one request only, so that no earlier request of this purchase can have won.
    """

    invocation: Invocation
    type: str
    outcome: str
    completed: float
    reservation_id: str
    round: int
    replayed: bool
    sent_once: bool

    def describe(self) -> str:
        """Return the purchase as a line of evidence."""
        asked = self.invocation
        request = f"{asked.process} asked for {asked.quantity} of {asked.sale} as {asked.customer}"
        answer = f"outcome {self.outcome} {self.reservation_id}".rstrip() + f" at {self.completed:.6f}"
        trace = f" (trace {asked.trace_id})" if asked.trace_id else ""
        return f"line {asked.line}: {request} at {asked.invoked:.6f}, {answer}{trace}"


def invocation_of(event: Event) -> Invocation:
    return Invocation(
        event.line,
        event.process,
        text_of(event, "sale"),
        text_of(event, "customer"),
        text_of(event, "key"),
        count_of(event, "quantity", 1),
        event.time,
        event.trace_id,
    )


def completion_of(invocation: Invocation, event: Event) -> Completion:
    value, accepted = event.value, event.type == "ok"
    if event.time < invocation.invoked:
        raise InvalidHistory(f"Line {event.line}: it ends before it began (line {invocation.line}).")
    trace_id = event.trace_id or invocation.trace_id
    return Completion(
        invocation if trace_id == invocation.trace_id else invocation._replace(trace_id=trace_id),
        event.type,
        "accepted" if accepted else str(value.get("outcome", "no answer")),
        event.time,
        text_of(event, "reservation_id") if accepted else "",
        count_of(event, "round", 1) if accepted else 0,
        value.get("replayed") is True,
        value.get("attempts", 1) == 1,
    )


def never_answered(invocation: Invocation) -> Completion:
    """Return the purchase as one of unknown outcome: the history ends before its answer."""
    return Completion(invocation, "info", "no answer", float("inf"), "", 0, replayed=False, sent_once=True)
