"""One sale of a resource on real stores, whose operator, buyers and drain go on step by step."""

from dataclasses import dataclass, field, replace
from typing import Any

from app.reconcile.classify import Kind
from app.reconcile.reconciler import Reconciler
from app.sales.phase import Phase
from app.settings import ReconcileSettings, SaleSettings
from app.strategies.registry import STRATEGIES
from flashsale_operator.observed import Observed, ObservedWorkers
from flashsale_operator.resource.models import FlashSale
from flashsale_operator.sale_sync import SaleSync
from flashsale_operator.stores import Stores
from tests.flashsale_operator.stand_in_kube import StandInKube
from tests.support.box_office import BoxOffice

STOCK = 10
THINK_MS = 70


@dataclass
class Story:
    """One sale with its user, an operator that may die between any two steps, buyers and a drain."""

    stores: Stores
    office: BoxOffice
    kube: StandInKube = field(default_factory=StandInKube)
    think_ms: int = THINK_MS
    uids: int = 0
    buyers: int = 0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Replace the operator's process, so that its memory is lost."""
        reconciler = Reconciler(self.stores.engine, self.stores.gate, STRATEGIES, ReconcileSettings())
        self.sync = SaleSync(
            replace(self.stores, drift_reconciler=reconciler), self.kube, SaleSettings(think_ms=self.think_ms)
        )

    def apply(self, **spec: Any) -> None:
        if not (before := self.kube.resource):
            self.uids += 1
            uid = f"uid-{self.uids}"
            before = {
                "metadata": {"name": "drop", "namespace": "shop", "uid": uid, "generation": 0},
                "spec": {"strategy": "atomic", "stock": STOCK},
            }
        metadata = before["metadata"] | {"generation": before["metadata"]["generation"] + 1}
        self.kube.resource = {"metadata": metadata, "spec": before["spec"] | spec}

    @property
    def resource(self) -> FlashSale:
        return FlashSale.model_validate(self.kube.resource)

    @property
    def spec(self) -> Any:
        return self.resource.spec

    async def delete(self) -> None:
        gone, self.kube.resource = self.resource, {}
        sale = await self.stores.sales.get("drop")
        for uid in {gone.metadata.uid, sale.owner_uid if sale and sale.owner_uid else ""}:  # the list misses both
            await self.sync.end("drop", uid)

    async def reconcile(self) -> Observed:
        return await self.sync.sync_managed(self.resource, ObservedWorkers(), check=True)

    async def buy(self, tickets: int) -> None:
        for _ in range(tickets):
            self.buyers += 1
            await self.office.try_to_buy(f"buyer-{self.buyers}")

    async def settle(self) -> Observed:
        """Book everything that waits, and reconcile three times, so that a drift can be found twice."""
        for _ in range(3):
            await self.office.drain()
            observed = await self.reconcile()
        return observed


async def as_declared(story: Story) -> None:
    """Settle, and assert that the sale matches its resource and that its identity holds."""
    observed = await story.settle()
    sale, snapshot = await story.office.sale(), await story.office.snapshot()
    tally = await story.office.sales.tally("drop", sale.round)
    assert tally.booked + snapshot.remaining == tally.stock == snapshot.stock == story.spec.stock
    assert (snapshot.backlog, snapshot.epoch, snapshot.round) == (0, sale.epoch, sale.round)
    assert observed.check is not None
    assert observed.check.kind is Kind.NONE
    assert observed.view is not None
    selling = Phase.OPEN if snapshot.remaining else Phase.SOLD_OUT
    assert observed.view.phase is (Phase.PAUSED if story.spec.paused else selling)
