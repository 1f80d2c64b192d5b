"""From `helm install` to the first sales: what the README shows."""

import pytest

from tests.cluster.pods.blasts import blast
from tests.cluster.pods.crowd import Crowd
from tests.cluster.pods.shop import Object, Shop
from tests.fixtures.servers import PROJECT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


def test_everything_is_ready_in_a_restricted_namespace(shop: Shop) -> None:
    for component in ("api", "worker", "operator", "blaster", "broker", "jaeger", "valkey", "postgres"):
        pods = shop.pods(component)
        assert len(pods) == (2 if component == "api" else 1)
        for pod in pods:
            (container,) = pod["status"]["containerStatuses"]
            assert (container["ready"], container["restartCount"]) == (True, 0)


def test_the_samples_sell_exactly_ten_and_more_than_ten(shop: Shop, crowd: Crowd) -> None:
    sales = ("atomic-drop", "naive-drop")
    for sale in sales:
        shop.kubectl("apply", f"--filename={PROJECT / 'k8s' / f'{sale}.yaml'}")
    shop.until_open(*sales)
    for sale in sales:
        blast(shop, crowd, sale, requests=100)
    assert all(purchases(shop, pod) > 0 for pod in shop.pods("api")), "one pod answered everybody"
    atomic = shop.until_status("atomic-drop", lambda status: status["stock"]["booked"] == 10)
    assert (atomic["phase"], atomic["stock"]["oversold"], atomic["stock"]["remaining"]) == ("SoldOut", 0, 0)
    naive = shop.until_status("naive-drop", lambda status: status["stock"]["oversold"] > 0)
    assert naive["stock"]["booked"] == 10 + naive["stock"]["oversold"] > 10


def test_helm_test_buys_a_ticket(shop: Shop) -> None:
    assert "Phase:          Succeeded" in shop.helm.test()


def test_a_password_is_in_no_log(shop: Shop) -> None:
    secrets = {shop.admin_token()}
    for component in ("api", "worker", "operator", "blaster", "migrate"):
        logs = shop.kubectl("logs", f"--selector=app.kubernetes.io/component={component}", "--tail=-1")
        assert logs
        assert not any(secret in logs for secret in secrets)


def purchases(shop: Shop, pod: Object) -> float:
    counted = [line for line in shop.metrics(pod).splitlines() if line.startswith("atomictickets_purchases_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in counted)
