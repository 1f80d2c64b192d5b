"""Each strategy keeps its promise because of its protection: without it, the same purchases oversell.

Nothing is left to luck. The test holds the row of the sale's counter until every purchase has gone as far as it can,
and waits or is done. Then it releases the row. By then every purchase that read without protection has a stale value.
"""

import asyncio
from typing import ClassVar, cast

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.failpoints import FailpointController
from app.ledger.counter import READ_REMAINING, counter_update
from app.ledger.purchases import SaleState
from app.ledger.sales import SaleRepository
from app.sales.model import Purchase, SaleTerms
from app.sales.outcomes import Outcome, Reserved
from app.strategies import sharded_counter, single_statement
from app.strategies.advisory_lock import AdvisoryLockStrategy
from app.strategies.conditional_update import ConditionalUpdateStrategy
from app.strategies.db_gathered import DbGatheredStrategy
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.strategy import Isolation, LedgerStrategy
from app.strategies.naive import NaiveStrategy
from app.strategies.naive_relative import NaiveRelativeStrategy
from app.strategies.optimistic import OptimisticStrategy
from app.strategies.repeatable_read import RepeatableReadStrategy
from app.strategies.row_lock import RowLockStrategy
from app.strategies.serializable import SerializableStrategy
from app.strategies.sharded_counter import ShardedCounterStrategy
from app.strategies.single_statement import SingleStatementStrategy
from tests.strategies.sale import create_sale, insist, won
from tests.strategies.waiting import lock_waiters
from tests.support.sales import a_purchase
from tests.support.toy_strategy import ToyStrategy
from tests.support.until import until

STOCK, BUYERS = 2, 8
RELATIVE = counter_update("remaining = remaining - :quantity")

HOLD = text("SELECT 1 FROM inventory FOR NO KEY UPDATE")


class Unconditional(ConditionalUpdateStrategy):
    write: ClassVar[TextClause] = RELATIVE


class Unlocked(RowLockStrategy):
    locking: ClassVar[str] = ""


class Unversioned(OptimisticStrategy):
    write: ClassVar[TextClause] = RELATIVE


class RepeatableReadCommitted(RepeatableReadStrategy):
    isolation: ClassVar[Isolation] = "READ COMMITTED"


class SerializableReadCommitted(SerializableStrategy):
    isolation: ClassVar[Isolation] = "READ COMMITTED"


class Unadvised(AdvisoryLockStrategy):
    async def read_sale(self, connection: AsyncConnection, purchase: Purchase) -> SaleState:
        return await LedgerStrategy.read_sale(self, connection, purchase)


class GatheredUnlocked(DbGatheredStrategy):
    locking: ClassVar[str] = ""


class Forgetful(SingleStatementStrategy):
    """The control of its strategy, whose statement the fixture `without_guards` changes."""


class Scattered(ShardedCounterStrategy):
    """The control of its strategy, whose statement the fixture `without_guards` changes."""


class Unlatched(ToyStrategy):
    second_read: ClassVar[TextClause] = READ_REMAINING


class LimitUnlocked(ConditionalUpdateStrategy):
    locks_customer: ClassVar[bool] = False


class LimitInASnapshot(ShardedCounterStrategy):
    """REPEATABLE READ in place of the lock. The purchases write different rows, so none is refused."""

    isolation: ClassVar[Isolation] = "REPEATABLE READ"
    locks_customer: ClassVar[bool] = False


class LimitSerializable(ShardedCounterStrategy):
    isolation: ClassVar[Isolation] = "SERIALIZABLE"
    locks_customer: ClassVar[bool] = False


CONTROLS: dict[type[LedgerStrategy], type[LedgerStrategy]] = {
    ConditionalUpdateStrategy: Unconditional,
    RowLockStrategy: Unlocked,
    OptimisticStrategy: Unversioned,
    RepeatableReadStrategy: RepeatableReadCommitted,
    SerializableStrategy: SerializableReadCommitted,
    AdvisoryLockStrategy: Unadvised,
    ShardedCounterStrategy: Scattered,
    SingleStatementStrategy: Forgetful,
    DbGatheredStrategy: GatheredUnlocked,
    ToyStrategy: Unlatched,
}


