"""The lock in Redis: the damage by a holder that is slower than its lock, and why only the ledger can prevent it."""

import asyncio
from typing import ClassVar

import pytest
from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.failpoints import FailpointController
from app.ledger.counter import counter_update
from app.sales.attempt import Attempt, Hazard
from app.sales.outcomes import Outcome, Reserved, SoldOut
from app.strategies.contention import Conflict, Contention
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.strategy import Taken
from app.strategies.in_redis.keys import LIFE_SECONDS, RedisKeys
from app.strategies.in_redis.lock import LOCK_MS, SaleLock
from app.strategies.in_redis.locked import LockedStrategy
from app.strategies.redis_lock import RedisLockStrategy
from app.strategies.redis_lock_fenced import RedisLockFencedStrategy
from tests.strategies.sale import create_sale, insist, remaining, tally_of, won
from tests.support.sales import a_purchase
from tests.support.until import until

SHORT_LOCK_MS = 50


class ComparedAtTheWriteAlone(RedisLockFencedStrategy):
    """The control: the ledger learns a token only when it is written, and refuses older ones only then."""

    write: ClassVar[TextClause] = counter_update(
        "remaining = :computed, lock_token = :lock_token", "lock_token < :lock_token"
    )

    async def fence(self, connection: AsyncConnection, sale: str, token: int) -> None:
        """Do not yet send the token to the ledger."""


