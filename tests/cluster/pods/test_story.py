"""The one test of pods in the short tier: an install, and a sale that stays exact while pods are killed."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.pods.buyers import RETRIES, buyers
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.exactness import assert_exact
from tests.cluster.pods.killer import Killer
from tests.cluster.pods.shop import Shop
from tests.support.until import block_until

pytestmark = [pytest.mark.cluster, pytest.mark.pods, pytest.mark.timeout(400)]

SOLD_BEFORE = 100


# With the install this takes 35 s: eight pods start, four of them twice, on the two cores that also run the buyers.
def test_a_sale_stays_exact_while_a_pod_of_each_kind_is_killed(
    shop: Shop, crowd: CrowdPod, killer: Killer, background: ThreadPoolExecutor, nodes: list[str]
) -> None:
    for node in nodes:
        killer.prepare(node)
    victims = []
    with buyers(shop, crowd, background, "story", retries=RETRIES) as load:
        block_until(lambda: shop.bookings("story").total() > SOLD_BEFORE, seconds=60)
        for component in ("valkey", "worker", "operator", "api"):
            victims.append(shop.pods(component)[0])
            killer.kill(victims[-1])
        list(background.map(shop.wait_restarted, victims))
    assert load.outcomes().keys() == {"accepted"}, json.dumps(load.outcomes())
    settled = assert_exact(shop, "story", load.records())
    assert settled["stock"]["booked"] == len(load.records())
    assert "Phase:          Succeeded" in shop.helm.test()
