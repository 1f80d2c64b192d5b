"""`failover`: Redis forgets its last second. A replica takes its place that lacks the last orders.

Half of the stock is sold and replicated; then the replica is cut off, a few more are sold, the first server is killed,
and the replica answers at its address. A second crowd buys the rest. What the ledger has is not forgotten, so it
matters where an accepted order was.
"""

from dataclasses import replace

from redis.asyncio import Redis

from app.blasts.load.process import run_in_process
from app.lab.race.scenarios.scene import Scene, scene_of
from app.lab.race.stage import plan_of, settled, staged
from app.lab.race.target import OwnTarget
from app.lab.race.workload import Contestant, Workload
from app.lab.stack.servers.valkey import ValkeyServer
from app.lab.stack.waiting import NotInTime
from app.sales.strategy import AcceptedIn
from app.strategies.dependencies import RegisteredStrategy

STOCK = 12
FORGOTTEN = 4
REPLICATED_MS = 20_000
# One buyer after another: what a crowd breaks is another scenario.
WORKLOAD = Workload(stock=STOCK, requests=STOCK // 2, concurrency=1, think_ms=0, retries=20)


async def failover(target: OwnTarget, strategy: type[RegisteredStrategy]) -> list[Scene]:
    contestant, asynchronous = Contestant(strategy), strategy.accepted_in != AcceptedIn.LEDGER
    async with staged(target, contestant, WORKLOAD) as opened_at:
        kept = await run_in_process(plan_of(target, contestant, WORKLOAD))
        await settled(target, contestant, kept.accepted)
        if asynchronous:
            target.hold(target.workers)  # otherwise luck decides what is in the ledger before Redis forgets it
        replica = target.replica()
        try:
            replica.start()  # in the main thread, with which it ends; it takes a tenth of a second
            await promote_in_step(target, replica)
            forgotten = await run_in_process(plan_of(target, contestant, replace(WORKLOAD, requests=FORGOTTEN)))
            await target.fail_over(replica)
        except BaseException:
            replica.kill()  # nobody else knows it yet
            raise
        if asynchronous:
            await target.resume(target.workers)
        late = await run_in_process(plan_of(target, contestant, replace(WORKLOAD, requests=STOCK)))
        results = [kept, forgotten, late]
        return [
            await scene_of(target, contestant, WORKLOAD, results, opened_at, seen={"forgotten": forgotten.accepted})
        ]


async def promote_in_step(target: OwnTarget, replica: ValkeyServer) -> None:
    """The barrier: from a moment on at which the replica had all that was written, it follows no more."""
    async with Redis.from_url(str(target.redis_url)) as primary, primary.pipeline(transaction=False) as one_connection:
        one_connection.set("barrier", "1", ex=60)  # WAIT speaks of its own connection's writes
        one_connection.wait(1, REPLICATED_MS)
        if (await one_connection.execute())[1] != 1:
            raise NotInTime("The replica did not catch up.")
    async with Redis.from_url(replica.url) as client:
        await client.replicaof("NO", "ONE")
