"""Several reconcilers at once: one recounts a sale, and the others neither fence it nor recount it again."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.reconcile import repair as repair_module
from app.reconcile.recount import recount
from app.reconcile.recount_lock import recount_lock, recount_lock_held, take
from app.reconcile.repair import fence_and_recount
from tests.support.box_office import NAME, BoxOffice


async def test_of_two_recounts_at_once_one_opens_the_sale(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(4)
    await office.redis.delete(office.keys.sale)
    results = await asyncio.gather(*(office.reconcile(office.reconciler()) for _ in range(4)))
    assert sum(result.done for result in results) >= 1
    settled = await office.reconcile()
    assert settled.kind == "none"
    assert (await office.snapshot()).remaining == 6
    await office.drain()
    assert await office.sell_out("late") == 6


async def test_an_older_recount_that_is_overtaken_changes_nothing(office: BoxOffice) -> None:
    sale = await office.create(stock=10)
    newer = await office.raise_epoch()
    assert await recount(newer, office.gate, office.engine)
    await office.sell(4)
    assert await recount(sale, office.gate, office.engine) is None
    assert await recount(newer, office.gate, office.engine) is None
    assert (await office.snapshot()).remaining == 6


async def test_a_recount_under_way_is_left_alone_and_a_dead_one_is_not(office: BoxOffice) -> None:
    await office.create(stock=10)
    sale = await office.raise_epoch()
    async with recount_lock(office.engine, NAME, sale.epoch):
        assert await office.gate.seed(sale)
        assert not (await office.reconcile()).done
        assert (await office.sale()).epoch == sale.epoch
    assert (await office.reconcile()).done
    assert (await office.sale()).epoch == sale.epoch + 1


@pytest.mark.parametrize("step", ["fence", "snapshot"])
async def test_a_sale_recounted_by_another_is_neither_fenced_nor_recounted_again(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Another reconciler recounts it just before this step of one whose finding is from before."""
    await office.create(stock=10)
    await office.sell(4)
    await office.redis.delete(office.keys.sale)
    sale = await office.raise_epoch()
    observation, original = await office.observe(), getattr(office.gate, step)

    async def after_another(*arguments: Any) -> Any:
        monkeypatch.undo()
        assert await recount(sale, office.gate, office.engine)
        return await original(*arguments)

    monkeypatch.setattr(office.gate, step, after_another)
    assert await fence_and_recount(sale, observation, office.gate, office.engine) is None
    await assert_open(office, epoch=2, remaining=6)


async def test_a_sale_that_is_created_during_a_check_is_not_lost(office: BoxOffice) -> None:
    """The check began before the gate had the sale, and ended when it was open."""
    sale = await office.create(stock=10)
    observation = replace(await office.observe(), before=None)
    assert await fence_and_recount(sale, observation, office.gate, office.engine) is None
    await assert_open(office, epoch=1, remaining=10)


async def assert_open(office: BoxOffice, *, epoch: int, remaining: int) -> None:
    snapshot = await office.snapshot()
    assert (snapshot.epoch, snapshot.state, snapshot.remaining) == (epoch, "open", remaining)
    assert (await office.sale()).epoch == epoch


async def test_an_older_copy_that_comes_during_a_check_is_fenced_and_recounted(office: BoxOffice) -> None:
    """The check began when the gate had nothing, and ended when it had its state from before the last recount."""
    await office.create(stock=10)
    await office.sell(4)
    assert await recount(await office.raise_epoch(), office.gate, office.engine)
    await office.redis.hset(office.keys.sale, "epoch", 1)
    observation = replace(await office.observe(), before=None)
    assert await fence_and_recount(await office.sale(), observation, office.gate, office.engine)
    await assert_open(office, epoch=3, remaining=6)


async def test_a_finding_of_an_older_epoch_changes_nothing(office: BoxOffice) -> None:
    """The gate has nothing again, but the present epoch of the ledger may have been in use."""
    sale = await office.create(stock=10)
    await office.redis.delete(office.keys.sale)
    observation = await office.observe()
    assert await recount(await office.raise_epoch(), office.gate, office.engine)
    await office.redis.delete(office.keys.sale)
    assert await fence_and_recount(sale, observation, office.gate, office.engine) is None
    assert await office.gate.snapshot(NAME) is None
    assert (await office.sale()).epoch == 2
    assert (await office.reconcile()).done
    await assert_open(office, epoch=3, remaining=10)


async def test_a_reconciler_holds_the_lock_of_an_epoch_before_anybody_can_read_it(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = await office.create(stock=10)
    await office.redis.delete(office.keys.sale)
    observation = await office.observe()
    seen = []

    async def observed(*arguments: Any) -> bool:
        taken = await take(*arguments)
        seen.append(((await office.sale()).epoch, await recount_lock_held(office.engine, NAME, sale.epoch + 1)))
        return taken

    monkeypatch.setattr(repair_module, "take", observed)
    assert await fence_and_recount(sale, observation, office.gate, office.engine)
    assert seen == [(sale.epoch, True)]
    assert not await recount_lock_held(office.engine, NAME, sale.epoch + 1)


async def test_a_process_that_misses_the_answer_holds_no_lock(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = await office.create(stock=10)

    async def lost(*arguments: Any) -> bool:
        assert await take(*arguments)
        raise TimeoutError

    monkeypatch.setattr("app.reconcile.recount_lock.take", lost)
    with pytest.raises(TimeoutError):
        async with recount_lock(office.engine, NAME, sale.epoch + 1):
            pass
    assert not await recount_lock_held(office.engine, NAME, sale.epoch + 1)


async def test_an_epoch_that_a_process_still_knows_is_exceeded(office: BoxOffice) -> None:
    """Both stores went back. An API process knows epoch 7, and fences whatever is older."""
    await office.create(stock=10)
    assert await office.gate.fence(NAME, 7)
    assert await office.gate.fence(NAME, 1)  # by a reconciler that dies before it raises the epoch
    assert (await office.reconcile()).epoch == 8
    await assert_open(office, epoch=8, remaining=10)


async def test_a_booking_of_a_newer_epoch_is_exceeded(office: BoxOffice) -> None:
    """The ledger went back, and then a worker booked an order of a newer epoch."""
    await office.create(stock=10)
    await office.sell(1)
    (order,) = await office.orders_in_stream()
    await office.book([replace(order, epoch=5)])
    await office.redis.delete(office.keys.sale, office.keys.orders)
    assert (await office.reconcile()).epoch == 6
    assert (await office.reconcile()).kind == "none"
