"""Every strategy that promises exactness keeps its promise: 1,000 buyers in two processes, 100 tickets.

A strategy that promises nothing oversells every time, with a sale's default pause.
"""

from typing import Self

import pytest

from app.drain.drain import Drain
from app.sales.model import Sale, SaleTerms
from app.sales.outcomes import SoldOut
from app.sales.strategy import AcceptedIn
from app.settings import DrainSettings
from app.strategies.dependencies import RegisteredStrategy, StrategyDependencies
from app.strategies.in_redis.lock import SaleLock
from app.strategies.naive import NaiveStrategy
from app.strategies.naive_relative import NaiveRelativeStrategy
from app.strategies.redis_lock import RedisLockStrategy
from app.strategies.registry import STRATEGIES
from tests.support.crowd import Crowd, Sold
from tests.support.toy_strategy import ToyStrategy

STOCK, BUYERS = 100, 1000

LONG_LOCK_MS = 60_000


class LongLocked(RedisLockStrategy):
    """`redis-lock` with a long lock, under which it is exact.

    The strategy itself promises nothing, because a busy machine may pause for longer than its lock lasts.
    """

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        lock = SaleLock(dependencies.redis, dependencies.gate_settings.key_prefix, LONG_LOCK_MS)
        return cls(dependencies.engine, lock, dependencies.attempts)


OFFERED: list[type[RegisteredStrategy]] = [*STRATEGIES.values(), ToyStrategy]
EXACT = [strategy for strategy in OFFERED if strategy.promises_exactness]
AT_COMMIT = [LongLocked, *(strategy for strategy in EXACT if strategy.accepted_in is AcceptedIn.LEDGER)]
IN_STREAM = [strategy for strategy in EXACT if strategy.accepted_in is AcceptedIn.STREAM]
# lua-fire-and-forget is tested in its own file, because it needs a broker and a worker.


@pytest.mark.parametrize("strategy", AT_COMMIT, ids=lambda strategy: strategy.name)
async def test_a_crowd_is_sold_exactly_the_stock(strategy: type[RegisteredStrategy], crowd: Crowd) -> None:
    repeats = 1 if strategy is ToyStrategy else None  # the toy only shows that a new strategy takes part
    for sold in await crowd.rush(strategy, stock=STOCK, buyers=BUYERS, repeats=repeats):
        assert_exact(sold)


@pytest.mark.parametrize("strategy", IN_STREAM, ids=lambda strategy: strategy.name)
async def test_a_crowd_whose_orders_are_booked_later_is_sold_exactly_the_stock(
    strategy: type[RegisteredStrategy], crowd: Crowd, dependencies: StrategyDependencies
) -> None:
    drain = Drain(
        dependencies.redis, dependencies.engine, DrainSettings(), key_prefix=dependencies.gate_settings.key_prefix
    )

    async def drained(sale: Sale) -> None:
        while (await drain.sale(sale.name, 5)).more:
            pass

    for sold in await crowd.rush(strategy, stock=STOCK, buyers=BUYERS, settle=drained):
        assert_exact(sold)
        assert (sold.tally.rejected, sold.snapshot.backlog) == (0, 0)


def assert_exact(sold: Sold) -> None:
    assert (sold.oversold, sold.undersold) == (0, 0)
    assert sold.snapshot.remaining == 0
    assert len(sold.accepted) == STOCK
    assert {type(outcome) for outcome in sold.refused} == {SoldOut}
    assert len(sold.accepted) + len(sold.refused) == BUYERS


@pytest.mark.parametrize("strategy", [NaiveStrategy, NaiveRelativeStrategy], ids=lambda strategy: strategy.name)
async def test_what_promises_nothing_oversells_every_time(strategy: type[RegisteredStrategy], crowd: Crowd) -> None:
    think_ms = SaleTerms(name="any", strategy="any", stock=1).think_ms
    for sold in await crowd.rush(strategy, stock=10, buyers=100, think_ms=think_ms):
        assert sold.oversold > 0
        assert len(sold.accepted) == sold.tally.booked
        says_sold = sold.tally.stock - sold.snapshot.remaining
        # The counter of `naive` hides the overselling; that of `naive-relative` shows it.
        assert (says_sold < sold.tally.booked) is (strategy is NaiveStrategy)
