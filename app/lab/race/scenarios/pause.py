"""`pause`: a purchase of the last ticket stops, as in a garbage collection, and a second purchase arrives.

A lock in Redis expires meanwhile, and its holder does not notice. The first purchase continues when the second has been
answered, or has waited longer than any lock lasts. A strategy that decides in one step can be stopped only in the
ledger, at the row that both purchases must write.
"""

import asyncio
from contextlib import AsyncExitStack

from app.blasts.load.result import LoadResult
from app.blasts.load.runner import run_load
from app.failpoints import Failpoint
from app.lab.race.scenarios.held_row import row_held
from app.lab.race.scenarios.scene import Scene, scene_of
from app.lab.race.stage import plan_of, staged
from app.lab.race.target import OwnTarget
from app.lab.race.workload import Contestant, Workload
from app.lab.stack.waiting import in_background, poll
from app.strategies.dependencies import RegisteredStrategy

WORKLOAD = Workload(stock=1, requests=1, concurrency=1, think_ms=0, retries=20, seconds=25.0)
POINTS: tuple[Failpoint, ...] = ("after_stock_read", "after_decrement")
PAUSE_SECONDS = 4.0  # a lock of app/strategies/in_redis/lock.py expires after 2 s
PAUSE_IN_LEDGER_SECONDS = 1.0  # in the ledger, whose locks do not expire but whose statements time out after 3 s
ARRIVES_SECONDS = 10.0


async def pause(target: OwnTarget, strategy: type[RegisteredStrategy]) -> list[Scene]:
    """Play the scenario with one strategy. Return its scene, or nothing if no purchase could be stopped."""
    scene = await _pause_at_failpoint(target, strategy) or await _pause_in_ledger(target, strategy)
    return [] if scene is None else [scene]


async def _pause_at_failpoint(target: OwnTarget, strategy: type[RegisteredStrategy]) -> Scene | None:
    """Stop the first purchase at a failpoint. Return None if no purchase passed one."""
    contestant, failpoints = Contestant(strategy), target.failpoints
    async with staged(target, contestant, WORKLOAD) as opened_at:
        try:
            for point in POINTS:
                failpoints.stop_at(point)
            async with in_background(run_load(plan_of(target, contestant, WORKLOAD))) as first:
                stopped_at = await _stopped_at(target, first)
                if stopped_at is None:
                    return None
                for point in POINTS:
                    failpoints.disarm(point)
                async with in_background(run_load(plan_of(target, contestant, WORKLOAD))) as second:
                    await asyncio.wait({second}, timeout=PAUSE_SECONDS)
                    waited = not second.done()
                    failpoints.release(stopped_at)
                    results = [await first, await second]
        finally:
            failpoints.clear()
        return await _scene(target, contestant, results, opened_at, stopped_at, waited=waited)


async def _pause_in_ledger(target: OwnTarget, strategy: type[RegisteredStrategy]) -> Scene | None:
    """Stop the first purchase at the row of the counter. Return None if a purchase does not need that row."""
    contestant = Contestant(strategy)
    async with staged(target, contestant, WORKLOAD) as opened_at:
        async with AsyncExitStack() as buyers:
            async with row_held(target, contestant.sale) as purchase_waits:
                first = await buyers.enter_async_context(in_background(run_load(plan_of(target, contestant, WORKLOAD))))
                if await purchase_waits(first) is None:
                    return None
                second = await buyers.enter_async_context(
                    in_background(run_load(plan_of(target, contestant, WORKLOAD)))
                )
                await asyncio.wait({second}, timeout=PAUSE_IN_LEDGER_SECONDS)
                waited = not second.done()
            results = [await first, await second]
        return await _scene(target, contestant, results, opened_at, "in the ledger", waited=waited)


async def _scene(
    target: OwnTarget, contestant: Contestant, results: list[LoadResult], opened_at: float, place: str, *, waited: bool
) -> Scene:
    figures = {"stopped at": place, "waited": "yes" if waited else "no"}
    return await scene_of(target, contestant, WORKLOAD, results, opened_at, figures=figures)


async def _stopped_at(target: OwnTarget, buyer: "asyncio.Task[object]") -> Failpoint | None:
    """Wait until the purchase stands at a failpoint, and return that point.

    Return None if the buyer was answered first: the strategy decides in one step. Raise TimeoutError after 10 s.
    """

    async def stopped_point() -> Failpoint | None:
        return next((point for point in POINTS if target.failpoints.happened(point, "stop")), None)

    point: Failpoint | None = await poll(stopped_point, seconds=ARRIVES_SECONDS, unless=buyer.done)
    if point is None and not buyer.done():
        raise TimeoutError
    return point
