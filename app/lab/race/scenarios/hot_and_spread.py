"""`hot-and-spread`: the same purchases, sent to one sale (hot) and to a hundred sales (spread).

The ratio of the two rates is the cost of a hot row or a hot key.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace

from app.blasts.load.result import LoadResult
from app.blasts.load.runner import run_load
from app.lab.race.history import History
from app.lab.race.run import warm_up
from app.lab.race.sale_history import collect_history
from app.lab.race.scenarios.scene import Scene
from app.lab.race.stage import plan_of, settled, staged
from app.lab.race.target import OwnTarget, Target
from app.lab.race.workload import Contestant, Workload
from app.strategies.dependencies import RegisteredStrategy

SALES = 100
EACH = 10  # purchases and tickets of each sale, so that all purchases are accepted
HOT = Workload(stock=SALES * EACH, requests=SALES * EACH, concurrency=SALES, think_ms=0, retries=20)


async def hot_and_spread(target: OwnTarget, strategy: type[RegisteredStrategy]) -> list[Scene]:
    """Play the scenario with one strategy, and return its scene."""
    await warm_up(target, Contestant(strategy))
    hot, history = await _sell(target, strategy, sales=1)
    spread, other_history = await _sell(target, strategy, sales=SALES)
    history.merge(other_history)
    figures = {
        "stock": HOT.stock,
        "hot accepted/s": round(hot),
        "spread accepted/s": round(spread),
        "ratio": round(spread / max(1.0, hot), 2),
    }
    return [Scene(strategy=strategy.name, figures=figures, verdict=history.verdict(), history=history)]


async def _sell(target: Target, strategy: type[RegisteredStrategy], *, sales: int) -> tuple[float, History]:
    """Sell to the crowd over this many sales. Return the purchases accepted per second, and the merged history."""
    workload = replace(HOT, **{name: getattr(HOT, name) // sales for name in ("stock", "requests", "concurrency")})
    contestants = [Contestant(strategy) for _ in range(sales)]
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(staged(target, contestant, workload)) for contestant in contestants]
        plans = [plan_of(target, contestant, workload) for contestant in contestants]
        begun = time.monotonic()
        results = await asyncio.gather(*(run_load(plan) for plan in plans))
        seconds = time.monotonic() - begun
        history = History()
        for contestant, opened_at, result in zip(contestants, opened, results, strict=True):
            history.merge(await _history_of(target, contestant, workload, result, opened_at))
    return sum(result.accepted for result in results) / seconds, history


async def _history_of(
    target: Target, contestant: Contestant, workload: Workload, result: LoadResult, opened_at: float
) -> History:
    await settled(target, contestant, result.accepted)
    return await collect_history(target, contestant, workload, [result], opened_at) or History()
