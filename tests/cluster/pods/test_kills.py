"""All processes of a pod get SIGKILL while a crowd buys. No promised ticket is lost or sold twice."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.manifests import flashsale
from tests.cluster.pods.buyers import RETRIES, buyers
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.exactness import assert_exact
from tests.cluster.pods.killer import Killer
from tests.cluster.pods.shop import Shop
from tests.support.until import block_until

pytestmark = [pytest.mark.cluster, pytest.mark.pods, pytest.mark.thorough, pytest.mark.timeout(400)]

SOME = 300


@pytest.fixture(autouse=True)
def killer_is_ready(killer: Killer, nodes: list[str]) -> None:
    for node in nodes:
        killer.prepare(node)


@pytest.mark.parametrize("component", ["api", "worker", "operator", "valkey", "postgres"])
def test_a_pod_killed_in_mid_blast(
    shop: Shop, crowd: CrowdPod, killer: Killer, background: ThreadPoolExecutor, component: str
) -> None:
    sale = f"{component}-dies"
    victim = shop.pods(component)[0]
    with buyers(shop, crowd, background, sale, retries=RETRIES) as load:
        block_until(lambda: shop.bookings(sale).total() > SOME, seconds=60)
        killer.kill(victim)
        back = background.submit(shop.wait_restarted, victim)
    settled = assert_exact(shop, sale, load.records(), since=back.result())
    print(f"\n{component}: exact {time.monotonic() - back.result():.1f} s after its return")
    assert load.outcomes().keys() == {"accepted"}
    assert component == "api" or load.turned_away == 0
    assert settled["stock"]["booked"] == len(load.records())


def test_a_pod_that_starts_while_the_stock_server_is_away_waits_for_it(
    shop: Shop, crowd: CrowdPod, killer: Killer
) -> None:
    """The pod's startup probe has passed, so the kubelet does not restart it in an outage, however long."""
    sale = "after-the-outage"
    shop.kubectl.apply(flashsale(sale))
    shop.until_open(sale)
    stock_server = f"statefulset/{shop.name('valkey')}"
    shop.kubectl("scale", stock_server, "--replicas=0")
    try:
        shop.kubectl("wait", f"pod/{shop.name('valkey')}-0", "--for=delete", "--timeout=60s", seconds=70)
        victim = shop.pods("api")[0]
        killer.kill(victim)

        def waits() -> bool:
            (container,) = shop.kubectl.get(f"pod/{victim['metadata']['name']}")["status"]["containerStatuses"]
            restarted = container["restartCount"] > victim["status"]["containerStatuses"][0]["restartCount"]
            return bool(restarted and container["started"] and not container["ready"])

        block_until(waits, seconds=60)
    finally:
        shop.kubectl("scale", stock_server, "--replicas=1")
    shop.wait_restarted(victim)
    shop.until_open(sale)
    bought = crowd.buy(shop.url, sale, requests=20, retries=RETRIES)
    assert bought.outcomes == {"accepted": 10, "sold-out": 10}
    assert_exact(shop, sale, bought.records)
