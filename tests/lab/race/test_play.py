"""A strategy that fails in the middle of a scenario or of a race does not affect the other strategies."""

import asyncpg
from redis.exceptions import ConnectionError as RedisConnectionError

from app.lab.race.plain_race import race_all
from app.lab.race.scenarios.catalog import SCENARIOS, Scenario, play
from app.lab.race.scenarios.scene import Scene
from app.lab.race.target import OwnTarget, given_target
from app.lab.race.workload import Workload
from app.lab.stack.servers.ports import free_port
from app.lab.stack.supervised import supervised
from app.settings import GivenStores
from app.strategies.atomic import AtomicStrategy
from app.strategies.conditional_update import ConditionalUpdateStrategy
from app.strategies.dependencies import RegisteredStrategy
from app.strategies.naive import NaiveStrategy
from app.strategies.optimistic import OptimisticStrategy
from app.strategies.redis_decr import RedisDecrStrategy
from app.strategies.redis_lock import RedisLockStrategy
from app.strategies.row_lock import RowLockStrategy
from tests.fixtures.platform import MakePlatform

ERRORS: dict[type[RegisteredStrategy], tuple[Exception, str]] = {
    NaiveStrategy: (ConnectionResetError("by peer"), "ConnectionResetError: by peer"),
    RowLockStrategy: (asyncpg.InterfaceError("connection is closed"), "InterfaceError: connection is closed"),
    OptimisticStrategy: (asyncpg.AdminShutdownError("terminating"), "AdminShutdownError: terminating"),
    RedisDecrStrategy: (RedisConnectionError("refused"), "ConnectionError: refused"),
    RedisLockStrategy: (TimeoutError(), "TimeoutError: not in time"),
}


async def test_a_process_held_when_a_scenario_fails_is_resumed_for_the_next_strategy(target: OwnTarget) -> None:
    async def act(target: OwnTarget, strategy: type[RegisteredStrategy]) -> list[Scene]:
        if strategy in ERRORS:
            if strategy is NaiveStrategy:
                target.failpoints.stop_at("after_decrement")
                target.hold(target.workers)
            raise ERRORS[strategy][0]
        return await SCENARIOS["limit"].act(target, strategy)  # a worker has to book its one order

    scenes: list[Scene] = []
    failures: dict[str, str] = {}
    work = play(
        target,
        Scenario(act, "a test", "Most fail."),
        [*ERRORS, AtomicStrategy],
        print,
        scenes=scenes,
        failures=failures,
    )
    await supervised(work, target.supervisor)
    assert failures == {strategy.name: reason for strategy, (_, reason) in ERRORS.items()}
    assert [(scene.strategy, scene.figures["booked"], scene.found) for scene in scenes] == [("atomic", 1, {})]


async def test_a_ledger_that_cannot_be_read_fails_each_strategy_and_not_the_race(make_platform: MakePlatform) -> None:
    platform = await make_platform(idle=("worker-1", "reconcile"))
    stores = GivenStores.model_construct(database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    workload = Workload(stock=1, requests=2, concurrency=1, think_ms=0)
    strategies = [ConditionalUpdateStrategy, NaiveStrategy]
    outcome = await race_all(given_target(platform.url, stores), strategies, workload, repeat=2, say=print)
    assert not outcome.holds
    for entry in outcome.entries:
        assert entry.failure is not None
        assert entry.failure.startswith(("ConnectionRefusedError", "OSError"))
