"""The rule of sold out: once a purchase is refused as sold out, no later one gets as many tickets.

This holds until tickets come back, are added, or a round begins.
"""

from dataclasses import dataclass, field

from app.races.history.findings import Anomaly, Findings
from app.races.history.operations import Bought, Buying

SOLD_OUT = "sold-out"


@dataclass(slots=True)
class Refusal:
    """The first refusal of a quantity since the last restock, and the later purchases that were accepted."""

    told: Bought
    accepted: list[Bought] = field(default_factory=list)
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

    def asked(self, buying: Buying) -> int | None:
        """Return the number of restocks that had begun before the purchase, or None while one is under way."""
        state = self._sales.get(buying.sale)
        return 0 if state is None else (None if state.under_way else state.restocks)

    def restock_begins(self, sale: str) -> None:
        state = self._sales.setdefault(sale, SaleState())
        state.restocks += 1
        state.under_way += 1
        state.refusals.clear()

    def restock_ends(self, sale: str) -> None:
        self._sales[sale].under_way -= 1

    def bought(self, told: Bought, begun_after: int | None) -> None:
        state = self._sales.setdefault(told.asked.sale, SaleState())
        if told.type == "ok":
            self._accepted(state, told)
        elif told.outcome == SOLD_OUT and told.type == "fail" and begun_after == state.restocks:
            state.refusals.setdefault(told.asked.quantity, Refusal(told))

    def _accepted(self, state: SaleState, told: Bought) -> None:
        if told.replayed:
            return  # it may have been decided before the refusal
        for quantity, refusal in state.refusals.items():
            if told.asked.invoked > refusal.told.completed:
                refusal.tickets += told.asked.quantity
                if len(refusal.accepted) < quantity:
                    refusal.accepted.append(told)
                if refusal.tickets >= quantity:
                    self._found(refusal, told)

    def _found(self, refusal: Refusal, told: Bought) -> None:
        quantity = refusal.told.asked.quantity
        later = [told] if told.asked.quantity >= quantity else [*refusal.accepted]
        self._findings.add(
            Anomaly.FALSE_SOLD_OUT,
            f"{told.asked.sale}: a purchase of {quantity} was refused as sold out, but later purchases got as many.",
            [refusal.told.told(), *(each.told() for each in later)],
        )

    def last_told(self, sale: str) -> dict[int, Bought]:
        """Return the first refused purchase of each quantity since the last restock."""
        state = self._sales.get(sale)
        return {} if state is None else {quantity: refusal.told for quantity, refusal in state.refusals.items()}
