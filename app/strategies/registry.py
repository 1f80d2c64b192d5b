"""The strategies of this release, by name. To add one, write its module and add its class here."""

import sys
from collections.abc import Mapping

from app.sales.strategy import Strategy
from app.strategies.advisory_lock import AdvisoryLockStrategy
from app.strategies.atomic import AtomicStrategy
from app.strategies.conditional_update import ConditionalUpdateStrategy
from app.strategies.db_gathered import DbGatheredStrategy
from app.strategies.dependencies import RegisteredStrategy, StrategyDependencies
from app.strategies.function import FunctionStrategy
from app.strategies.gate_and_guard import GateAndGuardStrategy
from app.strategies.lua_fire_and_forget import LuaFireAndForgetStrategy
from app.strategies.naive import NaiveStrategy
from app.strategies.naive_relative import NaiveRelativeStrategy
from app.strategies.optimistic import OptimisticStrategy
from app.strategies.redis_decr import RedisDecrStrategy
from app.strategies.redis_lock import RedisLockStrategy
from app.strategies.redis_lock_fenced import RedisLockFencedStrategy
from app.strategies.redis_watch import RedisWatchStrategy
from app.strategies.repeatable_read import RepeatableReadStrategy
from app.strategies.row_lock import RowLockStrategy
from app.strategies.serializable import SerializableStrategy
from app.strategies.sharded_counter import ShardedCounterStrategy
from app.strategies.single_statement import SingleStatementStrategy
from app.strategies.skip_locked import SkipLockedStrategy

STRATEGIES: Mapping[str, type[RegisteredStrategy]] = {
    strategy.name: strategy
    for strategy in (
        NaiveStrategy,
        NaiveRelativeStrategy,
        ConditionalUpdateStrategy,
        RowLockStrategy,
        OptimisticStrategy,
        RepeatableReadStrategy,
        SerializableStrategy,
        SkipLockedStrategy,
        AdvisoryLockStrategy,
        ShardedCounterStrategy,
        RedisDecrStrategy,
        RedisWatchStrategy,
        RedisLockStrategy,
        RedisLockFencedStrategy,
        LuaFireAndForgetStrategy,
        AtomicStrategy,
        FunctionStrategy,
        GateAndGuardStrategy,
        SingleStatementStrategy,
        DbGatheredStrategy,
    )
}
"""The classes by name, for code that reads what a strategy promises and does not sell."""


def build_strategies(dependencies: StrategyDependencies) -> Mapping[str, Strategy]:
    """Return one instance of each strategy, by name, for one process."""
    return {name: strategy.build(dependencies) for name, strategy in STRATEGIES.items()}


def strategy_names() -> tuple[str, ...]:
    """Return the names of the strategies, in the order of STRATEGIES."""
    return tuple(STRATEGIES)


def summary_of(strategy: type[RegisteredStrategy]) -> str:
    """Return what the strategy is: the first line of its module, without the name before the colon."""
    first, _, _ = (sys.modules[strategy.__module__].__doc__ or "").partition("\n")
    return first.partition(": ")[2]
