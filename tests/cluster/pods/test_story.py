"""The one story of pods in the short tier: an install, a sale under fire, and the same exact outcome as ever."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.pods import verdict
from tests.cluster.pods.buyers import RETRIES, buyers
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.killer import Killer
from tests.cluster.pods.shop import Shop
from tests.support.until import block_until

pytestmark = [pytest.mark.cluster, pytest.mark.pods, pytest.mark.timeout(400)]

SOLD_BEFORE = 100


# 35 s with the install: eight pods start, four of them twice, on the two cores that buy as well.
def test_a_sale_stays_exact_while_a_pod_of_each_kind_is_killed(
    shop: Shop, crowd: CrowdPod, killer: Killer, beside: ThreadPoolExecutor, nodes: list[str]
) -> None:
    for node in nodes:
        killer.stand_ready(node)
    victims = []
    with buyers(shop, crowd, beside, "story", retries=RETRIES) as queue:
        block_until(lambda: shop.bookings("story").total() > SOLD_BEFORE, seconds=60)
        for component in ("valkey", "worker", "operator", "api"):
            victims.append(shop.pods(component)[0])
            killer.kill(victims[-1])
        list(beside.map(shop.wait_restarted, victims))
    assert queue.outcomes().keys() == {"accepted"}, json.dumps(queue.outcomes())
    settled = verdict.check(shop, "story", queue.records())
    assert settled["stock"]["booked"] == len(queue.records())
    assert "Phase:          Succeeded" in shop.helm.test()
