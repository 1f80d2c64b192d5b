"""A cheap poll of all sales: how large their backlogs are, and which of them have changed since the last poll.

A poll costs one statement, another one per page of sales and one small script per sale, whatever the load. It finds
within 2 s what a check would find within its interval: a counter that is gone, a sale that sells, or another server in
the ledger's place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from app.gate.replies import GateSnapshot
from app.ledger.incarnation import ledger_incarnation
from app.sales.model import Sale
from app.sales.phase import phase
from flashsale_operator.resource.models import FlashSale, WorkersSpec
from flashsale_operator.scaling import DesiredWorkers, desired_workers
from flashsale_operator.stores import Stores

PAGE = 500  # sales
COUNTERS: Mapping[str, Any] = {
    "remaining": 0,
    "backlog": 0,
    "accepted": 0,
    "written": 0,
    "written_orders": 0,
    "acknowledged": 0,
    "acknowledged_orders": 0,
    "last_entry": "",
}
"""The fields of a snapshot that purchases and their bookings change, with the values that replace them."""


class Change(Enum):
    """How a sale has changed. `COUNTERS`: only in what purchases change. `STATE`: in something else."""

    COUNTERS = auto()
    STATE = auto()


@dataclass(frozen=True, slots=True)
class PollResult:
    """All sales that are not removed, with their gate snapshots, and the ledger's incarnation, all as of one poll."""

    sales: Mapping[str, Sale]
    gates: Mapping[str, GateSnapshot | None]
    incarnation: str

    def changes_since(self, before: "PollResult | None") -> dict[str, Change]:
        """Return the sales that have changed since `before`, by name; all of them if it is None.

        All have changed as well if the ledger's server has: it may lack what the sales had committed.
        """
        if before is None or before.incarnation != self.incarnation:
            return dict.fromkeys(self.sales, Change.STATE)
        changes = {}
        for name, sale in self.sales.items():
            was, now = before.gates.get(name), self.gates.get(name)
            if before.sales.get(name) != sale or _without_counters(was) != _without_counters(now):
                changes[name] = Change.STATE
            elif was != now:
                changes[name] = Change.COUNTERS
        return changes

    def desired(self, resources: Mapping[str, FlashSale]) -> list[DesiredWorkers]:
        """Return the workers that each sale asks for. A sale without a resource has the default `spec.workers`."""
        now = datetime.now(UTC)
        return [
            desired_workers(
                name,
                phase(sale, None if gate is None else gate.as_counter(), now),
                0 if gate is None else gate.backlog,
                resources[name].spec.workers if name in resources else WorkersSpec(),
                opens_at=sale.terms.opens_at,
                now=now,
            )
            for name, sale in self.sales.items()
            for gate in (self.gates.get(name),)
        ]


async def poll(stores: Stores, installation: str) -> PollResult:
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
    gates = dict(zip(gated, await stores.gate.snapshots(gated), strict=True))
    return PollResult(sales, gates, await ledger_incarnation(stores.engine))


def _has_gate(stores: Stores, sale: Sale) -> bool:
    strategy = stores.strategies.get(sale.terms.strategy)
    return strategy is not None and strategy.sells_at_gate


def _without_counters(gate: GateSnapshot | None) -> GateSnapshot | None:
    """Return the snapshot without the counters that every purchase changes."""
    return None if gate is None else replace(gate, **COUNTERS)
