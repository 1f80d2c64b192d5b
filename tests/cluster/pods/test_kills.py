"""A pod is killed (SIGKILL, all its processes) while a crowd buys. Nothing that was promised is lost or sold twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.kubectl import until
from tests.cluster.manifests import flashsale
from tests.cluster.pods import verdict
from tests.cluster.pods.crowd import Crowd
from tests.cluster.pods.killer import Killer
from tests.cluster.pods.shop import Shop

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

BUYERS = 3000
PER_SECOND = 400
PATIENCE = 20  # tries more, with the same key: a store that restarts is away for seconds


@pytest.fixture(autouse=True)
def killer_is_ready(killer: Killer, nodes: list[str]) -> None:
    for node in nodes:
        killer.stand_ready(node)


@pytest.mark.parametrize("component", ["api", "worker", "operator", "valkey", "postgres"])
def test_a_pod_killed_in_mid_blast(
    shop: Shop, crowd: Crowd, killer: Killer, beside: ThreadPoolExecutor, component: str
) -> None:
    sale = f"{component}-dies"
    shop.kubectl.apply(flashsale(sale, {"stock": BUYERS}))
    shop.until_open(sale)
    victim = shop.pods(component)[0]
    blast = beside.submit(
        crowd.buy, shop.url, sale, requests=BUYERS, rate=PER_SECOND, retries=PATIENCE, concurrency=100
    )
    until(lambda: shop.bookings(sale).total() > BUYERS // 10, seconds=60)
    killer.kill(victim)
    assert not blast.done(), "the crowd had gone before"
    told = blast.result()
    shop.wait_restarted(victim)
    settled = verdict.check(shop, sale, told.records)
    assert told.outcomes == {"accepted": BUYERS}
    assert settled["stock"]["booked"] == BUYERS