@pytest.fixture
def without_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the statements of the two strategies whose protection is inside a statement."""
    unlocked = str(sharded_counter.LOCK_COUNTER).removesuffix("FOR NO KEY UPDATE")
    monkeypatch.setattr(sharded_counter, "LOCK_COUNTER", text(unlocked))
    stale = str(single_statement.BUY).replace("i.remaining >= :quantity", "seen.remaining >= :quantity")
    monkeypatch.setattr(single_statement, "BUY", text(stale))


async def sell(
    strategy: type[LedgerStrategy],
    dependencies: StrategyDependencies,
    *,
    guarded: bool,
    customers: int = BUYERS,
    limit: int | None = None,
) -> list[Outcome]:
    """Make BUYERS purchases, each by a strategy of its own, as in different processes, and return the outcomes.

    All of them have gone as far as they can before the counter's row is released.
    """
    terms = SaleTerms(name="drop", strategy="any", stock=STOCK, customer_limit=limit, think_ms=0)
    await SaleRepository(dependencies.engine).create(terms, guarded=guarded)
    instances = [strategy.build(dependencies) for _ in range(BUYERS)]
    async with dependencies.engine.connect() as holder:
        await holder.execute(HOLD)
        purchases = [
            asyncio.create_task(insist(instance, a_purchase(f"customer-{number % customers}")))
            for number, instance in enumerate(instances)
        ]

        async def all_wait_or_are_done() -> bool:
            return await lock_waiters(dependencies.engine) + sum(task.done() for task in purchases) == BUYERS

        await until(all_wait_or_are_done)
        await holder.rollback()
        outcomes = await asyncio.gather(*purchases, return_exceptions=True)
    for instance in instances:
        await instance.close()
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return cast("list[Outcome]", outcomes)


def sold(outcomes: list[Outcome]) -> int:
    return sum(isinstance(outcome, Reserved) for outcome in outcomes)


async def booked(engine: AsyncEngine) -> int:
    return (await SaleRepository(engine).tally("drop", 1)).booked


@pytest.mark.parametrize("strategy", CONTROLS, ids=lambda strategy: strategy.name)
async def test_with_its_protection_it_sells_exactly_the_stock(
    strategy: type[LedgerStrategy], dependencies: StrategyDependencies
) -> None:
    outcomes = await sell(strategy, dependencies, guarded=True)
    assert (sold(outcomes), await booked(dependencies.engine)) == (STOCK, STOCK)


@pytest.mark.usefixtures("without_guards")
@pytest.mark.parametrize("strategy", CONTROLS, ids=lambda strategy: strategy.name)
async def test_without_its_protection_it_oversells(
    strategy: type[LedgerStrategy], dependencies: StrategyDependencies
) -> None:
    outcomes = await sell(CONTROLS[strategy], dependencies, guarded=False)
    assert sold(outcomes) == await booked(dependencies.engine) > STOCK


@pytest.mark.usefixtures("without_guards")
async def test_behind_a_mistake_in_a_strategy_the_ledger_has_a_guard(dependencies: StrategyDependencies) -> None:
    with pytest.raises(IntegrityError, match="never_oversold"):
        await sell(Unlocked, dependencies, guarded=True)
    assert await booked(dependencies.engine) <= STOCK


@pytest.mark.parametrize("strategy", [NaiveStrategy, NaiveRelativeStrategy], ids=lambda strategy: strategy.name)
async def test_what_promises_nothing_sells_to_all_who_read_the_same(
    strategy: type[LedgerStrategy], dependencies: StrategyDependencies
) -> None:
    outcomes = await sell(strategy, dependencies, guarded=False)
    assert sold(outcomes) == await booked(dependencies.engine) == BUYERS


@pytest.mark.parametrize(
    ("strategy", "kept"),
    [(ConditionalUpdateStrategy, True), (LimitUnlocked, False), (NaiveStrategy, False), (NaiveRelativeStrategy, False)],
    ids=lambda strategy: getattr(strategy, "__name__", ""),
)
async def test_a_limit_is_kept_by_the_lock_of_its_customer(
    strategy: type[LedgerStrategy], dependencies: StrategyDependencies, *, kept: bool
) -> None:
    outcomes = await sell(strategy, dependencies, guarded=False, customers=1, limit=1)
    assert (sold(outcomes) == 1) is kept


@pytest.mark.parametrize(
    ("strategy", "kept"),
    [(ShardedCounterStrategy, True), (LimitInASnapshot, False), (LimitSerializable, True)],
    ids=lambda strategy: getattr(strategy, "__name__", ""),
)
async def test_a_limit_over_different_rows_is_write_skew_below_serializable(
    strategy: type[LedgerStrategy],
    dependencies: StrategyDependencies,
    monkeypatch: pytest.MonkeyPatch,
    failpoints: FailpointController,
    *,
    kept: bool,
) -> None:
    """Two purchases of one customer take from two buckets. Both count the customer's tickets before either writes."""
    instance = strategy.build(dependencies)
    await create_sale(instance, dependencies, stock=1000, customer_limit=1)
    won(await instance.buy(a_purchase("the first one deals to all buckets")))
    buckets = iter([1, 2] * 10)
    monkeypatch.setattr("app.strategies.sharded_counter.random.randint", lambda *_: next(buckets))
    if not strategy.locks_customer:  # then both do meet, however long the second one takes to connect
        monkeypatch.setattr("app.failpoints.MAX_MEETING_SECONDS", 30.0)
    failpoints.meet_at("after_stock_read", 2)
    outcomes = await asyncio.gather(*(instance.buy(a_purchase("ada")) for _ in range(2)))
    assert (sold(outcomes) == 1) is kept
