"""`crash`: a process dies at the worst moment. The buyer whose connection broke asks again with the same key.

If the decision is in one store and the order is on its way to another, such a death loses orders or leaks tickets. The
process dies at the first of these points that the strategy's purchases pass: after the decrement in Redis, after the
read of the stock, or while the statement waits in the ledger. If orders are sent as tasks, there are two more scenes:
the worker that took a task dies, and the broker that holds all tasks dies.
"""

import time
from contextlib import AsyncExitStack

from app.blasts.load.process import run_in_process
from app.failpoints import Failpoint
from app.lab.race.scenarios.held_row import row_held
from app.lab.race.scenarios.scene import Scene, scene_of
from app.lab.race.stage import plan_of, staged
from app.lab.race.target import OwnTarget
from app.lab.race.workload import Contestant, Workload
from app.lab.stack.waiting import in_background
from app.sales.strategy import AcceptedIn
from app.strategies.dependencies import RegisteredStrategy

# One buyer after another, so that one purchase is under way when the process dies. The last four find it sold out.
WORKLOAD = Workload(stock=4, requests=8, concurrency=1, think_ms=0, retries=20)


async def crash(target: OwnTarget, strategy: type[RegisteredStrategy]) -> list[Scene]:
    """Play the scenario with one strategy, and return one scene for each death."""
    scene = (
        await _die_at(target, strategy, "after_decrement")
        or await _die_at(target, strategy, "after_stock_read")
        or await _die_in_ledger(target, strategy)
    )
    scenes = [] if scene is None else [scene]
    if strategy.accepted_in == AcceptedIn.PROCESS:
        scene = await _die_at(target, strategy, "task_taken")
        scenes += [] if scene is None else [scene]
        scenes.append(await _broker_dies(target, strategy))
    return scenes


async def _die_at(target: OwnTarget, strategy: type[RegisteredStrategy], point: Failpoint) -> Scene | None:
    """Kill the process that passes this failpoint. Return None if no purchase passed it."""
    contestant = Contestant(strategy)
    async with staged(target, contestant, WORKLOAD) as opened_at:
        target.failpoints.kill_at(point)
        result = await run_in_process(plan_of(target, contestant, WORKLOAD))
        process = "worker" if point == "task_taken" else "api"
        if process == "api" and not target.failpoints.happened(point, "kill"):
            target.failpoints.clear()
            return None
        death = (process, point, time.time())
        scene = await scene_of(
            target, contestant, WORKLOAD, [result], opened_at, crashes=[death], figures={"died": f"{process} {point}"}
        )
        died = target.failpoints.happened(point, "kill")
        target.failpoints.clear()
    await target.wait_until_ready()
    return scene if died else None


async def _die_in_ledger(target: OwnTarget, strategy: type[RegisteredStrategy]) -> Scene | None:
    """Kill the API process whose purchase waits for the sale's row. Return None if no purchase waits for it.

    PostgreSQL notices the dead client only after the row is free, so it may still execute the statement.
    """
    contestant = Contestant(strategy)
    async with staged(target, contestant, WORKLOAD) as opened_at, AsyncExitStack() as buyers:
        async with row_held(target, contestant.sale) as purchase_waits:
            crowd = await buyers.enter_async_context(
                in_background(run_in_process(plan_of(target, contestant, WORKLOAD)))
            )
            port = await purchase_waits(crowd)
            if port is not None:
                target.kill_holder_of(port)
        death = ("api", "in the ledger", time.time())
        scene = await scene_of(
            target,
            contestant,
            WORKLOAD,
            [await crowd],
            opened_at,
            crashes=[death],
            figures={"died": "api in the ledger"},
        )
    await target.wait_until_ready()
    return None if port is None else scene


async def _broker_dies(target: OwnTarget, strategy: type[RegisteredStrategy]) -> Scene:
    """Kill the broker while it holds all orders.

    The broker keeps nothing on disk, because for all other strategies it carries only hints.
    """
    contestant = Contestant(strategy)
    async with staged(target, contestant, WORKLOAD) as opened_at:
        target.hold(target.workers)
        result = await run_in_process(plan_of(target, contestant, WORKLOAD))
        target.hold(["broker"])
        death = ("broker", "with all orders", time.time())
        await target.resume(["broker", *target.workers])
        return await scene_of(
            target,
            contestant,
            WORKLOAD,
            [result],
            opened_at,
            crashes=[death],
            figures={"died": "broker with all orders"},
        )
