"""Turns of the drain: the orders that it reads, books and acknowledges, and the state that a failure leaves."""

import asyncio
from typing import Any

import pytest

from app.drain.drain import Drain, Drained
from app.drain.stream import OrderStream
from app.gate.keys import GROUP
from tests.drain.conftest import MakeDrain
from tests.drain.deaths import AcknowledgesFirst, WorkerDied
from tests.support.sale_stream import SaleStream


async def die(*_: Any, **__: Any) -> Drained:
    raise WorkerDied


class DiesBeforeTheCommit(Drain):
    settle = die


class DiesOnceAcknowledged(AcknowledgesFirst, DiesBeforeTheCommit):
    """A drain that acknowledges its orders and then dies before it writes them to the ledger."""


async def test_a_turn_drains_the_stream_in_batches(sale_stream: SaleStream, make_drain: MakeDrain) -> None:
    await sale_stream.open(10)
    await sale_stream.orders(13)
    drained = await make_drain(batch_orders=5).sale(sale_stream.name, 10)
    assert drained == Drained(orders=13, booked=10, rejected=3)
    assert (
        await sale_stream.booked(),
        await sale_stream.backlog(),
        await sale_stream.length(),
        await sale_stream.pending(),
    ) == (10, 0, 0, 0)


async def test_a_turn_without_time_does_one_batch_and_reports_that_there_is_more(
    sale_stream: SaleStream, make_drain: MakeDrain
) -> None:
    await sale_stream.open(10)
    await sale_stream.orders(7)
    drain = make_drain(batch_orders=5)
    assert await drain.sale(sale_stream.name, 0) == Drained(orders=5, booked=5, more=True)
    assert await drain.sale(sale_stream.name, 10) == Drained(orders=2, booked=2)


async def test_a_drain_that_stops_finishes_its_batch(sale_stream: SaleStream, make_drain: MakeDrain) -> None:
    await sale_stream.open(10)
    await sale_stream.orders(7)
    drain = make_drain(batch_orders=5)
    drain.stopping.set()
    assert (await drain.sale(sale_stream.name, 10)).orders == 5
    assert await sale_stream.pending() == 0


async def test_a_sale_without_a_stream_is_nothing_to_do_and_makes_no_key(
    sale_stream: SaleStream, make_drain: MakeDrain
) -> None:
    await sale_stream.open(10)
    assert await make_drain().sale(sale_stream.name, 10) == Drained()
    assert not await sale_stream.redis.exists(sale_stream.keys.orders)


async def test_a_forgotten_group_is_read_again_from_the_beginning(
    sale_stream: SaleStream, make_drain: MakeDrain
) -> None:
    await sale_stream.open(10)
    drain = make_drain()
    await sale_stream.orders(2)
    await drain.sale(sale_stream.name, 10)
    await sale_stream.orders(3)
    await sale_stream.redis.xgroup_destroy(sale_stream.keys.orders, GROUP)
    assert (await drain.sale(sale_stream.name, 10)).booked == 3
    assert await sale_stream.booked() == 5


async def test_what_a_dead_worker_left_is_claimed_and_booked_once(
    sale_stream: SaleStream, make_drain: MakeDrain
) -> None:
    await sale_stream.open(10)
    await sale_stream.orders(3)
    with pytest.raises(WorkerDied):
        await make_drain("dead", kind=DiesBeforeTheCommit).sale(sale_stream.name, 10)
    assert (await sale_stream.pending(), await sale_stream.backlog(), await sale_stream.statuses()) == (3, 3, {})
    assert (await make_drain("alive").sale(sale_stream.name, 10)).booked == 3
    assert (await sale_stream.booked(), await sale_stream.backlog(), await sale_stream.length()) == (3, 0, 0)


async def test_acknowledged_before_the_commit_the_same_death_loses_the_orders(
    sale_stream: SaleStream, make_drain: MakeDrain
) -> None:
    await sale_stream.open(10)
    await sale_stream.orders(3)
    with pytest.raises(WorkerDied):
        await make_drain("dead", kind=DiesOnceAcknowledged).sale(sale_stream.name, 10)
    assert (await make_drain("alive").sale(sale_stream.name, 10)).orders == 0
    # Three tickets are lost: no order for them is left.
    assert (await sale_stream.booked(), await sale_stream.length()) == (0, 0)


async def test_booked_but_not_acknowledged_is_only_acknowledged(
    sale_stream: SaleStream, make_drain: MakeDrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sale_stream.open(10)
    await sale_stream.orders(3)
    with monkeypatch.context() as dying:
        dying.setattr(OrderStream, "acknowledge", die)
        with pytest.raises(WorkerDied):
            await make_drain("dead").sale(sale_stream.name, 10)
    assert (await sale_stream.booked(), await sale_stream.backlog()) == (3, 3)
    assert await make_drain("alive").sale(sale_stream.name, 10) == Drained(orders=3)
    assert (await sale_stream.booked(), await sale_stream.backlog(), await sale_stream.length()) == (3, 0, 0)


async def test_after_a_failed_turn_the_same_consumer_begins_with_its_own_entries(
    sale_stream: SaleStream, make_drain: MakeDrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer does not wait for the time after which others may claim its entries."""
    await sale_stream.open(10)
    first, *_ = await sale_stream.orders(3)
    drain = make_drain(claim_idle_seconds=600)
    with monkeypatch.context() as failing:
        failing.setattr(drain, "settle", die)
        with pytest.raises(WorkerDied):
            await drain.sale(sale_stream.name, 10)
    await sale_stream.redis.xdel(sale_stream.keys.orders, first.entry)  # from here on the consumer knows only its id
    assert await drain.sale(sale_stream.name, 10) == Drained(orders=2, booked=2)
    assert await sale_stream.pending() == 0


async def test_two_workers_share_a_stream(sale_stream: SaleStream, make_drain: MakeDrain) -> None:
    await sale_stream.open(100)
    await sale_stream.orders(120)
    turns = [
        make_drain(name, batch_orders=7, claim_idle_seconds=5).sale(sale_stream.name, 10) for name in ("one", "two")
    ]
    drained = await asyncio.gather(*turns)
    assert sum(turn.orders for turn in drained) == 120
    assert all(turn.orders for turn in drained)
    assert await sale_stream.booked() == 100


async def test_two_calls_of_one_process_take_turns(sale_stream: SaleStream, make_drain: MakeDrain) -> None:
    await sale_stream.open(100)
    await sale_stream.orders(50)
    drain = make_drain(batch_orders=5)
    drained = await asyncio.gather(drain.sale(sale_stream.name, 10), drain.sale(sale_stream.name, 10))
    assert sorted(turn.orders for turn in drained) == [0, 50]
    assert await sale_stream.booked() == 50
