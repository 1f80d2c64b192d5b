"""redis-decr between its two stores: the tickets that it leaks, sells twice, and finds again."""

import asyncio

import pytest

from app.failpoints import FailpointController
from app.ledger.sales import SaleRepository
from app.sales.outcomes import SoldOut
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_redis.counter import StockCounter
from app.strategies.in_redis.keys import LIFE_SECONDS
from app.strategies.redis_decr import RedisDecrStrategy
from tests.strategies.doomed import buy_and_die
from tests.strategies.sale import create_sale, remaining, tally_of, won
from tests.support.rush import StoreAddresses
from tests.support.sales import a_purchase
from tests.support.until import until


@pytest.fixture
def decr(dependencies: StrategyDependencies) -> RedisDecrStrategy:
    return RedisDecrStrategy.build(dependencies)


@pytest.fixture
def counter(dependencies: StrategyDependencies) -> StockCounter:
    return StockCounter(dependencies.redis, dependencies.gate_settings.key_prefix)


async def test_a_death_between_decrement_and_booking_leaks_the_tickets(
    decr: RedisDecrStrategy,
    dependencies: StrategyDependencies,
    addresses: StoreAddresses,
    failpoints: FailpointController,
) -> None:
    sale = await create_sale(decr, dependencies, stock=3)
    failpoints.kill_at("after_decrement")
    await buy_and_die(RedisDecrStrategy, addresses, a_purchase(key="k", quantity=2))
    assert (await remaining(decr, sale), (await tally_of(dependencies, sale)).booked) == (1, 0)
    won(await decr.buy(a_purchase()))
    assert await decr.buy(a_purchase(key="k")) == SoldOut(0)  # the dead purchase's own buyer gets none either
    assert (await tally_of(dependencies, sale)).booked == 1


async def test_while_one_gives_back_others_are_refused_as_sold_out(
    decr: RedisDecrStrategy, counter: StockCounter, dependencies: StrategyDependencies
) -> None:
    sale = await create_sale(decr, dependencies, stock=3)
    await counter.add("drop", 1, -4)  # a buyer has taken four, and has not yet given them back
    assert await decr.buy(a_purchase()) == SoldOut(0)
    await counter.add("drop", 1, 4)
    assert await remaining(decr, sale) == 3
    won(await decr.buy(a_purchase()))


async def test_a_counter_that_redis_forgot_is_made_from_the_ledger(
    decr: RedisDecrStrategy, dependencies: StrategyDependencies
) -> None:
    sale = await create_sale(decr, dependencies, stock=3)
    won(await decr.buy(a_purchase()))
    await dependencies.redis.unlink(decr.counter.key("drop", 1))
    assert await decr.snapshot(sale) is None
    outcomes = [await decr.buy(a_purchase()) for _ in range(3)]
    assert outcomes[2] == SoldOut(0)
    assert (await tally_of(dependencies, sale)).booked == 3


async def test_what_is_taken_and_not_booked_when_redis_forgets_is_sold_again(
    decr: RedisDecrStrategy, dependencies: StrategyDependencies, failpoints: FailpointController
) -> None:
    sale = await create_sale(decr, dependencies, stock=2)
    failpoints.stop_at("after_decrement")
    async with asyncio.TaskGroup() as tasks:
        standing = tasks.create_task(decr.buy(a_purchase()))
        await until(lambda: failpoints.happened("after_decrement", "stop"))
        await dependencies.redis.unlink(decr.counter.key("drop", 1))
        for _ in range(2):
            won(await decr.buy(a_purchase()))
        assert await decr.buy(a_purchase()) == SoldOut(0)
        failpoints.release("after_decrement")
    won(standing.result())
    assert (await tally_of(dependencies, sale)).booked == 3


async def test_growth_that_never_reached_redis_is_found_when_it_is_needed(
    decr: RedisDecrStrategy, dependencies: StrategyDependencies
) -> None:
    """The process that should have raised the counter died after the ledger's commit."""
    sale = await create_sale(decr, dependencies, stock=1)
    won(await decr.buy(a_purchase()))
    async with dependencies.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE inventory SET stock = 3, remaining = remaining + 2")
    won(await decr.buy(a_purchase(quantity=2)))
    assert await decr.buy(a_purchase()) == SoldOut(0)
    assert (await tally_of(dependencies, sale)).booked == 3


async def test_growth_is_counted_once(decr: RedisDecrStrategy, dependencies: StrategyDependencies) -> None:
    sale = await create_sale(decr, dependencies, stock=1)
    async with dependencies.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE inventory SET stock = 3")
    grown = await SaleRepository(dependencies.engine).get("drop")
    assert grown is not None
    await asyncio.gather(*(decr.prepare(grown) for _ in range(5)))
    assert await remaining(decr, sale) == 3


async def test_its_key_ends_by_itself_also_where_nobody_seeded_it(
    decr: RedisDecrStrategy, counter: StockCounter, dependencies: StrategyDependencies
) -> None:
    await create_sale(decr, dependencies)
    assert 0 < await dependencies.redis.ttl(counter.key("drop", 1)) <= LIFE_SECONDS
    assert await counter.add("drop", 7, 1) is None
    assert 0 < await dependencies.redis.ttl(counter.key("drop", 7)) <= LIFE_SECONDS
