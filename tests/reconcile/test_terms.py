"""Terms that reach the gate late, twice, or by a clock that is wrong: what was sold, told and refused stays so."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from app.gate.gate import milliseconds
from app.reconcile.follow import follow
from app.reconcile.recount import recount
from app.sales.model import Sale
from app.sales.outcomes import CustomerLimitReached, NotOpen, Reserved
from tests.support.box_office import NAME, BoxOffice

HOUR = timedelta(hours=1)


async def close(office: BoxOffice, at: datetime) -> Sale:
    """Commit another time of closing in the ledger, and return the sale."""
    async with office.engine.begin() as connection:
        await connection.execute(text("UPDATE sales SET closes_at = :at, generation = generation + 1"), {"at": at})
    return await office.sale()


async def test_an_epoch_is_seeded_once(office: BoxOffice) -> None:
    """A sale that is created again after a loss would be seeded under its old epoch, and nobody would see the loss."""
    sale = await office.create(stock=10)
    await office.sell(3)
    await office.redis.delete(office.keys.sale, office.keys.orders, office.keys.answers(1))
    again = await office.sales.create(sale.terms, guarded=True)
    assert not await follow(again.sale, office.gate)
    assert await recount(again.sale, office.gate, office.engine) is None
    assert await office.gate.snapshot(NAME) is None
    assert (await office.reconcile()).epoch == 2


async def test_a_claim_without_a_seed_is_left_behind(office: BoxOffice) -> None:
    """The process died after it had claimed the seeding."""
    sale = await office.declare(stock=10)
    async with office.engine.begin() as connection:
        await connection.execute(text("UPDATE inventory SET seeded = true"))
    assert await recount(sale, office.gate, office.engine) is None
    assert (await office.reconcile()).epoch == 2
    assert await office.sell(1)


async def test_an_older_generation_of_the_terms_undoes_nothing(office: BoxOffice) -> None:
    await office.create(stock=10)
    late = await office.sales.set_paused(NAME, paused=False)
    newest = await office.sales.set_paused(NAME, paused=True)
    assert await follow(newest, office.gate)
    assert await follow(late, office.gate)
    assert (await office.snapshot()).state == "paused"
    assert await office.buy("ada") == NotOpen("paused")
    undone = replace(late, generation=newest.generation)  # the control: without a generation the older terms win
    assert await follow(undone, office.gate)
    assert isinstance(await office.buy("ada"), Reserved)


async def test_a_sale_that_sells_again_after_its_answers_expired_knows_its_limits(office: BoxOffice) -> None:
    await office.create(stock=10, customer_limit=2, closes_at=datetime.now(UTC) + HOUR)
    bought = await office.buy("ada", quantity=2)
    await office.drain()
    await close(office, datetime.now(UTC) - HOUR)
    assert (await office.reconcile()).action == "amend"
    await office.redis.delete(office.keys.answers(1), office.keys.customers(1))
    assert (await office.reconcile()).action == "nothing"  # they may expire, because the sale is over
    moved = await close(office, datetime.now(UTC) + HOUR)
    assert not await follow(moved, office.gate)
    assert await office.buy("ada", key="more") == NotOpen("closed")
    assert (await office.reconcile()).reason == "the gate has forgotten answers of orders that it accepted"
    assert await office.buy("ada", key="more") == CustomerLimitReached(held=2, limit=2)
    again = await office.buy("ada", quantity=2)
    assert isinstance(bought, Reserved)
    assert isinstance(again, Reserved)
    assert (again.reservation, again.replayed) == (bought.reservation, True)


async def test_it_knows_them_after_a_recount_too(office: BoxOffice) -> None:
    """The orders were restored and none was written since, so the count of the epoch alone misses no answer."""
    await office.create(stock=10, customer_limit=2, closes_at=datetime.now(UTC) + HOUR)
    await office.buy("ada", quantity=2)
    await office.drain()
    assert await recount(await office.raise_epoch(), office.gate, office.engine)
    await close(office, datetime.now(UTC) - HOUR)
    assert (await office.reconcile()).action == "amend"
    await office.redis.delete(office.keys.answers(1), office.keys.customers(1))
    assert not await follow(await close(office, datetime.now(UTC) + HOUR), office.gate)
    assert (await office.reconcile()).action == "recount"
    assert await office.buy("ada", key="more") == CustomerLimitReached(held=2, limit=2)


async def test_a_clock_that_is_set_back_opens_no_closed_sale(office: BoxOffice) -> None:
    """The stock server's clock can't be set in a test. A later close means the same to its script."""
    await office.create(stock=10, closes_at=datetime.now(UTC) + HOUR)
    await close(office, datetime.now(UTC))
    assert (await office.reconcile()).action == "amend"
    await office.redis.hset(office.keys.sale, "closes", milliseconds(datetime.now(UTC) + HOUR))
    assert await office.buy("ada") == NotOpen("closed")
    await office.redis.hset(office.keys.sale, "state", "open")  # the control: without the state it would sell
    assert isinstance(await office.buy("ada"), Reserved)


async def test_a_clock_that_is_set_forward_closes_no_sale_for_good(office: BoxOffice) -> None:
    closes = datetime.now(UTC) + HOUR
    await office.create(stock=10, closes_at=closes)
    await office.redis.hset(office.keys.sale, "closes", milliseconds(datetime.now(UTC) - HOUR))
    assert await office.buy("ada") == NotOpen("closed")
    await office.redis.hset(office.keys.sale, "closes", milliseconds(closes))
    assert (await office.reconcile()).action == "nothing"
    assert isinstance(await office.buy("ada"), Reserved)


async def test_a_clock_that_is_set_back_stops_no_hints(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.redis.hset(office.keys.sale, "hinted_at", milliseconds(datetime.now(UTC) + HOUR))
    assert (await office.try_to_buy("ada")).hint_due
