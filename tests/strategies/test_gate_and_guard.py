"""gate-and-guard: the prefilter may be wrong in any way, and the ledger is still right."""

from dataclasses import replace
from typing import ClassVar

import pytest
from sqlalchemy import TextClause

from app.failpoints import FailpointController
from app.gate.connection import make_redis
from app.ledger.counter import counter_update
from app.sales.outcomes import Reserved, SoldOut
from app.settings import GateSettings
from app.strategies.contention import Contention
from app.strategies.dependencies import StrategyDependencies
from app.strategies.gate_and_guard import GateAndGuardStrategy
from app.strategies.in_redis.keys import RedisKeys
from tests.strategies.doomed import buy_and_die
from tests.strategies.sale import create_sale, tally_of, won
from tests.support.rush import StoreAddresses
from tests.support.sales import a_purchase
from tests.support.until import until


class Unguarded(GateAndGuardStrategy):
    """The control: the ledger trusts the prefilter and does not check."""

    promises_exactness: ClassVar[bool] = False
    write: ClassVar[TextClause] = counter_update("remaining = greatest(remaining - :quantity, 1)")


@pytest.fixture
def prefilter(dependencies: StrategyDependencies) -> str:
    return RedisKeys(dependencies.gate_settings.key_prefix, "drop").prefilter(1)


async def test_a_prefilter_that_admits_everybody_sells_nothing_more(
    dependencies: StrategyDependencies, prefilter: str
) -> None:
    strategy = GateAndGuardStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=3)
    await dependencies.redis.set(prefilter, 1000)
    outcomes = [await strategy.buy(a_purchase()) for _ in range(6)]
    assert [type(outcome) for outcome in outcomes] == [Reserved] * 3 + [SoldOut] * 3
    assert (await tally_of(dependencies, sale)).booked == 3


async def test_without_the_guard_it_does(dependencies: StrategyDependencies, prefilter: str) -> None:
    strategy = Unguarded.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=3)
    await dependencies.redis.set(prefilter, 1000)
    for _ in range(6):
        won(await strategy.buy(a_purchase()))
    assert (await tally_of(dependencies, sale)).booked == 6


async def test_a_prefilter_that_admits_nobody_is_no_sold_out(
    dependencies: StrategyDependencies, prefilter: str
) -> None:
    strategy = GateAndGuardStrategy.build(dependencies)
    await create_sale(strategy, dependencies, stock=3)
    await dependencies.redis.set(prefilter, 0)
    with pytest.raises(Contention):
        await strategy.buy(a_purchase())
    await dependencies.redis.unlink(prefilter)
    won(await strategy.buy(a_purchase()))


async def test_the_tickets_of_a_dead_process_are_sold_when_the_prefilter_expires(
    dependencies: StrategyDependencies, addresses: StoreAddresses, failpoints: FailpointController
) -> None:
    strategy = GateAndGuardStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=2)
    failpoints.kill_at("after_decrement")
    await buy_and_die(GateAndGuardStrategy, addresses, a_purchase(quantity=2))

    async def sold() -> bool:
        try:
            return isinstance(await strategy.buy(a_purchase(quantity=2)), Reserved)
        except Contention:
            return False

    await until(sold)
    assert (await tally_of(dependencies, sale)).booked == 2


async def test_it_sells_without_redis(dependencies: StrategyDependencies) -> None:
    away = make_redis("redis://127.0.0.1:1/0", "test", GateSettings())
    strategy = GateAndGuardStrategy.build(replace(dependencies, redis=away))
    await create_sale(strategy, dependencies, stock=1)
    won(await strategy.buy(a_purchase()))
    assert await strategy.buy(a_purchase()) == SoldOut(0)
    await away.aclose()


async def test_the_prefilter_expires_within_a_second_used_or_not(
    dependencies: StrategyDependencies, prefilter: str
) -> None:
    strategy = GateAndGuardStrategy.build(dependencies)
    await create_sale(strategy, dependencies)
    for _ in range(2):
        await strategy.buy(a_purchase())
        assert await dependencies.redis.pttl(prefilter) <= 1000
