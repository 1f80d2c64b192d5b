"""Sales, their rounds and their epochs, also if several processes change them at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.engine import make_engine
from app.ledger.sales import Creation, SaleEnded, SaleExists, SaleRepository
from app.sales.model import Sale, UnknownSale
from tests.support.patience import PATIENT_LEDGER
from tests.support.rows import add_booking, mark_removed, set_aside, terms


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[SaleRepository]:
    """Yield the same ledger's sales over another engine, as another process has them."""
    engine = make_engine(database_url, "test", PATIENT_LEDGER, pool_size=5)
    yield SaleRepository(engine)
    await engine.dispose()


@pytest.fixture
async def drop(sales: SaleRepository) -> Sale:
    return (await sales.create(terms(), guarded=True)).sale


async def test_a_sale_is_created_with_its_first_round(sales: SaleRepository, engine: AsyncEngine) -> None:
    requested = terms(
        opens_at=datetime(2026, 1, 1, tzinfo=UTC),
        closes_at=datetime(2030, 1, 1, tzinfo=UTC),
        customer_limit=2,
        think_ms=7,
    )
    creation = await sales.create(requested, guarded=True)
    assert creation.created
    assert creation.sale.terms == requested
    assert (creation.sale.round, creation.sale.epoch, creation.sale.managed_by) == (1, 1, "http")
    assert await sales.get("drop") == creation.sale
    async with engine.connect() as connection:
        row = (await connection.execute(text("SELECT stock, remaining, booked, guarded FROM inventory"))).one()
    assert tuple(row) == (10, 10, 0, True)


async def test_nothing_is_left_of_a_sale_whose_round_was_refused(sales: SaleRepository) -> None:
    with pytest.raises(IntegrityError, match="ck_inventory_stock_not_negative"):
        await sales.create(terms(stock=-1), guarded=False)
    assert await sales.get("drop") is None


async def test_the_same_terms_again_are_the_same_sale(sales: SaleRepository, drop: Sale) -> None:
    assert await sales.create(terms(), guarded=True) == Creation(drop, created=False)


async def test_other_terms_for_a_live_sale_are_refused(sales: SaleRepository, drop: Sale) -> None:
    with pytest.raises(SaleExists) as refused:
        await sales.create(terms(stock=11), guarded=True)
    assert refused.value.sale == drop
    assert await sales.get("drop") == drop


async def test_of_creators_that_race_one_creates(sales: SaleRepository, elsewhere: SaleRepository) -> None:
    creations = await asyncio.gather(
        *(repository.create(terms(), guarded=True) for repository in (sales, elsewhere) for _ in range(5))
    )
    assert sorted(creation.created for creation in creations) == [False] * 9 + [True]
    assert len({creation.sale.created_at for creation in creations}) == 1


async def test_of_creators_that_race_with_other_terms_one_has_its_way(
    sales: SaleRepository, elsewhere: SaleRepository
) -> None:
    outcomes = await asyncio.gather(
        *(
            repository.create(terms(stock=100 * batch + count), guarded=True)
            for batch, repository in enumerate((sales, elsewhere), start=1)
            for count in range(5)
        ),
        return_exceptions=True,
    )
    created = [outcome for outcome in outcomes if isinstance(outcome, Creation)]
    assert len(created) == 1
    assert sum(isinstance(outcome, SaleExists) for outcome in outcomes) == 9
    assert await sales.get("drop") == created[0].sale


async def test_creating_an_ended_sale_starts_its_next_round(
    sales: SaleRepository, drop: Sale, engine: AsyncEngine
) -> None:
    await sales.raise_epoch("drop", drop.epoch)
    await sales.end("drop")
    await mark_removed(engine)
    creation = await sales.create(terms(stock=3, customer_limit=1), guarded=True)
    assert creation.created
    assert (creation.sale.round, creation.sale.epoch) == (2, 3)
    assert creation.sale.terms == terms(stock=3, customer_limit=1)
    assert (creation.sale.ended_at, creation.sale.removed_at) == (None, None)


async def test_of_creators_that_race_for_an_ended_sale_one_starts_a_round(
    sales: SaleRepository, elsewhere: SaleRepository, drop: Sale
) -> None:
    await sales.end(drop.name)
    creations = await asyncio.gather(
        *(repository.create(terms(), guarded=True) for repository in (sales, elsewhere) for _ in range(5))
    )
    assert sum(creation.created for creation in creations) == 1
    assert {(creation.sale.round, creation.sale.epoch) for creation in creations} == {(2, 2)}


async def test_an_ended_sale_keeps_its_strategy(sales: SaleRepository, drop: Sale) -> None:
    await sales.end(drop.name)
    with pytest.raises(SaleExists, match="forever"):
        await sales.create(terms(strategy="naive"), guarded=False)


async def test_the_next_round_has_an_inventory_of_its_own(
    sales: SaleRepository, engine: AsyncEngine, drop: Sale
) -> None:
    await add_booking(engine, quantity=4)
    following = await sales.next_round(drop.name)
    assert (following.round, following.epoch, following.terms.stock) == (2, 2, 10)
    assert (await sales.tally(drop.name, 1)).booked == 4
    assert (await sales.tally(drop.name, 2)).booked == 0
    assert (await sales.next_round(drop.name, stock=3)).terms.stock == 3


