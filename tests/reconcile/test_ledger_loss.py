"""The ledger goes back in time: bookings that were committed and acknowledged are gone, and the gate heals them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.ledger.availability import LedgerUnavailable
from app.ledger.receipts import ReceiptRepository
from app.ledger.sales import lock_sale, start_round
from app.reconcile import measure as measure_module
from app.reconcile.rebook import rebook_rounds
from app.sales.acceptance import Acceptance
from app.sales.model import Purchase, ReservationId
from app.sales.outcomes import Reserved
from tests.support.box_office import NAME, BoxOffice

STOCK, SOLD, LOST = 40, 20, 15


async def sell_and_lose(office: BoxOffice) -> list[ReservationId]:
    """Sell and book SOLD of STOCK tickets, then let the ledger lose the newest LOST bookings. Return what was sold."""
    await office.create(stock=STOCK)
    sold = await office.sell(SOLD)
    await office.drain()
    await office.lose(sold[-LOST:])
    assert await office.booked() == SOLD - LOST
    return sold


async def booked_ids(office: BoxOffice) -> set[str]:
    async with office.engine.connect() as connection:
        rows = await connection.execute(text("SELECT reservation_id FROM bookings WHERE status = 'booked'"))
        return set(rows.scalars())


async def test_what_the_ledger_lost_is_booked_again_under_its_own_ids(office: BoxOffice) -> None:
    sold = await sell_and_lose(office)
    reconciler = office.reconciler()
    healed = await office.reconcile(reconciler)
    assert (healed.kind, healed.tickets, healed.action, healed.done) == ("ledger_lost", LOST, "rebook", True)
    assert (healed.rebooked.orders, healed.rebooked.tickets, healed.rebooked.rejected) == (LOST, LOST, 0)
    assert await booked_ids(office) == {str(reservation) for reservation in sold}
    snapshot, tally = await office.snapshot(), await office.sales.tally(NAME, 1)
    assert (snapshot.epoch, snapshot.remaining, tally.rebooked) == (1, STOCK - SOLD, LOST)
    assert (await office.reconcile(reconciler)).kind == "none"
    assert await office.sell_out("late") == STOCK - SOLD
    await office.drain()
    assert await office.booked() == STOCK


async def test_given_back_as_a_leak_the_same_tickets_would_be_sold_twice(office: BoxOffice) -> None:
    """The control: the tickets are given back that the identity misses, as if no order stood behind them."""
    await sell_and_lose(office)
    assert (await office.add_up()).missing == LOST
    await office.redis.hincrby(office.keys.sale, "remaining", LOST)
    assert (await office.add_up()).missing == 0
    assert SOLD + await office.sell_out("late") == STOCK + LOST


async def test_the_gate_itself_refuses_to_give_such_tickets_back(office: BoxOffice) -> None:
    await sell_and_lose(office)
    assert not await office.gate.give_back(NAME, await office.snapshot(), LOST)
    assert not await office.gate.give_back(NAME, await office.snapshot(), 1)
    await office.leak(2)
    assert not await office.gate.give_back(NAME, await office.snapshot(), 3)
    assert await office.gate.give_back(NAME, await office.snapshot(), 2)


async def test_a_leak_waits_until_every_order_is_accounted_for(office: BoxOffice) -> None:
    await sell_and_lose(office)
    await office.leak(3)
    reconciler = office.reconciler()
    done = [(await office.reconcile(reconciler)).action for _ in range(4)]
    assert done == ["rebook", "observe", "give_back", "nothing"]
    assert (await office.snapshot()).remaining == STOCK - SOLD


async def test_under_the_policy_observe_the_loss_is_only_told(office: BoxOffice) -> None:
    await sell_and_lose(office)
    reconciler = office.reconciler(policy="Observe")
    for _ in range(3):
        seen = await office.reconcile(reconciler)
        assert (seen.kind, seen.tickets, seen.action) == ("ledger_lost", LOST, "observe")
    assert (await office.snapshot()).remaining == STOCK - SOLD


async def test_what_neither_store_has_is_lost_and_its_tickets_are_free(office: BoxOffice) -> None:
    sold = await sell_and_lose(office)
    forgotten = range(SOLD - 5, SOLD)
    await office.redis.hdel(office.keys.answers(1), *(f"buyer-{number} k" for number in forgotten))
    told = [Acceptance(1, n + 1, sold[n], Purchase(NAME, f"buyer-{n}", "k", 1, sold[n].nonce)) for n in range(SOLD)]
    await ReceiptRepository(office.engine).keep(told)
    reconciler = office.reconciler()
    with capture_logs() as lines:
        healed = [await office.reconcile(reconciler) for _ in range(4)]
    assert [each.action for each in healed] == ["recount", "clear_recount_flag", "nothing", "nothing"]
    (named,) = [line["numbers"] for line in lines if line["event"].startswith("orders that were accepted")]
    assert named == [number + 1 for number in forgotten]
    assert sum(each.rebooked.orders for each in healed) == LOST - 5
    assert healed[-1].lost.orders == 5
    assert set(healed[-1].lost.named) == {str(sold[number]) for number in forgotten}
    assert (await office.snapshot()).remaining == STOCK - SOLD + 5
    again = await office.buy("buyer-0")
    assert isinstance(again, Reserved)
    assert (again.reservation, again.replayed) == (sold[0], True)


async def test_without_any_answer_a_lost_order_is_named_by_its_number(office: BoxOffice) -> None:
    """The sale has closed and its answers have expired, so that nothing but the count of the orders shows the loss."""
    await office.create(stock=STOCK, closes_at=datetime.now(UTC) + timedelta(hours=1))
    sold = await office.sell(3)
    await office.drain()
    async with office.engine.begin() as connection:
        await connection.execute(text("UPDATE sales SET closes_at = now(), generation = generation + 1"))
    assert (await office.reconcile()).action == "amend"
    await office.redis.delete(office.keys.answers(1))
    await office.lose(sold[1:2])
    with capture_logs() as lines:
        assert (await office.reconcile()).action == "recount"
    (named,) = [line["numbers"] for line in lines if line["event"].startswith("orders that were accepted")]
    assert named == [2]


async def test_orders_on_their_way_and_set_aside_are_not_booked_again(office: BoxOffice) -> None:
    await office.create(stock=STOCK)
    await office.sell(3)
    await office.drain(1)
    aside, _ = await office.orders_in_stream()
    await office.set_aside(aside)
    await office.acknowledge([aside])
    rebooked = await rebook_rounds(NAME, 1, office.gate, office.engine)
    assert (rebooked.orders, await office.booked()) == (0, 1)
    assert (await office.reconcile()).kind == "none"


async def test_orders_that_are_booked_meanwhile_are_booked_once(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker books and acknowledges them after the ledger was asked for them and before the stream is."""
    await office.create(stock=STOCK)
    await office.sell(4)
    asking = office.gate.without_entry

    async def meanwhile(*arguments: Any) -> Any:
        await office.drain()
        return await asking(*arguments)

    monkeypatch.setattr(office.gate, "without_entry", meanwhile)
    rebooked = await rebook_rounds(NAME, 1, office.gate, office.engine)
    assert (rebooked.orders, await office.booked()) == (0, 4)
    assert (await office.add_up()).missing == 0


