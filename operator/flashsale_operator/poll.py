"""A cheap poll of all sales: how large their backlogs are, and which of them have changed since the last poll.

A poll costs one statement per page of sales and one small script per sale, whatever the load. It finds within 2 s what
a check would find within its interval: a counter that is gone, or a sale that sells.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto

from app.gate.replies import GateSnapshot
from app.sales.model import Sale
from app.sales.phase import phase
from flashsale_operator.resource.models import FlashSale
from flashsale_operator.scaling import Bounds, DesiredWorkers, desired_workers
from flashsale_operator.stores import Stores

PAGE = 500  # sales


class Moved(Enum):
    """How a sale has changed. `SOLD`: only in its counters. `CHANGED`: in something that purchases don't change."""

    SOLD = auto()
    CHANGED = auto()


@dataclass(frozen=True, slots=True)
class Seen:
    """All sales that are not removed, with their gate snapshots, as they were at one poll."""

    sales: Mapping[str, Sale]
    gates: Mapping[str, GateSnapshot | None]

    def moved(self, before: "Seen | None") -> dict[str, Moved]:
        """Return the sales that have changed since `before`, by name."""
        if before is None:
            return dict.fromkeys(self.sales, Moved.CHANGED)
        found = {}
        for name, sale in self.sales.items():
            was, now = before.gates.get(name), self.gates.get(name)
            if before.sales.get(name) != sale or _fixed(was) != _fixed(now):
                found[name] = Moved.CHANGED
            elif was != now:
                found[name] = Moved.SOLD
        return found

    def desired(self, resources: Mapping[str, FlashSale]) -> list[DesiredWorkers]:
        """Return the workers that each sale asks for. A sale without a resource has the default bounds."""
        now = datetime.now(UTC)
        return [
            desired_workers(
                name,
                phase(sale, None if gate is None else gate.as_counter(), now),
                0 if gate is None else gate.backlog,
                _bounds(resources.get(name)),
                opens_at=sale.terms.opens_at,
                now=now,
            )
            for name, sale in self.sales.items()
            for gate in (self.gates.get(name),)
        ]


async def poll(stores: Stores, installation: str) -> Seen:
    """Read all sales. Raise TemporarilyUnavailable if a store is away or now belongs to another installation."""
    await stores.gate.claim(installation)
    sales: dict[str, Sale] = {}
    after = ""
    while page := await stores.sales.active(after, PAGE):
        sales |= {sale.name: sale for sale in page}
        after = page[-1].name
        if len(page) < PAGE:
            break
    gated = [name for name, sale in sales.items() if _has_gate(stores, sale)]
    return Seen(sales, dict(zip(gated, await stores.gate.snapshots(gated), strict=True)))


def _has_gate(stores: Stores, sale: Sale) -> bool:
    strategy = stores.strategies.get(sale.terms.strategy)
    return strategy is not None and strategy.sells_at_gate


def _fixed(gate: GateSnapshot | None) -> GateSnapshot | None:
    """Return the snapshot without the counters that every purchase changes."""
    return None if gate is None else replace(gate, remaining=0, backlog=0, accepted=0, last_entry="")


def _bounds(flashsale: FlashSale | None) -> Bounds:
    if flashsale is None:
        return Bounds()
    workers = flashsale.spec.workers
    return Bounds(workers.min, workers.max, workers.backlog_per_worker)
