"""The row of a sale follows its resource, once for each change, also if several processes follow it at once."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.managed import Followed, ManagedSales
from app.ledger.sales import SaleRepository
from app.sales.desired_state import DesiredSale, NameTaken, Step, StockShrinks
from app.sales.model import Sale
from tests.support.rows import terms

DESIRED = DesiredSale(terms=terms(think_is_explicit=False), uid="uid-1", generation=1)


@pytest.fixture
def managed(engine: AsyncEngine) -> ManagedSales:
    return ManagedSales(engine)


async def follow(managed: ManagedSales, sales: SaleRepository, desired: DesiredSale) -> Followed:
    return await managed.follow(desired, await sales.get(desired.name), guarded=True)


async def present(sales: SaleRepository) -> Sale:
    sale = await sales.get("drop")
    assert sale is not None
    return sale


async def test_a_resource_makes_its_sale(managed: ManagedSales, sales: SaleRepository) -> None:
    followed = await follow(managed, sales, replace(DESIRED, round=3, paused=True))
    assert followed.step is Step.CREATE
    sale = followed.sale
    assert (sale.terms, sale.paused, sale.managed_by, sale.owner_uid) == (terms(), True, "flashsale", "uid-1")
    assert (sale.round, sale.epoch, sale.owner_round, sale.owner_generation) == (3, 1, 3, 1)
    assert await present(sales) == sale


async def test_the_same_resource_again_writes_nothing(
    managed: ManagedSales, sales: SaleRepository, engine: AsyncEngine
) -> None:
    await follow(managed, sales, DESIRED)
    async with engine.connect() as connection:
        before = (await connection.execute(text("SELECT xmin, * FROM sales"))).one()
    assert (await follow(managed, sales, DESIRED)).step is Step.NOTHING
    assert (await follow(managed, sales, replace(DESIRED, generation=2))).step is Step.NOTHING
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT xmin, * FROM sales"))).one() == before


async def test_growth_reaches_the_stock_and_the_counter_of_the_round(
    managed: ManagedSales, sales: SaleRepository
) -> None:
    await follow(managed, sales, DESIRED)
    grown = await follow(managed, sales, replace(DESIRED, terms=terms(stock=15), generation=2))
    assert (grown.step, grown.sale.terms.stock, grown.sale.epoch) == (Step.AMEND, 15, 1)
    tally = await sales.tally("drop", 1)
    assert (tally.stock, tally.counter_remaining) == (15, 15)
    with pytest.raises(StockShrinks):
        await follow(managed, sales, replace(DESIRED, generation=3))


async def test_an_older_version_of_the_resource_changes_nothing(managed: ManagedSales, sales: SaleRepository) -> None:
    await follow(managed, sales, DESIRED)
    await follow(managed, sales, replace(DESIRED, generation=5, paused=True))
    assert (await follow(managed, sales, replace(DESIRED, generation=4))).step is Step.NOTHING
    assert (await present(sales)).paused


async def test_a_raised_round_starts_the_sale_afresh_once(managed: ManagedSales, sales: SaleRepository) -> None:
    await follow(managed, sales, DESIRED)
    again = replace(DESIRED, terms=terms(stock=3), generation=2, round=2)
    assert (await follow(managed, sales, again)).step is Step.NEXT_ROUND
    assert (await follow(managed, sales, again)).step is Step.NOTHING
    sale = await present(sales)
    assert (sale.round, sale.epoch, sale.terms.stock) == (2, 2, 3)
    skipped = await follow(managed, sales, replace(again, generation=3, round=7))
    assert (skipped.sale.round, skipped.sale.epoch) == (7, 3)


async def test_an_ended_name_begins_a_next_round_also_for_the_same_round_of_a_new_resource(
    managed: ManagedSales, sales: SaleRepository
) -> None:
    await follow(managed, sales, DESIRED)
    assert await managed.end("drop", "somebody else") is None
    ended = await managed.end("drop", "uid-1")
    assert ended is not None
    assert ended.ended_at is not None
    assert await managed.end("drop", "uid-1") is None
    again = await follow(managed, sales, replace(DESIRED, uid="uid-2"))
    assert (again.step, again.sale.round, again.sale.ended_at) == (Step.NEXT_ROUND, 2, None)
    assert (await follow(managed, sales, replace(DESIRED, uid="uid-2", generation=2, round=2))).sale.round == 3


async def test_an_http_sale_is_taken_over_only_when_asked(managed: ManagedSales, sales: SaleRepository) -> None:
    made = (await sales.create(terms(think_ms=9), guarded=True)).sale
    with pytest.raises(NameTaken):
        await follow(managed, sales, DESIRED)
    assert await present(sales) == made
    adopted = await follow(managed, sales, replace(DESIRED, adopt=True))
    assert (adopted.step, adopted.sale.round, adopted.sale.epoch) == (Step.ADOPT, 1, 1)
    assert (adopted.sale.managed_by, adopted.sale.terms.think_ms) == ("flashsale", 9)


async def test_a_sale_that_is_adopted_by_a_smaller_resource_keeps_its_stock_until_the_next_round(
    managed: ManagedSales, sales: SaleRepository
) -> None:
    await follow(managed, sales, DESIRED)
    smaller = replace(DESIRED, uid="uid-2", terms=terms(stock=4))
    assert (await follow(managed, sales, smaller)).step is Step.ADOPT
    with pytest.raises(StockShrinks):
        await follow(managed, sales, smaller)
    assert (await present(sales)).terms.stock == 10
    assert (await follow(managed, sales, replace(smaller, generation=2, round=2))).sale.terms.stock == 4


async def test_of_many_that_follow_at_once_one_takes_each_step(managed: ManagedSales, sales: SaleRepository) -> None:
    """All have read the row before any of them wrote. The row's lock makes each of them decide again."""
    for desired in (DESIRED, replace(DESIRED, generation=2, round=2)):
        observed = await sales.get("drop")
        followed = await asyncio.gather(*(managed.follow(desired, observed, guarded=True) for _ in range(8)))
        assert sorted(followed_sale.step.value for followed_sale in followed)[1:] == [Step.NOTHING.value] * 7
    assert (await present(sales)).round == 2
    assert await managed.end("drop", "uid-1") is not None
    observed = await sales.get("drop")
    again = await asyncio.gather(*(managed.follow(replace(DESIRED, uid="2"), observed, guarded=True) for _ in range(8)))
    assert [followed_sale.step for followed_sale in again].count(Step.NEXT_ROUND) == 1
    assert (await present(sales)).round == 3
