"""`failover`: a replica of Redis that lacks the last orders takes over, so Redis has forgotten its last second.

Half of the stock is sold and replicated. Then the replica is cut off, a few more tickets are sold, the first server is
killed, and the replica answers at its address. A second crowd buys the rest. The ledger forgets nothing, so the result
depends on the place of an accepted order.
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
# One buyer after another, because the damage that a crowd does is measured by the plain race.
WORKLOAD = Workload(stock=STOCK, requests=STOCK // 2, concurrency=1, think_ms=0, retries=20)


async def failover(target: OwnTarget, strategy: type[RegisteredStrategy]) -> list[Scene]:
    """Play the scenario with one strategy, and return its scene."""
    contestant, asynchronous = Contestant(strategy), strategy.accepted_in != AcceptedIn.LEDGER
    async with staged(target, contestant, WORKLOAD) as opened_at:
        kept = await run_in_process(plan_of(target, contestant, WORKLOAD))
        await settled(target, contestant, kept.accepted)
        if asynchronous:
            target.hold(target.workers)  # otherwise chance decides which orders are booked before Redis forgets them
        replica = target.replica()
        try:
            replica.start()  # in the main thread, because the server ends with the thread that starts it; takes 0.1 s
            await cut_off_when_in_sync(target, replica)
            forgotten = await run_in_process(plan_of(target, contestant, replace(WORKLOAD, requests=FORGOTTEN)))
            await target.fail_over(replica)
        except BaseException:
            replica.kill()  # the supervisor does not know it yet
            raise
        if asynchronous:
            await target.resume(target.workers)
        late = await run_in_process(plan_of(target, contestant, replace(WORKLOAD, requests=STOCK)))
        results = [kept, forgotten, late]
        return [
            await scene_of(
                target, contestant, WORKLOAD, results, opened_at, figures={"not replicated": forgotten.accepted}
            )
        ]


async def cut_off_when_in_sync(target: OwnTarget, replica: ValkeyServer) -> None:
    """Wait until the replica has everything that was written so far, and stop its replication.

    Raise NotInTime if it does not catch up within 20 s.
    """
    async with Redis.from_url(str(target.redis_url)) as primary, primary.pipeline(transaction=False) as one_connection:
        one_connection.set("barrier", "1", ex=60)  # WAIT waits for the writes of its own connection only
        one_connection.wait(1, REPLICATED_MS)
        if (await one_connection.execute())[1] != 1:
            raise NotInTime(f"The replica did not catch up within {REPLICATED_MS / 1000:.0f} s.")
    async with Redis.from_url(replica.url) as client:
        await client.replicaof("NO", "ONE")
