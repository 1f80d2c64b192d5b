"""redis-watch, with its WATCH and without it."""

from app.strategies.dependencies import StrategyDependencies
from app.strategies.redis_watch import RedisWatchStrategy
from tests.strategies.sale import create_sale, remaining, won
from tests.support.crowd import Crowd
from tests.support.sales import a_purchase


class Unwatched(RedisWatchStrategy):
    """The control: the same code, but the key that it watches is not the one that it writes."""

    def watched(self, key: str) -> str:
        return f"{key}:another"


async def test_without_the_watch_the_crowd_is_sold_more_than_there_is(crowd: Crowd) -> None:
    (sold,) = await crowd.rush(Unwatched, stock=100, buyers=400, repeats=1)
    assert sold.oversold > 0


async def test_with_the_watch_it_is_sold_exactly_the_stock(crowd: Crowd) -> None:
    (sold,) = await crowd.rush(RedisWatchStrategy, stock=20, buyers=400, repeats=1)
    assert (sold.oversold, sold.undersold, sold.snapshot.remaining) == (0, 0, 0)


async def test_the_number_never_goes_below_zero(dependencies: StrategyDependencies) -> None:
    strategy = RedisWatchStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=3)
    await strategy.buy(a_purchase(quantity=4))
    counted = await strategy.counter.read("drop", 1)
    assert counted is not None
    assert counted.left == 3
    won(await strategy.buy(a_purchase(quantity=3)))
    assert await remaining(strategy, sale) == 0


async def test_a_counter_that_redis_forgot_is_made_from_the_ledger(dependencies: StrategyDependencies) -> None:
    strategy = RedisWatchStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=3)
    won(await strategy.buy(a_purchase()))
    await dependencies.redis.unlink(strategy.counter.key("drop", 1))
    won(await strategy.buy(a_purchase(quantity=2)))
    assert await remaining(strategy, sale) == 0
