"""The repairs of the reconciler, each made exactly once, and the recovery of a sale whose server lost data."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.connection import make_redis
from app.lab.stack.servers.valkey import ValkeyServer
from app.ledger.receipts import ReceiptRepository
from app.reconcile.decide import Action
from app.sales.acceptance import Acceptance
from app.sales.model import Purchase, ReservationId
from app.sales.outcomes import CustomerLimitReached, Reserved
from tests.support.box_office import NAME, BoxOffice
from tests.support.patience import PATIENT_GATE

MakeValkey = Callable[..., ValkeyServer]


@pytest.fixture
async def own_server(make_valkey: MakeValkey) -> ValkeyServer:
    """Return a server that the test may empty, kill and restart."""
    return make_valkey(appendfsync="always")


@pytest.fixture
async def own_office(own_server: ValkeyServer, engine: AsyncEngine) -> AsyncIterator[BoxOffice]:
    redis: Redis = make_redis(own_server.url, "test", PATIENT_GATE)
    yield BoxOffice(redis, "own", engine)
    await redis.aclose()


async def keep_receipts(office: BoxOffice, reservations: list[ReservationId]) -> None:
    """Write the receipts that an API process leaves in the ledger when it meets a fence."""
    sale = await office.sale()
    acceptances = [
        Acceptance(sale.epoch, number, reservation, Purchase(NAME, f"c{number}", "k", 1, reservation.nonce))
        for number, reservation in enumerate(reservations, start=1)
    ]
    await ReceiptRepository(office.engine).keep(acceptances)


async def test_a_leak_is_given_back_after_the_grace_period_and_once(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(2)
    await office.leak(3)
    reconciler = office.reconciler()
    first = await office.reconcile(reconciler)
    assert (first.kind, first.tickets, first.action) == ("leaked", 3, "observe")
    second = await office.reconcile(reconciler)
    assert (second.action, second.tickets, second.done) == ("give_back", 3, True)
    assert (await office.snapshot()).remaining == 8
    assert (await office.reconcile(reconciler)).kind == "none"


async def test_within_the_grace_period_nothing_is_given_back(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.leak(3)
    reconciler = office.reconciler(grace_seconds=3600)
    assert {(await office.reconcile(reconciler)).action for _ in range(3)} == {Action.OBSERVE}
    assert (await office.snapshot()).remaining == 7


async def test_the_smaller_of_two_findings_is_given_back(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.leak(2)
    reconciler = office.reconciler()
    await office.reconcile(reconciler)
    await office.leak(3)
    assert (await office.reconcile(reconciler)).done
    assert (await office.snapshot()).remaining == 7


async def test_two_reconcilers_with_one_snapshot_give_back_once(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(2)
    await office.leak(3)
    decided_on = await office.snapshot()
    given = await asyncio.gather(*(office.gate.give_back(NAME, decided_on, 3) for _ in range(2)))
    assert sorted(given) == [False, True]
    assert (await office.snapshot()).remaining == 8


async def test_without_the_snapshot_a_second_repair_would_sell_tickets_that_are_not_there(office: BoxOffice) -> None:
    """The control: two reconcilers each make a plain increment."""
    await office.create(stock=10)
    await office.sell(2)
    await office.leak(3)
    for _ in range(2):
        await office.redis.hincrby(office.keys.sale, "remaining", 3)
    assert (await office.add_up()).missing == -3


async def test_two_reconcilers_that_run_side_by_side_leave_the_right_stock(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(2)
    await office.leak(3)
    both = [office.reconciler(), office.reconciler()]
    for _ in range(4):
        await asyncio.gather(*(office.reconcile(reconciler) for reconciler in both))
    assert (await office.snapshot()).remaining == 8
    assert (await office.snapshot()).repairs == 1


async def test_what_is_over_admitted_is_fenced_and_recounted(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(4)
    await office.leak(-2)
    reconciler = office.reconciler()
    assert (await office.reconcile(reconciler)).action == "observe"
    mended = await office.reconcile(reconciler)
    assert (mended.kind, mended.tickets, mended.action, mended.done) == ("over_admitted", 2, "recount", True)
    assert (await office.snapshot()).remaining == 6
    assert (await office.sale()).epoch == 2


async def test_under_the_policy_observe_drift_is_only_reported(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.leak(3)
    reconciler = office.reconciler(policy="Observe")
    results = [await office.reconcile(reconciler) for _ in range(3)]
    assert {(result.kind, result.tickets, result.action) for result in results} == {("leaked", 3, "observe")}
    assert (await office.snapshot()).remaining == 7


async def test_after_flushall_the_sale_goes_on_and_a_won_key_wins_no_second_ticket(own_office: BoxOffice) -> None:
    office = own_office
    await office.create(stock=10, customer_limit=1)
    kept = await office.sell(4)
    await office.drain()
    forgotten = await office.sell(2, "forgotten")
    await office.redis.flushall()
    assert (await office.try_to_buy("meanwhile")).result == "missing"
    await keep_receipts(office, kept + forgotten)
    result = await office.reconcile()
    assert (result.kind, result.action, result.done) == ("unvouched", "recount", True)
    assert (result.lost.orders, set(result.lost.named)) == (2, {str(reservation) for reservation in forgotten})
    again = await office.buy("buyer-0")
    assert isinstance(again, Reserved)
    assert (again.reservation, again.replayed) == (kept[0], True)
    assert await office.buy("buyer-1", key="another") == CustomerLimitReached(held=1, limit=1)
    assert await office.sell_out("late") == 6
    await office.drain()
    assert await office.booked() == 10
    settled = await office.reconcile()
    assert (settled.kind, settled.lost.orders) == ("none", 2)


async def test_a_stream_that_is_gone_is_booked_from_the_answers(office: BoxOffice) -> None:
    await office.create(stock=10)
    bought = await office.sell(3)
    await office.drain(1)
    await office.redis.delete(office.keys.orders)
    reconciler = office.reconciler()
    mended = await office.reconcile(reconciler)
    assert (mended.reason, mended.rebooked.orders) == ("the gate counts a backlog and its stream is empty", 2)
    await keep_receipts(office, bought)
    settled = await office.reconcile(reconciler)
    assert (settled.kind, settled.lost.orders) == ("none", 0)
    assert ((await office.snapshot()).remaining, await office.booked()) == (7, 3)


async def test_of_a_stream_and_answers_that_are_gone_the_orders_are_lost(office: BoxOffice) -> None:
    """The control: neither store has the orders."""
    await office.create(stock=10)
    bought = await office.sell(3)
    await office.drain(1)
    await office.redis.delete(office.keys.orders, office.keys.answers(1))
    reconciler = office.reconciler()
    assert (await office.reconcile(reconciler)).done
    await keep_receipts(office, bought)
    settled = await office.reconcile(reconciler)
    assert (settled.kind, settled.lost.orders) == ("none", 2)
    assert (await office.snapshot()).remaining == 9


NUMBERS = (
    *("round", "epoch", "stock", "remaining", "backlog", "accepted", "repairs", "released"),
    *("limit", "opens", "closes", "hinted_at", "expires", "generation"),
    *("allotted", "written", "written_orders", "acknowledged", "acknowledged_orders"),
)


@pytest.mark.parametrize("field", NUMBERS)
async def test_a_number_that_is_none_is_as_good_as_gone(office: BoxOffice, field: str) -> None:
    """Although a field holds no number, the sale can still be read, and it recovers."""
    await office.create(stock=10)
    await office.buy("ada", quantity=2)
    await office.redis.hset(office.keys.sale, field, "plenty")
    assert await office.gate.snapshot(NAME) is None
    result = await office.reconcile()
    assert (result.action, result.done) == ("recount", True)
    snapshot = await office.snapshot()
    assert (snapshot.state, snapshot.stock, snapshot.remaining, snapshot.backlog) == ("open", 10, 8, 2)


async def test_a_receipt_that_comes_after_the_recount_is_counted_too(own_office: BoxOffice) -> None:
    await own_office.create(stock=10)
    forgotten = await own_office.sell(2)
    await own_office.redis.flushall()
    reconciler = own_office.reconciler()
    assert (await own_office.reconcile(reconciler)).lost.orders == 0
    await keep_receipts(own_office, forgotten)
    assert (await own_office.reconcile(reconciler)).lost.orders == 2


async def test_an_order_that_a_worker_held_while_redis_forgot_it_is_found_at_once(own_office: BoxOffice) -> None:
    office = own_office
    await office.create(stock=10)
    await office.sell(3)
    held = await office.orders_in_stream()
    await office.redis.flushall()
    assert (await office.reconcile()).done
    assert (await office.snapshot()).remaining == 10
    await office.book(held)
    patient = office.reconciler(grace_seconds=3600)
    found = await office.reconcile(patient)
    assert (found.kind, found.tickets, found.action, found.done) == ("over_admitted", 3, "recount", True)
    assert await office.sell_out("late") == 7
    await office.drain()
    assert await office.booked() == 10


async def test_late_orders_that_the_recount_had_seen_clear_the_flag(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(3)
    await office.redis.hset(office.keys.sale, "server", "another")
    assert (await office.reconcile()).done
    await office.drain()
    assert (await office.sales.tally(NAME, 1)).recount
    assert (await office.reconcile()).action == "clear_recount_flag"
    assert not (await office.sales.tally(NAME, 1)).recount
    assert (await office.sale()).epoch == 2


async def test_a_restarted_server_is_recounted_and_nothing_is_lost(
    own_office: BoxOffice, own_server: ValkeyServer
) -> None:
    office = own_office
    await office.create(stock=10)
    bought = await office.sell(5)
    await office.drain(2)
    own_server.kill()
    own_server.start()
    await office.redis.connection_pool.disconnect()
    assert (await office.try_to_buy("meanwhile")).result == "moved"
    await keep_receipts(office, bought)
    result = await office.reconcile()
    assert (result.action, result.done, result.lost.orders) == ("recount", True, 0)
    assert await office.sell_out("late") == 5
    await office.drain()
    assert await office.booked() == 10
    assert (await office.reconcile()).kind == "none"


async def test_a_step_back_in_time_at_the_same_epoch_is_found_by_the_numbers(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(2)
    saved = await office.save_keys()
    await office.sell(4, "later")
    await office.drain()
    await office.bring_back(saved)
    assert (await office.snapshot()).epoch == (await office.sale()).epoch
    result = await office.reconcile()
    assert (result.kind, result.done) == ("unvouched", True)
    assert await office.sell_out("late") == 4
    await office.drain()
    assert await office.booked() == 10
    assert (await office.reconcile()).kind == "none"


async def test_unnoticed_the_same_step_back_promises_tickets_twice(office: BoxOffice) -> None:
    """The control: nothing checks the numbers."""
    await office.create(stock=10)
    saved = await office.save_keys()
    await office.sell(4)
    await office.drain()
    await office.bring_back(saved)
    assert 4 + await office.sell_out("late") == 14
