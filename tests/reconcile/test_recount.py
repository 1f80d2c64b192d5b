"""A recount makes Redis follow the ledger from any state, and may die at any step."""

from collections.abc import Callable
from typing import Any

import pytest

from app.gate.gate import Gate
from app.gate.replies import GateSnapshot, GateUnavailable
from app.reconcile import recount as recount_module
from app.reconcile.recount import PAGE, recount
from app.reconcile.stream_backlog import read_backlog
from app.sales.outcomes import CustomerLimitReached, Reserved, SoldOut
from tests.support.box_office import NAME, BoxOffice


async def recounted(office: BoxOffice) -> GateSnapshot:
    """Recount the sale under a newer epoch, and return the gate's snapshot afterwards."""
    assert await recount(await office.raise_epoch(), office.gate, office.engine)
    return await office.snapshot()


async def test_a_fresh_sale_opens_with_its_stock(office: BoxOffice) -> None:
    await office.create(stock=10)
    seen = await office.snapshot()
    assert (seen.state, seen.remaining, seen.backlog, seen.epoch) == ("open", 10, 0, 1)


async def test_a_fresh_sale_takes_as_many_commands_for_ten_million_tickets_as_for_ten(office: BoxOffice) -> None:
    async def commands() -> int:
        return int((await office.redis.info("stats"))["total_commands_processed"])

    await office.create()
    costs = []
    for stock in (10, 10_000_000):
        sale = await office.sales.next_round(NAME, stock)
        before = await commands()
        assert await recount(sale, office.gate, office.engine)
        costs.append(await commands() - before)
    assert (await office.snapshot()).remaining == 10_000_000
    assert costs[0] == costs[1] < 25