class Kept:
    """A recorder that keeps attempts in a list."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def record(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)


@pytest.fixture
def keys(dependencies: StrategyDependencies) -> RedisKeys:
    return RedisKeys(dependencies.gate_settings.key_prefix, "drop")


def impatient(
    strategy: type[LockedStrategy], dependencies: StrategyDependencies, attempts: Kept | None = None
) -> LockedStrategy:
    """Return the strategy with a lock that ends soon."""
    lock = SaleLock(dependencies.redis, dependencies.gate_settings.key_prefix, SHORT_LOCK_MS)
    return strategy(dependencies.engine, lock, attempts)


async def sell_out_while_one_sleeps(strategy: LockedStrategy, failpoints: FailpointController) -> list[Outcome]:
    """Let the first holder sleep between read and write until its lock has ended and all others have bought."""
    failpoints.stop_at("after_stock_read")
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(strategy.buy(a_purchase()))
        await until(lambda: failpoints.happened("after_stock_read", "stop"))
        outcomes: list[Outcome] = []
        while not outcomes or isinstance(outcomes[-1], Reserved):
            outcomes.append(await insist(strategy, a_purchase()))
        failpoints.release("after_stock_read")
    return [*outcomes, late.result()]


async def test_a_holder_that_outlasts_its_lock_sells_a_ticket_twice(
    dependencies: StrategyDependencies, failpoints: FailpointController
) -> None:
    kept = Kept()
    strategy = impatient(RedisLockStrategy, dependencies, kept)
    sale = await create_sale(strategy, dependencies, stock=3)
    *_, refused, late = await sell_out_while_one_sleeps(strategy, failpoints)
    assert refused == SoldOut(0)
    won(late)
    assert (await tally_of(dependencies, sale)).booked == 4
    assert await remaining(strategy, sale) == 2  # the value that it had computed; it undoes the sales in between
    first, *_, last = kept.attempts
    assert (first.hazard, last.hazard) == (Hazard.EXPIRED_LOCK, Hazard.EXPIRED_LOCK)
    assert (first.version_read, first.value_written) == (last.version_read, last.value_written)
    assert first.version_written != last.version_written


async def test_with_a_token_such_a_holder_writes_nothing(
    dependencies: StrategyDependencies, failpoints: FailpointController
) -> None:
    strategy = impatient(RedisLockFencedStrategy, dependencies)
    sale = await create_sale(strategy, dependencies, stock=3)
    *_, refused, late = await sell_out_while_one_sleeps(strategy, failpoints)
    assert (refused, late) == (SoldOut(0), SoldOut(0))
    assert (await tally_of(dependencies, sale)).booked == 3
    assert await remaining(strategy, sale) == 0


async def late_between_read_and_write(strategy: RedisLockFencedStrategy, dependencies: StrategyDependencies) -> None:
    """Let A read and sleep; B then has the lock, and reads; A writes; B writes."""
    async with dependencies.engine.connect() as first, dependencies.engine.connect() as second:
        a, b = a_purchase(), a_purchase()
        a_saw = await strategy.read_sale(first, a)
        b_saw = await strategy.read_sale(second, b)
        for connection, purchase, seen in ((first, a, a_saw), (second, b, b_saw)):
            taken = await strategy.take(connection, purchase, seen)
            assert isinstance(taken, Taken)
            await strategy.complete(connection, purchase, seen, taken)


async def test_a_token_that_only_the_write_compares_comes_too_late(dependencies: StrategyDependencies) -> None:
    strategy = ComparedAtTheWriteAlone.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=3)
    await late_between_read_and_write(strategy, dependencies)
    assert (await tally_of(dependencies, sale)).booked == 2
    assert await remaining(strategy, sale) == 2  # one of the two updates is lost


async def test_a_token_that_the_ledger_knows_from_the_read_on_does_not(dependencies: StrategyDependencies) -> None:
    strategy = RedisLockFencedStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=3)
    with pytest.raises(Conflict):
        await late_between_read_and_write(strategy, dependencies)
    assert (await tally_of(dependencies, sale)).booked == 0
    assert await remaining(strategy, sale) == 3


async def test_tokens_that_redis_forgot_are_skipped(dependencies: StrategyDependencies, keys: RedisKeys) -> None:
    strategy = RedisLockFencedStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=5)
    for _ in range(3):
        won(await strategy.buy(a_purchase()))
    await dependencies.redis.unlink(keys.lock_token)
    for _ in range(2):
        won(await strategy.buy(a_purchase()))
    assert (await tally_of(dependencies, sale)).booked == 5


@pytest.mark.parametrize(
    "strategy_class", [RedisLockStrategy, RedisLockFencedStrategy], ids=lambda strategy_class: strategy_class.name
)
async def test_a_lock_that_is_never_free_is_contention_and_takes_nothing(
    strategy_class: type[LockedStrategy], dependencies: StrategyDependencies, keys: RedisKeys
) -> None:
    strategy = strategy_class.build(dependencies)
    sale = await create_sale(strategy, dependencies)
    await dependencies.redis.set(keys.lock, "another's")
    with pytest.raises(Contention):
        await strategy.buy(a_purchase())
    assert await remaining(strategy, sale) == 5
    assert await dependencies.redis.get(keys.lock) == "another's"


async def test_a_late_holder_does_not_release_the_lock_of_the_next(
    dependencies: StrategyDependencies, keys: RedisKeys
) -> None:
    lock = SaleLock(dependencies.redis, keys.prefix)
    async with lock.held("drop"):
        assert 0 < await dependencies.redis.pttl(keys.lock) <= LOCK_MS
        await dependencies.redis.set(keys.lock, "the next one's")
    assert await dependencies.redis.get(keys.lock) == "the next one's"
    await dependencies.redis.unlink(keys.lock)
    async with lock.held("drop"):
        pass
    assert await dependencies.redis.get(keys.lock) is None


async def test_the_token_ends_when_nobody_buys_any_more(dependencies: StrategyDependencies, keys: RedisKeys) -> None:
    lock = SaleLock(dependencies.redis, keys.prefix)
    assert [await lock.token("drop"), await lock.token("drop")] == [1, 2]
    assert 0 < await dependencies.redis.ttl(keys.lock_token) <= LIFE_SECONDS


async def test_a_purchase_that_waits_too_long_for_its_turn_is_contention(
    dependencies: StrategyDependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.strategies.in_redis.locked.WAIT_SECONDS", 0.01)
    strategy = RedisLockStrategy.build(dependencies)
    await create_sale(strategy, dependencies, think_ms=200, stock=10)
    outcomes = await asyncio.gather(*(strategy.buy(a_purchase()) for _ in range(4)), return_exceptions=True)
    assert any(isinstance(outcome, Reserved) for outcome in outcomes)
    assert any(isinstance(outcome, Contention) and "wait" in outcome.detail for outcome in outcomes)
