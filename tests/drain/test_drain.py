"""Turns of the drain: the orders that it reads, books and acknowledges, and the state that a failure leaves."""

import asyncio
from typing import Any

import pytest

from app.drain.drain import Drain, Drained
from app.drain.stream import OrderStream
from app.gate.keys import GROUP
from tests.drain.conftest import MakeDrain
from tests.drain.deaths import AcknowledgesFirst, WorkerDied
from tests.support.stall import Stall


async def die(*_: Any, **__: Any) -> Drained:
    raise WorkerDied


class DiesBeforeTheCommit(Drain):
    settle = die


class DiesOnceAcknowledged(AcknowledgesFirst, DiesBeforeTheCommit):
    """A drain that acknowledges its orders and then dies before it writes them to the ledger."""


async def test_a_turn_drains_the_stream_in_batches(stall: Stall, make_drain: MakeDrain) -> None:
    await stall.open(10)
    await stall.orders(13)
    drained = await make_drain(batch_orders=5).sale(stall.name, 10)
    assert drained == Drained(orders=13, booked=10, rejected=3)
    assert (await stall.booked(), await stall.backlog(), await stall.waiting(), await stall.pending()) == (10, 0, 0, 0)


async def test_a_turn_without_time_does_one_batch_and_reports_that_there_is_more(
    stall: Stall, make_drain: MakeDrain
) -> None:
    await stall.open(10)
    await stall.orders(7)
    drain = make_drain(batch_orders=5)
    assert await drain.sale(stall.name, 0) == Drained(orders=5, booked=5, more=True)
    assert await drain.sale(stall.name, 10) == Drained(orders=2, booked=2)


async def test_a_drain_that_stops_finishes_its_batch(stall: Stall, make_drain: MakeDrain) -> None:
    await stall.open(10)
    await stall.orders(7)
    drain = make_drain(batch_orders=5)
    drain.stopping.set()
    assert (await drain.sale(stall.name, 10)).orders == 5
    assert await stall.pending() == 0


async def test_a_sale_without_a_stream_is_nothing_to_do_and_makes_no_key(stall: Stall, make_drain: MakeDrain) -> None:
    await stall.open(10)
    assert await make_drain().sale(stall.name, 10) == Drained()
    assert not await stall.redis.exists(stall.keys.orders)


async def test_a_forgotten_group_is_read_again_from_the_beginning(stall: Stall, make_drain: MakeDrain) -> None:
    await stall.open(10)
    drain = make_drain()
    await stall.orders(2)
    await drain.sale(stall.name, 10)
    await stall.orders(3)
    await stall.redis.xgroup_destroy(stall.keys.orders, GROUP)
    assert (await drain.sale(stall.name, 10)).booked == 3
    assert await stall.booked() == 5


async def test_what_a_dead_worker_left_is_claimed_and_booked_once(stall: Stall, make_drain: MakeDrain) -> None:
    await stall.open(10)
    await stall.orders(3)
    with pytest.raises(WorkerDied):
        await make_drain("dead", kind=DiesBeforeTheCommit).sale(stall.name, 10)
    assert (await stall.pending(), await stall.backlog(), await stall.statuses()) == (3, 3, {})
    assert (await make_drain("alive").sale(stall.name, 10)).booked == 3
    assert (await stall.booked(), await stall.backlog(), await stall.waiting()) == (3, 0, 0)


async def test_acknowledged_before_the_commit_the_same_death_loses_the_orders(
    stall: Stall, make_drain: MakeDrain
) -> None:
    await stall.open(10)
    await stall.orders(3)
    with pytest.raises(WorkerDied):
        await make_drain("dead", kind=DiesOnceAcknowledged).sale(stall.name, 10)
    assert (await make_drain("alive").sale(stall.name, 10)).orders == 0
    assert (await stall.booked(), await stall.waiting()) == (0, 0)  # three tickets are lost: no order for them is left


async def test_booked_but_not_acknowledged_is_only_acknowledged(
    stall: Stall, make_drain: MakeDrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stall.open(10)
    await stall.orders(3)
    with monkeypatch.context() as dying:
        dying.setattr(OrderStream, "acknowledge", die)
        with pytest.raises(WorkerDied):
            await make_drain("dead").sale(stall.name, 10)
    assert (await stall.booked(), await stall.backlog()) == (3, 3)
    assert await make_drain("alive").sale(stall.name, 10) == Drained(orders=3)
    assert (await stall.booked(), await stall.backlog(), await stall.waiting()) == (3, 0, 0)


async def test_after_a_failed_turn_the_same_consumer_begins_with_its_own_entries(
    stall: Stall, make_drain: MakeDrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer does not wait for the time after which others may claim its entries."""
    await stall.open(10)
    first, *_ = await stall.orders(3)
    drain = make_drain(claim_idle_seconds=600)
    with monkeypatch.context() as failing:
        failing.setattr(drain, "settle", die)
        with pytest.raises(WorkerDied):
            await drain.sale(stall.name, 10)
    await stall.redis.xdel(stall.keys.orders, first.entry)  # from here on the consumer knows only its id
    assert await drain.sale(stall.name, 10) == Drained(orders=2, booked=2)
    assert await stall.pending() == 0


async def test_two_workers_share_a_stream(stall: Stall, make_drain: MakeDrain) -> None:
    await stall.open(100)
    await stall.orders(120)
    turns = [make_drain(name, batch_orders=7, claim_idle_seconds=5).sale(stall.name, 10) for name in ("one", "two")]
    drained = await asyncio.gather(*turns)
    assert sum(turn.orders for turn in drained) == 120
    assert all(turn.orders for turn in drained)
    assert await stall.booked() == 100


async def test_two_calls_of_one_process_take_turns(stall: Stall, make_drain: MakeDrain) -> None:
    await stall.open(100)
    await stall.orders(50)
    drain = make_drain(batch_orders=5)
    drained = await asyncio.gather(drain.sale(stall.name, 10), drain.sale(stall.name, 10))
    assert sorted(turn.orders for turn in drained) == [0, 50]
    assert await stall.booked() == 50
