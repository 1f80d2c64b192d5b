"""`retry-storm`: thirty buyers have read before one of them writes, so optimistic strategies must retry.

The cost is shown by the attempts that failed and by the requests that buyers had to repeat. No buyer may be refused as
sold out while tickets are left.
"""

from app.blasts.load.process import run_in_process
from app.lab.race.samples import counters_of
from app.lab.race.scenarios.scene import Scene, scene_of
from app.lab.race.stage import plan_of, staged
from app.lab.race.target import OwnTarget
from app.lab.race.workload import Contestant, Workload
from app.strategies.dependencies import RegisteredStrategy

CROWD = 30  # fewer than the 40 connections of two API processes to the ledger, as buyers spread unevenly over them
WORKLOAD = Workload(stock=CROWD // 2, requests=2 * CROWD, concurrency=CROWD, think_ms=0, retries=20)


async def retry_storm(target: OwnTarget, strategy: type[RegisteredStrategy]) -> list[Scene]:
    """Play the scenario with one strategy, and return its scene."""
    contestant = Contestant(strategy)
    async with staged(target, contestant, WORKLOAD) as opened_at:
        before = await counters_of(target, strategy.name)
        target.failpoints.meet_at("after_stock_read", CROWD)
        result = await run_in_process(plan_of(target, contestant, WORKLOAD))
        target.failpoints.clear()
        counters = (await counters_of(target, strategy.name)).since(before)
        asked_again = sum(record.attempts - 1 for record in result.records)
        figures = {"retries": counters.retries, "aborts": counters.aborts, "asked again": asked_again}
        return [await scene_of(target, contestant, WORKLOAD, [result], opened_at, figures=figures)]
