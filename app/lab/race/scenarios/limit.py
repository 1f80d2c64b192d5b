"""`limit`: a customer who may have one ticket clicks at once in eight tabs.

All eight have counted his tickets before one of them writes, as far as the strategy lets them: that is write skew. No
row is written twice, so a strategy that guards only the stock does not notice.
"""

from app.blasts.load.process import run_in_process
from app.lab.race.contest import Contest, Contestant
from app.lab.race.ground import OwnGround
from app.lab.race.scenarios.scene import Scene, scene_of
from app.lab.race.stage import plan_of, staged
from app.strategies.dependencies import RegisteredStrategy

TABS = 8
CONTEST = Contest(stock=100, requests=TABS, concurrency=TABS, think_ms=0, customers=1, customer_limit=1, retries=20)


async def limit(ground: OwnGround, strategy: type[RegisteredStrategy]) -> list[Scene]:
    contestant = Contestant(strategy)
    async with staged(ground, contestant, CONTEST) as opened_at:
        ground.failpoints.meet_at("after_stock_read", TABS)
        result = await run_in_process(plan_of(ground, contestant, CONTEST))
        ground.failpoints.clear()
        return [await scene_of(ground, contestant, CONTEST, [result], opened_at)]