async def test_an_ended_sale_is_not_reset(sales: SaleRepository, drop: Sale) -> None:
    await sales.end(drop.name)
    with pytest.raises(SaleEnded):
        await sales.next_round(drop.name)


async def test_one_finding_raises_the_epoch_once(sales: SaleRepository, elsewhere: SaleRepository, drop: Sale) -> None:
    raised = await asyncio.gather(
        *(repository.raise_epoch("drop", drop.epoch) for repository in (sales, elsewhere) for _ in range(5))
    )
    assert {sale.epoch for sale in raised} == {2}
    assert (await sales.raise_epoch("drop", 2)).epoch == 3


async def test_an_old_finding_raises_nothing(sales: SaleRepository, drop: Sale) -> None:
    await sales.next_round(drop.name)
    assert (await sales.raise_epoch(drop.name, drop.epoch)).epoch == 2


async def test_an_epoch_is_never_given_twice_while_rounds_and_raises_race(
    sales: SaleRepository, elsewhere: SaleRepository, engine: AsyncEngine, drop: Sale
) -> None:
    for _ in range(10):
        seen = await sales.get(drop.name)
        assert seen is not None
        await asyncio.gather(elsewhere.next_round(drop.name), sales.raise_epoch(drop.name, seen.epoch))
    async with engine.connect() as connection:
        epochs = list((await connection.execute(text("SELECT epoch FROM inventory ORDER BY round"))).scalars())
    assert epochs == sorted(set(epochs))
    assert len(epochs) == 11


async def test_a_raise_clears_the_request_for_a_recount(sales: SaleRepository, engine: AsyncEngine, drop: Sale) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE inventory SET recount = true"))
    assert (await sales.tally(drop.name, 1)).recount
    await sales.raise_epoch(drop.name, drop.epoch)
    assert not (await sales.tally(drop.name, 1)).recount


async def test_a_sale_ends_once(sales: SaleRepository, drop: Sale) -> None:
    ended = await sales.end(drop.name)
    assert ended.ended_at is not None
    assert await sales.end(drop.name) == ended


async def test_pages_are_in_the_order_of_names(sales: SaleRepository) -> None:
    for name in ("c", "a", "b"):
        await sales.create(terms(name), guarded=True)
    await sales.end("a")
    assert [sale.name for sale in await sales.page(limit=2)] == ["a", "b"]
    assert [sale.name for sale in await sales.page(after="b", limit=2)] == ["c"]


async def test_an_ended_sale_is_active_until_it_is_removed(
    sales: SaleRepository, drop: Sale, engine: AsyncEngine
) -> None:
    await sales.end(drop.name)
    assert [sale.name for sale in await sales.active()] == ["drop"]
    await mark_removed(engine)
    assert await sales.active() == []


async def test_a_tally_counts_tickets_of_its_round_by_status(
    sales: SaleRepository, engine: AsyncEngine, drop: Sale
) -> None:
    first = await add_booking(engine, quantity=3, epoch=1, number=900)
    await add_booking(engine, quantity=2, epoch=2, number=7)
    await add_booking(engine, quantity=1, status="cancelled", epoch=2, number=8)
    await add_booking(engine, quantity=5, status="rejected", epoch=2, number=9)
    await add_booking(engine, quantity=3, status="duplicate", alias_of=first, epoch=1, number=901)
    await add_booking(engine, quantity=4, epoch=None, number=None)
    await set_aside(engine, "drop.1.1700000000000-1.0000000000000001", quantity=2)
    await set_aside(engine, "drop.1.1700000000000-2.0000000000000002", quantity=64, given_up=False)
    await sales.next_round(drop.name)
    await add_booking(engine, quantity=50, round=2, epoch=2, number=70)
    await set_aside(engine, "drop.2.1700000000000-3.0000000000000003", quantity=80)

    tally = await sales.tally(drop.name, 1)
    assert (tally.stock, tally.booked, tally.rejected, tally.duplicates, tally.set_aside) == (10, 9, 5, 3, 2)
    assert tally.highest == (2, 9)
    assert (tally.epoch, tally.counter_remaining) == (1, 10)


async def test_a_fresh_round_tallies_to_nothing(sales: SaleRepository, drop: Sale) -> None:
    tally = await sales.tally(drop.name, 1)
    assert (tally.booked, tally.rejected, tally.duplicates, tally.set_aside, tally.highest) == (0, 0, 0, 0, (0, 0))


async def test_what_is_not_there_is_unknown(sales: SaleRepository) -> None:
    assert await sales.get("drop") is None
    for change in (sales.end("drop"), sales.next_round("drop"), sales.raise_epoch("drop", 1), sales.tally("drop", 1)):
        with pytest.raises(UnknownSale):
            await change


async def test_times_come_back_as_they_were_given(sales: SaleRepository) -> None:
    opens = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=UTC)
    requested = terms(opens_at=opens, closes_at=opens + timedelta(microseconds=1))
    creation = await sales.create(requested, guarded=True)
    assert creation.sale.terms == requested
    assert not (await sales.create(replace(requested), guarded=True)).created