async def test_of_several_reconcilers_none_recounts_what_another_has_booked(office: BoxOffice) -> None:
    await sell_and_lose(office)
    healed = await asyncio.gather(*(office.reconcile(office.reconciler()) for _ in range(4)))
    assert {each.action for each in healed} == {"rebook"}
    assert sum(each.rebooked.orders for each in healed) == LOST
    assert ((await office.snapshot()).epoch, await office.booked()) == (1, SOLD)


async def test_several_at_once_book_each_order_once(office: BoxOffice) -> None:
    await sell_and_lose(office)
    healed = await asyncio.gather(*(rebook_rounds(NAME, 1, office.gate, office.engine) for _ in range(4)))
    assert sum(each.orders for each in healed) == LOST
    assert await office.booked() == SOLD


async def test_the_orders_of_an_earlier_epoch_and_round_are_booked_again_too(office: BoxOffice) -> None:
    """The counts of the present epoch do not show them. The gate's answers do, and so does the ledger's new server."""
    await office.create(stock=STOCK)
    first = await office.sell(4, "first")
    await office.drain()
    await office.redis.hset(office.keys.sale, "state", "fenced")
    assert (await office.reconcile()).action == "recount"
    second = await office.sell(2, "second")
    await office.drain()
    await office.lose(first[:2])
    healed = await office.reconcile()
    assert (healed.kind, healed.tickets, healed.rebooked.orders) == ("ledger_lost", 2, 2)
    await office.next_round()
    await office.lose(second)
    assert (await office.reconcile()).kind == "none"
    await office.redis.hset(office.keys.sale, "ledger", "00000001@1")
    healed = await office.reconcile()
    assert (healed.reason, healed.rebooked.orders) == ("the ledger's server was restarted or replaced", 2)
    assert await booked_ids(office) == {str(reservation) for reservation in first + second}
    assert (await office.reconcile()).action == "nothing"


