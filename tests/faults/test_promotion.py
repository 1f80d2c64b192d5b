"""The stock server dies, and a Sentinel or the majority of a Redis Cluster promotes a replica.

Replication is asynchronous, so the replica may lack the last orders. They are counted, and no ticket is sold twice.
"""

from collections.abc import Callable

from app.gate.replies import GateUnavailable
from tests.faults.consistency import assert_consistent
from tests.fixtures.cluster import MakeCluster
from tests.fixtures.platform import MakePlatform
from tests.support.platform import PLENTY, Platform
from tests.support.sentinel import SentinelGroup
from tests.support.until import until


async def sell_through_a_promotion(platform: Platform, kill: Callable[[], None], sale: str) -> None:
    """Kill the primary during a blast, in which buyers ask again with their keys until their outcome is known."""
    await platform.create_sale(sale, stock=PLENTY)

    async def successor_sells() -> bool:
        try:
            snapshot = await platform.gate.snapshot(sale)
        except GateUnavailable:
            return False
        return snapshot is not None and snapshot.epoch > 1 and snapshot.state == "open"

    async with platform.buyers(sale) as load:
        kill()
        await until(successor_sells)
    crowd = load.result()
    assert crowd.outcomes == {"accepted": crowd.sent}
    await assert_consistent(platform, sale, crowd.records, lost=None)
    view = await platform.view(sale)  # after the receipts, which the check waits for
    assert view["booked"] <= crowd.sent <= view["booked"] + view["lost"]


async def test_a_sentinel_promotes_a_replica_in_mid_sale(
    make_sentinel_group: Callable[[], SentinelGroup], make_platform: MakePlatform
) -> None:
    group = make_sentinel_group()
    platform = await make_platform(api=2, redis_url=group.url)
    await sell_through_a_promotion(platform, group.primary.kill, "drop")


async def test_a_cluster_elects_a_replica_in_mid_sale_while_other_primaries_sell_on(
    make_cluster: MakeCluster, make_platform: MakePlatform
) -> None:
    cluster = await make_cluster(replica=True)
    platform = await make_platform(api=2, idle=("reconcile",), redis_url=cluster.url)
    affected, unaffected = cluster.sale_on(0), cluster.sale_on(1)
    await platform.create_sale_of_first_epoch(unaffected, stock=5)
    await sell_through_a_promotion(platform, cluster.servers[0].kill, affected)
    other = await platform.blast(unaffected, 10)
    assert other.outcomes == {"accepted": 5, "sold-out": 5}
    assert (await assert_consistent(platform, unaffected, other.records))["epoch"] == 1