async def test_what_is_booked_and_what_waits_are_both_counted_once(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(7)
    await office.drain(3)
    await office.book(await office.orders_in_stream(2))  # committed and not acknowledged, so that both stores have them
    result = await recount(await office.raise_epoch(), office.gate, office.engine)
    assert result is not None
    assert len(result.in_stream) == 4
    seen = await office.snapshot()
    assert (await office.booked(), seen.remaining, seen.backlog) == (5, 3, 4)
    assert await office.sell_out("late") == 3
    await office.drain()
    assert await office.booked() == 10
    assert (await office.snapshot()).backlog == 0


async def test_setting_remaining_to_stock_less_booked_sells_the_backlog_twice(office: BoxOffice) -> None:
    """The control: a recount must not do this while orders are in flight."""
    await office.create(stock=10)
    await office.sell(7)
    await office.redis.hset(office.keys.sale, "remaining", 10 - await office.booked())
    assert 7 + await office.sell_out("late") == 17


async def test_answers_and_limits_are_rebuilt_over_several_pages(office: BoxOffice) -> None:
    await office.create(stock=3 * PAGE, customer_limit=1)
    bought = {}
    for number in range(PAGE + 5):
        outcome = await office.buy(f"c{number}")
        assert isinstance(outcome, Reserved)
        bought[f"c{number}"] = outcome.reservation
    await office.drain(PAGE + 2)
    await office.redis.delete(office.keys.sale, office.keys.answers(1), office.keys.customers(1))
    assert (await recounted(office)).remaining == 3 * PAGE - (PAGE + 5)
    for customer in ("c0", f"c{PAGE + 4}"):
        again = await office.buy(customer)
        assert isinstance(again, Reserved)
        assert (again.reservation, again.replayed) == (bought[customer], True)
        assert await office.buy(customer, key="another") == CustomerLimitReached(held=1, limit=1)


async def test_without_its_answers_a_seeded_sale_gives_a_second_ticket(office: BoxOffice) -> None:
    """The control: seeding only the right number of tickets."""
    await office.create(stock=10)
    (first,) = await office.sell(1)
    await office.drain()
    await office.redis.delete(office.keys.sale, office.keys.answers(1))
    sale = await office.raise_epoch()
    assert await office.gate.seed(sale)
    assert await office.gate.open(sale, remaining=9, backlog=0)
    again = await office.buy("buyer-0")
    assert isinstance(again, Reserved)
    assert again.reservation != first


async def test_an_order_set_aside_is_owed_once_while_it_is_in_the_stream_too(office: BoxOffice) -> None:
    await office.create(stock=10)
    (bought,) = await office.sell(1)
    (order,) = await office.orders_in_stream()
    await office.set_aside(order)
    assert (await recounted(office)).remaining == 9
    await office.acknowledge([order])
    assert (await recounted(office)).remaining == 9
    assert (await office.add_up()).missing == 0
    again = await office.buy("buyer-0")
    assert isinstance(again, Reserved)
    assert (again.reservation, again.replayed) == (bought, True)


async def test_more_promised_than_there_is_leaves_nothing_to_sell(office: BoxOffice) -> None:
    await office.create(stock=3)
    await office.sell(3)
    await office.redis.hset(office.keys.sale, "remaining", 2)
    await office.sell(2, "too-many")
    assert (await recounted(office)).remaining == 0
    assert (await office.add_up()).missing == -2
    assert await office.buy("late") == SoldOut(0)


async def test_the_backlog_is_exact_though_the_drain_works_behind_the_fence(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.create(stock=10)
    await office.sell(6)

    async def drained_after(*arguments: Any, **options: Any) -> Any:
        waiting = await read_backlog(*arguments, **options)
        await office.drain(4)
        return waiting

    monkeypatch.setattr(recount_module, "read_backlog", drained_after)
    seen = await recounted(office)
    assert (seen.remaining, seen.backlog) == (4, 2)
    await office.drain()
    assert (await office.snapshot()).backlog == 0


async def test_a_backlog_counted_before_those_acknowledgements_never_comes_down(office: BoxOffice) -> None:
    """The control: the sale is opened with the counted backlog, although orders have left the stream since."""
    await office.create(stock=10)
    await office.sell(6)
    sale = await office.raise_epoch()
    assert await office.gate.seed(sale)
    await office.drain(4)
    assert not await office.gate.open(sale, remaining=4, backlog=6, entries=6)
    assert await office.gate.open(sale, remaining=4, backlog=6)
    await office.drain()
    assert (await office.snapshot()).backlog == 4


class Died(Exception):
    """A process has died. This stands for a SIGKILL at this line, after which nothing runs."""


def dies_after(gate: Gate, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method: Callable[..., Any] = getattr(gate, step)

    async def last(*arguments: Any, **options: Any) -> Any:
        await method(*arguments, **options)
        raise Died(step)

    monkeypatch.setattr(gate, step, last)


@pytest.mark.parametrize("step", ["fence", "seed", "restore"])
async def test_a_death_on_the_way_leaves_a_fenced_sale_that_the_next_check_repairs(
    office: BoxOffice, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.create(stock=10)
    await office.sell(5)
    await office.drain(2)
    await office.redis.hset(office.keys.sale, "server", "another")  # as after a failover
    dies_after(office.gate, step, monkeypatch)
    with pytest.raises(Died):
        await office.reconcile()
    monkeypatch.undo()
    assert (await office.snapshot()).state == "fenced"
    assert (await office.try_to_buy("meanwhile")).result in ("fenced", "moved", "behind")
    assert (await office.reconcile()).done
    assert (await office.snapshot()).remaining == 5
    assert await office.sell_out("late") == 5
    await office.drain()
    assert await office.booked() == 10


async def test_dying_between_the_raise_and_the_seed_is_found_as_well(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(5)
    await office.raise_epoch()
    assert (await office.try_to_buy("meanwhile")).result == "behind"
    assert (await office.reconcile()).done
    assert (await office.snapshot()).remaining == 5


async def test_a_store_that_goes_away_raises_its_own_error(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.create(stock=10)

    async def away(*_: Any, **__: Any) -> None:
        raise GateUnavailable("away")

    monkeypatch.setattr(office.gate, "restore", away)
    with pytest.raises(GateUnavailable):
        await recount(await office.raise_epoch(), office.gate, office.engine)
    monkeypatch.undo()
    assert (await office.reconcile()).done


async def test_a_ledger_from_an_older_copy_overtakes_the_gate_in_one_step(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.redis.hset(office.keys.sale, "epoch", 10**12)
    assert (await office.reconcile()).done
    assert (await office.sale()).epoch == (await office.snapshot()).epoch == 10**12 + 1


async def test_a_second_raise_on_one_finding_changes_nothing(office: BoxOffice) -> None:
    await office.create(stock=10)
    raised = [await office.sales.raise_epoch(NAME, 1, beyond=7) for _ in range(2)]
    assert [sale.epoch for sale in raised] == [8, 8]
