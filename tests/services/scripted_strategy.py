"""A strategy whose answers a test decides. It stands in for a whole strategy, not for a store."""

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from app.errors import TemporarilyUnavailable
from app.sales.model import Purchase, ReservationId, Sale
from app.sales.outcomes import Outcome, SoldOut
from app.sales.strategy import AcceptedIn, Snapshot


class ScriptedStrategy:
    """A strategy that is `away` if a test says so, answers with the test's snapshots, and keeps what it was asked."""

    name: ClassVar[str] = "scripted"
    promises_exactness: ClassVar[bool] = True
    sells_at_gate: ClassVar[bool] = True
    keeps_limit: ClassVar[bool] = True
    accepted_in: ClassVar[AcceptedIn] = AcceptedIn.STREAM

    def __init__(self) -> None:
        self.away = False
        self.snapshots: list[Snapshot | None] = []  # answered one after another; the last one is repeated
        self.prepared: list[Sale] = []
        self.bought: list[Purchase] = []
        self.pending: set[ReservationId] = set()
        self.while_asked_for_pending: Callable[[], Awaitable[object]] | None = None

    async def buy(self, purchase: Purchase) -> Outcome:
        self.bought.append(purchase)
        return SoldOut(0)

    async def prepare(self, sale: Sale) -> None:
        self._reach()
        self.prepared.append(sale)

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        self._reach()
        if not self.snapshots:
            return counter(round=sale.round, epoch=sale.epoch, stock=sale.terms.stock, remaining=sale.terms.stock)
        return self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]

    async def is_pending(self, reservation: ReservationId) -> bool:
        self._reach()
        if self.while_asked_for_pending is not None:
            await self.while_asked_for_pending()
        return reservation in self.pending

    async def close(self) -> None:
        return None

    def _reach(self) -> None:
        if self.away:
            raise TemporarilyUnavailable("The counter is away.")


def counter(**other: Any) -> Snapshot:
    """Return the snapshot of a counter with ten tickets, none of them sold, with `other` in place of these defaults."""
    return Snapshot(**{"round": 1, "epoch": 1, "stock": 10, "remaining": 10, "backlog": 0, **other})
