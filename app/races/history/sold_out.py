"""Sold out means sold out: who asks later gets none either, until tickets come back, are added, or a round begins."""

from dataclasses import dataclass, field

from app.races.history.findings import Anomaly, Findings
from app.races.history.operations import Bought, Buying

SOLD_OUT = "sold-out"


@dataclass(slots=True)
class Refusal:
    """The first buyer of a quantity who was told since tickets last came; and who asked later and got some."""

    told: Bought
    accepted: list[Bought] = field(default_factory=list)
    tickets: int = 0


@dataclass(slots=True)
class Shop:
    """One sale. `restocks` counts how often tickets began to come; `under_way` how many of them are not done."""

    restocks: int = 0
    under_way: int = 0
    refusals: dict[int, Refusal] = field(default_factory=dict)  # by quantity


class SoldOut:
    """Fed in the order of time. A restock that may have happened between the two explains everything."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._shops: dict[str, Shop] = {}

    def asked(self, buying: Buying) -> int | None:
        """The restock that the purchase began after; None while one is under way."""
        shop = self._shops.get(buying.sale)
        return 0 if shop is None else (None if shop.under_way else shop.restocks)

    def restock_begins(self, sale: str) -> None:
        shop = self._shops.setdefault(sale, Shop())
        shop.restocks += 1
        shop.under_way += 1
        shop.refusals.clear()

    def restock_ends(self, sale: str) -> None:
        self._shops[sale].under_way -= 1

    def bought(self, told: Bought, begun_after: int | None) -> None:
        shop = self._shops.setdefault(told.asked.sale, Shop())
        if told.type == "ok":
            self._accepted(shop, told)
        elif told.outcome == SOLD_OUT and told.type == "fail" and begun_after == shop.restocks:
            shop.refusals.setdefault(told.asked.quantity, Refusal(told))

    def _accepted(self, shop: Shop, told: Bought) -> None:
        if told.replayed:
            return  # it may have been decided before
        for quantity, refusal in shop.refusals.items():
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
            f"{told.asked.sale}: sold out was told for {quantity}, and who asked later got as many.",
            [refusal.told.told(), *(each.told() for each in later)],
        )

    def last_told(self, sale: str) -> dict[int, Bought]:
        """Who was told so last, by quantity, with no restock since."""
        shop = self._shops.get(sale)
        return {} if shop is None else {quantity: refusal.told for quantity, refusal in shop.refusals.items()}
