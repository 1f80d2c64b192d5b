"""What the reconciler does to sales that have ended, and to those that promise nothing."""

from dataclasses import replace

from sqlalchemy import text

from app.reconcile.decide import Action
from app.reconcile.repair import remove
from app.reconcile.unknown_sales import stop_unknown_sales
from tests.support.box_office import NAME, BoxOffice


async def test_an_ended_sale_is_removed_once_it_is_drained_and_its_bookings_stay(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(3)
    await office.sales.end(NAME)
    assert (await office.reconcile()).action == "amend"
    assert (await office.snapshot()).state == "closed"
    assert (await office.reconcile()).action == "nothing"
    await office.drain()
    removed = await office.reconcile()
    assert (removed.action, removed.done) == ("remove", True)
    assert await office.gate.snapshot(NAME) is None
    assert (await office.sale()).removed_at is not None
    assert await office.booked() == 3
    assert await office.sales.active() == []


async def test_a_sale_read_before_it_ended_does_not_open_it_again(office: BoxOffice) -> None:
    before = await office.create(stock=10)
    await office.gate.amend(await office.sales.end(NAME))
    assert (await office.reconciler().reconcile_sale(before)).action == "amend"
    assert (await office.snapshot()).state == "closed"


async def test_keys_of_a_next_round_are_not_removed_for_the_ended_one(office: BoxOffice) -> None:
    await office.create(stock=10)
    ended = await office.sales.end(NAME)
    await office.gate.amend(ended)
    await office.create(stock=20)
    assert not await remove(ended, office.gate, office.engine)
    assert (await office.snapshot()).remaining == 20
    assert (await office.sale()).removed_at is None


async def test_an_ended_sale_without_keys_is_not_seeded_again(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sales.end(NAME)
    await office.redis.delete(office.keys.sale)
    assert (await office.reconcile()).action == "remove"
    assert await office.gate.snapshot(NAME) is None
    assert (await office.sale()).removed_at is not None


async def test_an_ended_sale_of_which_a_field_is_gone_is_drained_before_it_is_removed(office: BoxOffice) -> None:
    """So does a sale look that an older release seeded. Its stream must not go with its hash."""
    await office.create(stock=10)
    await office.sell(3)
    await office.sales.end(NAME)
    await office.redis.hdel(office.keys.sale, "allotted")
    assert not (await office.reconcile()).done
    assert await office.drain() == 3
    assert (await office.reconcile()).done
    assert ((await office.sale()).removed_at is not None, await office.booked()) == (True, 3)


async def test_keys_of_a_removed_sale_that_come_back_are_removed_again(office: BoxOffice) -> None:
    """The stock server went back to before the removal. The ledger has lost nothing."""
    await office.create(stock=10)
    await office.sell(3)
    await office.drain()
    await office.sales.end(NAME)
    saved = await office.save_keys()
    reconciler = office.reconciler()
    assert [(await office.reconcile(reconciler)).action for _ in range(2)] == ["amend", "remove"]
    await office.bring_back(saved)
    assert await stop_unknown_sales(office.gate, office.engine) == frozenset()
    assert await office.gate.snapshot(NAME) is None


async def test_a_sale_that_promises_nothing_is_only_observed(office: BoxOffice) -> None:
    sale = await office.create(stock=10)
    async with office.engine.begin() as connection:
        await connection.execute(text("UPDATE sales SET strategy = 'naive'"))
    await office.leak(3)
    reconciler = office.reconciler()
    assert {(await office.reconcile(reconciler)).action for _ in range(3)} == {Action.OBSERVE}
    assert (await office.snapshot()).remaining == 7
    unknown = replace(sale, terms=replace(sale.terms, strategy="of-a-newer-release"))
    assert (await reconciler.reconcile_sale(unknown)).action == "observe"
