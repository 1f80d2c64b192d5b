"""The sync of one sale on real stores. After any changes and faults the sale ends as its resource declares it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.reconcile.classify import Kind
from app.reconcile.decide import Action
from app.reconcile.rebook import Rebooked
from app.reconcile.reconciler import Reconciler
from app.sales.phase import Phase
from app.settings import ReconcileSettings, SaleSettings
from app.strategies.registry import STRATEGIES
from flashsale_operator.conditions import condition_of
from flashsale_operator.events import events
from flashsale_operator.observed import Observed, ObservedWorkers
from flashsale_operator.resource.models import ConditionType, FlashSale, FlashSaleStatus
from flashsale_operator.sale_sync import ResourceGone, SaleSync, desired_by
from flashsale_operator.status import status_of
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


async def reconcile(story: Story, _: int) -> None:
    await story.reconcile()


async def buy(story: Story, tickets: int) -> None:
    await story.buy(tickets)


async def drain(story: Story, orders: int) -> None:
    await story.office.drain(orders + 1)


async def restart(story: Story, _: int) -> None:
    story.restart()


async def half_followed(story: Story, _: int) -> None:
    """The operator dies after it has changed the ledger and before it changes the gate."""
    seen = await story.stores.sales.get("drop")
    await story.stores.managed.follow(desired_by(story.resource, SaleSettings()), seen, guarded=True)
    story.restart()


async def grow(story: Story, tickets: int) -> None:
    story.apply(stock=story.spec.stock + tickets)


async def pause_or_resume(story: Story, _: int) -> None:
    story.apply(paused=not story.spec.paused)


async def limit(story: Story, tickets: int) -> None:
    story.apply(per_customer_limit=tickets or None)


async def next_round(story: Story, stock: int) -> None:
    story.apply(round=story.spec.round + 1, stock=1 + stock)


async def apply_again(story: Story, _: int) -> None:
    await story.delete()
    story.apply()


async def restored(story: Story, _: int) -> None:
    """The resource comes back with another uid, as a backup restores it. Its deletion was never observed."""
    await story.reconcile()
    stock, story.kube.resource = story.spec.stock, {}
    story.apply(stock=stock + 1)
    await story.reconcile()


async def forget_everything(story: Story, _: int) -> None:
    await story.office.redis.unlink(story.office.keys.sale, story.office.keys.orders)


async def forget_counters(story: Story, _: int) -> None:
    await story.office.redis.unlink(story.office.keys.sale)


async def leak(story: Story, tickets: int) -> None:
    seen = await story.office.gate.snapshot("drop")
    if seen is not None:
        await story.office.leak(min(tickets, seen.remaining))


async def fence(story: Story, _: int) -> None:
    await story.office.gate.fence("drop", 2**40)


STEPS = (
    reconcile, buy, drain, restart, half_followed, grow, pause_or_resume, limit, next_round, apply_again, restored,
    forget_everything, forget_counters, leak, fence,
)  # fmt: skip


@pytest.fixture
def story(stores: Stores, office: BoxOffice) -> Story:
    return Story(stores, office)


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


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 4)), max_size=14))
async def test_after_any_steps_the_sale_becomes_as_declared(story: Story, steps: list[tuple[Any, int]]) -> None:
    story.apply()
    await story.reconcile()
    for step, number in steps:
        await step(story, number)
    await as_declared(story)
    await story.delete()
    await story.office.drain()


async def test_a_deleted_resource_that_is_only_cached_starts_no_next_round(story: Story) -> None:
    story.apply()
    await story.reconcile()
    cached = story.resource
    await story.delete()
    with pytest.raises(ResourceGone):
        await story.sync.sync_managed(cached, ObservedWorkers(), check=True)
    story.apply()
    with pytest.raises(ResourceGone):
        await story.sync.sync_managed(cached, ObservedWorkers(), check=True)
    assert (await story.office.sale()).ended_at is not None
    await as_declared(story)
    assert (await story.office.sale()).round == 2


async def test_a_sale_without_a_pause_of_its_own_has_the_settings_of_the_rounds_start(story: Story) -> None:
    async def pause() -> int:
        await story.reconcile()
        return (await story.office.sale()).terms.think_ms

    story.apply()
    assert await pause() == THINK_MS
    story.think_ms = 900
    story.restart()
    story.apply(stock=STOCK + 1)
    assert await pause() == THINK_MS, "the terms of a running round have changed"
    story.apply(round=2)
    assert await pause() == 900
    story.apply(round=3, think_milliseconds=5)
    assert await pause() == 5
    story.apply(round=4, think_milliseconds=None)
    assert await pause() == 900


async def test_no_repair_sells_a_ticket_twice_as_the_obvious_one_does(story: Story) -> None:
    """Six tickets wait to be booked while a seventh has leaked."""
    for repair_obviously in (False, True):
        story.apply()
        await story.reconcile()
        await story.buy(6)
        await story.office.leak(1)
        await story.reconcile()
        await story.reconcile()
        if repair_obviously:
            remaining = STOCK - await story.office.booked()
            await story.office.redis.hset(story.office.keys.sale, "remaining", remaining)
        promised = 6 + await story.office.sell_out(f"late-{repair_obviously}")
        assert (promised > STOCK) is repair_obviously
        await story.delete()


@pytest.mark.parametrize("rebooks", [True, False])
async def test_orders_that_the_ledger_lost_are_booked_again_and_checked(
    story: Story, monkeypatch: pytest.MonkeyPatch, *, rebooks: bool
) -> None:
    """If the repair were not followed by another check, the status would go on saying that orders are missing."""
    if not rebooks:
        monkeypatch.setattr("flashsale_operator.sale_sync.REPAIRS", ())
    story.apply()
    await story.reconcile()
    await story.buy(5)
    await story.office.drain()
    async with story.stores.engine.begin() as ledger:
        lost = await ledger.execute(text("DELETE FROM bookings WHERE number > 2"))
        await ledger.execute(text("UPDATE inventory SET booked = booked - :lost"), {"lost": lost.rowcount})
    observed = await story.reconcile()
    status = status_of(FlashSaleStatus(), observed, 1, datetime.now(UTC))
    consistent = condition_of(status, ConditionType.LEDGER_CONSISTENT)
    assert consistent is not None
    assert observed.checks[0].rebooked == Rebooked(3, 3)
    assert "OrdersRebooked" in [event.reason for event in events(FlashSaleStatus(), status, observed)]
    assert status.stock is not None
    assert (status.stock.booked, status.stock.rebooked, status.stock.remaining) == (5, 3, 5)
    assert consistent.reason == ("Consistent" if rebooks else "OrdersMissing")


async def test_a_round_that_the_ledger_lost_is_stopped_until_its_resource_declares_it(story: Story) -> None:
    """Ledger and resource both went back to the round before. Redis has the later one, with three orders."""
    story.apply()
    await story.reconcile()
    story.apply(round=2)
    await story.reconcile()
    await story.buy(3)
    await story.office.drain()
    async with story.stores.engine.begin() as ledger:
        for lost in (
            "DELETE FROM bookings",
            "DELETE FROM inventory WHERE round = 2",
            "UPDATE sales SET round = 1, owner_round = 1, owner_generation = 1, generation = 0",
        ):
            await ledger.execute(text(lost))
    story.apply(round=1)
    stopped = await story.reconcile()
    assert [check.action for check in stopped.checks] == [Action.STOP]
    assert stopped.view is not None
    assert stopped.view.phase is Phase.DEGRADED
    status = status_of(FlashSaleStatus(), stopped, 1, datetime.now(UTC))
    for kind in (ConditionType.STOCK_SEEDED, ConditionType.LEDGER_CONSISTENT):
        condition = condition_of(status, kind)
        assert condition is not None
        assert condition.reason == "LedgerBehind"

    story.apply(round=2)
    goes_on = await story.reconcile()
    assert sum(check.rebooked.tickets for check in goes_on.checks) == 3
    await as_declared(story)
    assert await story.office.booked() == 3
