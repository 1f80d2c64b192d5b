"""`limit`: a customer with a limit of one ticket clicks in eight tabs at once.

If the strategy permits it, all eight purchases have counted the customer's tickets before one of them writes, which is
write skew. No row is written twice, so a strategy that guards only the stock does not notice.
"""

from app.blasts.load.process import run_in_process
from app.lab.race.scenarios.scene import Scene, scene_of
from app.lab.race.stage import plan_of, staged
from app.lab.race.target import OwnTarget
from app.lab.race.workload import Contestant, Workload
from app.strategies.dependencies import RegisteredStrategy

TABS = 8
WORKLOAD = Workload(stock=100, requests=TABS, concurrency=TABS, think_ms=0, customers=1, customer_limit=1, retries=20)


async def limit(target: OwnTarget, strategy: type[RegisteredStrategy]) -> list[Scene]:
    """Play the scenario with one strategy, and return its scene."""
    contestant = Contestant(strategy)
    async with staged(target, contestant, WORKLOAD) as opened_at:
        target.failpoints.meet_at("after_stock_read", TABS)
        result = await run_in_process(plan_of(target, contestant, WORKLOAD))
        target.failpoints.clear()
        return [await scene_of(target, contestant, WORKLOAD, [result], opened_at)]
