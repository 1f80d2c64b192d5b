"""`retry-storm`: everybody has read before anybody writes, so that whoever bets on being alone loses.

What it costs is seen in the attempts that failed, and in the requests that had to come again. Nobody may be told that
it is sold out while tickets are left.
"""

from app.blasts.load.process import run_in_process
from app.lab.race.contest import Contest, Contestant
from app.lab.race.ground import OwnGround
from app.lab.race.samples import counters_of
from app.lab.race.scenarios.scene import Scene, scene_of
from app.lab.race.stage import plan_of, staged
from app.strategies.dependencies import RegisteredStrategy

CROWD = 30  # as many as the connections of two API processes bear, with some to spare
CONTEST = Contest(stock=CROWD // 2, requests=2 * CROWD, concurrency=CROWD, think_ms=0, retries=20)


async def retry_storm(ground: OwnGround, strategy: type[RegisteredStrategy]) -> list[Scene]:
    contestant = Contestant(strategy)
    async with staged(ground, contestant, CONTEST) as opened_at:
        before = await counters_of(ground, strategy.name)
        ground.failpoints.meet_at("after_stock_read", CROWD)
        result = await run_in_process(plan_of(ground, contestant, CONTEST))
        ground.failpoints.clear()
        failed = (await counters_of(ground, strategy.name)).since(before)
        asked_again = sum(told.attempts - 1 for told in result.records)
        more = {"retries": failed.retries, "aborts": failed.aborts, "asked again": asked_again}
        return [await scene_of(ground, contestant, CONTEST, [result], opened_at, seen=more)]
