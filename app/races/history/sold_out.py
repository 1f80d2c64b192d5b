"""The rule of sold out: once a purchase is refused as sold out, later ones get fewer tickets than it asked for.

This holds until tickets come back, are added, or a round begins.
"""

from dataclasses import dataclass, field

from app.races.history.findings import Anomaly, Findings
from app.races.history.operations import Completion, Invocation

SOLD_OUT = "sold-out"


@dataclass(slots=True)
class Refusal:
    """The first refusal of a quantity since the last restock, and the later purchases that were accepted."""

    first: Completion
    accepted: list[Completion] = field(default_factory=list)
    tickets: int = 0


@dataclass(slots=True)
class SaleState:
    """The state of one sale.

    `restocks`: how many restocks have begun.
    `under_way`: how many of them have not ended.
    `refusals`: by quantity.
    """

    restocks: int = 0
    under_way: int = 0
    refusals: dict[int, Refusal] = field(default_factory=dict)


class SoldOut:
    """Receives the events in the order of time. A restock between refusal and acceptance explains both."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._sales: dict[str, SaleState] = {}

    def invoked(self, invocation: Invocation) -> int | None:
        """Return the number of restocks that had begun before the purchase, or None while one is under way."""
        state = self._sales.get(invocation.sale)
        return 0 if state is None else (None if state.under_way else state.restocks)

    def restock_begins(self, sale: str) -> None:
        state = self._sales.setdefault(sale, SaleState())
        state.restocks += 1
        state.under_way += 1
        state.refusals.clear()

    def restock_ends(self, sale: str) -> None:
        self._sales[sale].under_way -= 1

    def completed(self, completion: Completion, restocks_before: int | None) -> None:
        state = self._sales.setdefault(completion.invocation.sale, SaleState())
        if completion.type == "ok":
            self._accepted(state, completion)
        elif completion.outcome == SOLD_OUT and completion.type == "fail" and restocks_before == state.restocks:
            state.refusals.setdefault(completion.invocation.quantity, Refusal(completion))

    def _accepted(self, state: SaleState, completion: Completion) -> None:
        if completion.replayed:
            return  # it may have been decided before the refusal
        for quantity, refusal in state.refusals.items():
            if completion.invocation.invoked > refusal.first.completed:
                refusal.tickets += completion.invocation.quantity
                if len(refusal.accepted) < quantity:
                    refusal.accepted.append(completion)
                if refusal.tickets >= quantity:
                    self._report(refusal, completion)

    def _report(self, refusal: Refusal, completion: Completion) -> None:
        sale, quantity = completion.invocation.sale, refusal.first.invocation.quantity
        later = [completion] if completion.invocation.quantity >= quantity else [*refusal.accepted]
        self._findings.add(
            Anomaly.FALSE_SOLD_OUT,
            f"{sale}: a purchase of {quantity} was refused as sold out, but later purchases got as many.",
            [refusal.first.describe(), *(purchase.describe() for purchase in later)],
        )

    def refused_of(self, sale: str) -> dict[int, Completion]:
        """Return the first refused purchase of each quantity since the last restock."""
        state = self._sales.get(sale)
        return {} if state is None else {quantity: refusal.first for quantity, refusal in state.refusals.items()}
