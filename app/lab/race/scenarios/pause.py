"""`pause`: who is about to sell the last ticket stands still, as in a collection of garbage, and another one comes.

A lock in Redis ends meanwhile, and its holder is not told. The first one wakes when the second has been answered, or
has waited longer than any lock lasts.
"""

import asyncio

from app.lab.load.runner import run_load
from app.lab.race.contest import Contest, Contestant
from app.lab.race.ground import OwnGround
from app.lab.race.scenarios.scene import Scene, scene_of
from app.lab.race.stage import plan_of, staged
from app.races.barriers import Point
from app.strategies.protocol import RegisteredStrategy

CONTEST = Contest(stock=1, requests=1, concurrency=1, think_ms=0, retries=20, seconds=25.0)
POINTS: tuple[Point, ...] = ("after_read", "after_decrement")
STANDS_SECONDS = 4.0  # a lock of app/strategies/in_redis/lock.py ends after two
ARRIVES_SECONDS = 10.0
LOOK_SECONDS = 0.01


async def pause(ground: OwnGround, strategy: type[RegisteredStrategy]) -> list[Scene]:
    contestant, conductor = Contestant(strategy), ground.conductor
    async with staged(ground, contestant, CONTEST) as opened_at:
        for point in POINTS:
            conductor.stop_at(point)
        first = asyncio.create_task(run_load(plan_of(ground, contestant, CONTEST)))
        try:
            stands = await _somebody_stands(ground, first)
            if stands is None:
                return []
            for point in POINTS:
                conductor.disarm(point)
            second = asyncio.create_task(run_load(plan_of(ground, contestant, CONTEST)))
            await asyncio.wait({second}, timeout=STANDS_SECONDS)
            waited = not second.done()
            conductor.release(stands)
            results = [await first, await second]
        finally:
            first.cancel()
            conductor.clear()
        more = {"stood": stands, "second": "waited" if waited else "went by"}
        return [await scene_of(ground, contestant, CONTEST, results, opened_at, seen=more)]


async def _somebody_stands(ground: OwnGround, buyer: "asyncio.Task[object]") -> Point | None:
    """Where. None: decided in one step, with nothing between to stand at."""
    async with asyncio.timeout(ARRIVES_SECONDS):
        while not buyer.done():
            for point in POINTS:
                if ground.conductor.happened(point, "stop"):
                    return point
            await asyncio.sleep(LOOK_SECONDS)
    return None