async def test_a_reset_that_the_ledger_lost_stops_the_sale_until_it_is_repeated(office: BoxOffice) -> None:
    await office.create(stock=STOCK)
    await office.next_round()
    sold = await office.sell(SOLD)
    await office.drain()
    await office.lose_round(2)
    for _ in range(2):
        stopped = await office.reconcile()
        assert (stopped.kind, stopped.action, stopped.done) == ("unvouched", "stop", True)
    assert (await office.snapshot()).state == "fenced"
    assert (await office.try_to_buy("late")).result != "decided"
    await office.sales.next_round(NAME)
    healed = await office.reconcile()
    assert (healed.action, healed.rebooked.orders) == ("recount", SOLD)
    assert await booked_ids(office) == {str(reservation) for reservation in sold}
    assert (await office.snapshot()).remaining == STOCK - SOLD


async def test_of_two_rounds_that_the_ledger_lost_the_one_that_is_skipped_is_booked_too(office: BoxOffice) -> None:
    """The resource asks for the newest round, and the ledger goes there straight from the first one."""
    await office.create(stock=STOCK)
    sold = []
    for _ in range(2):
        await office.next_round()
        sold += await office.sell(SOLD)
        await office.drain()
    for round_ in (3, 2):
        await office.lose_round(round_)
    async with office.engine.begin() as connection:
        sale, guarded = await lock_sale(connection, NAME)
        await start_round(connection, sale, STOCK, guarded=guarded, at_least=3)
    reconciler = office.reconciler()
    await office.redis.hset(office.keys.sale, "ledger", "00000001@1")  # as of the server before
    assert [(await office.reconcile(reconciler)).rebooked.orders for _ in range(2)] == [SOLD, SOLD]
    assert await booked_ids(office) == {str(reservation) for reservation in sold}
    assert (await office.reconcile(reconciler)).kind == "none"


async def test_a_sale_that_the_ledger_lost_is_stopped_until_it_is_created_again(office: BoxOffice) -> None:
    await office.create(stock=STOCK)
    sold = await office.sell(SOLD)
    await office.drain()
    await office.lose_sale()
    reconciler = office.reconciler()
    await reconciler.stop_unknown_sales("1@1")
    assert (await office.snapshot()).state == "fenced"
    await office.declare(stock=STOCK)
    healed = await office.reconcile(reconciler)
    assert (healed.action, healed.rebooked.orders) == ("recount", SOLD)
    assert await booked_ids(office) == {str(reservation) for reservation in sold}


async def test_a_round_after_an_end_that_the_ledger_lost_is_stopped_too(office: BoxOffice) -> None:
    """The ledger has the ended and removed round before it, which no reconciler looks at any more."""
    sale = await office.create(stock=STOCK)
    await office.sales.end(NAME)
    reconciler = office.reconciler()
    assert [(await office.reconcile(reconciler)).action for _ in range(2)] == ["amend", "remove"]
    removed = await office.sale()
    await office.create(stock=STOCK)
    sold = await office.sell(SOLD)
    await office.drain()
    await office.lose_round(2, ended_at=removed.ended_at, removed_at=removed.removed_at)
    await reconciler.stop_unknown_sales("1@1")
    assert (await office.snapshot()).state == "fenced"
    await office.sales.create(sale.terms, guarded=True)
    healed = await office.reconcile(reconciler)
    assert (healed.action, healed.rebooked.orders) == ("recount", SOLD)
    assert await booked_ids(office) == {str(reservation) for reservation in sold}


async def test_an_epoch_that_the_ledger_lost_is_left_behind(office: BoxOffice) -> None:
    await office.create(stock=STOCK)
    await office.redis.hset(office.keys.sale, "state", "fenced")
    assert (await office.reconcile()).epoch == 2
    sold = await office.sell(SOLD)
    await office.drain()
    await office.lose(sold)
    async with office.engine.begin() as connection:
        await connection.execute(text("UPDATE inventory SET epoch = 1"))
    healed = await office.reconcile()
    assert (healed.epoch, healed.rebooked.orders) == (3, SOLD)
    assert (await office.snapshot()).remaining == STOCK - SOLD


async def test_repairs_do_not_wait_for_sums(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has more bookings than it can add up in time."""

    async def too_slow(*_: Any) -> Any:
        raise LedgerUnavailable("canceling statement due to statement timeout")

    monkeypatch.setattr(measure_module, "_read_ledger", too_slow)
    await office.create(stock=STOCK)
    reconciler = office.reconciler()
    await office.leak(2)
    assert [(await office.reconcile(reconciler)).action for _ in range(2)] == ["observe", "give_back"]
    await office.redis.hset(office.keys.sale, "state", "fenced")
    assert (await office.reconcile(reconciler)).action == "recount"
    unknown = await office.reconcile(reconciler)
    assert (unknown.kind, unknown.action) == (None, "nothing")
