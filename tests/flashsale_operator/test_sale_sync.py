"""The sync of one sale on real stores. After any changes and faults the sale ends as its resource declares it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.settings import SaleSettings
from flashsale_operator.observed import ObservedWorkers
from flashsale_operator.sale_sync import ResourceGone, desired_by
from tests.flashsale_operator.story import STOCK, THINK_MS, Story, as_declared


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
