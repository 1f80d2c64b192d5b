"""The README's steps from `helm install` to the first sales."""

from base64 import b64decode

import pytest

from tests.cluster.pods.blasts import blast
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.shop import Object, Shop
from tests.support.project import PROJECT

COMPONENTS = ("api", "worker", "operator", "blast-runner", "broker", "jaeger", "valkey", "postgres")
pytestmark = [pytest.mark.cluster, pytest.mark.pods, pytest.mark.thorough, pytest.mark.timeout(400)]


def test_everything_is_ready_in_a_restricted_namespace(shop: Shop) -> None:
    for component in COMPONENTS:
        pods = shop.pods(component)
        assert len(pods) == (2 if component == "api" else 1)
        for pod in pods:
            (container,) = pod["status"]["containerStatuses"]
            assert (container["ready"], container["restartCount"]) == (True, 0)


def test_the_samples_sell_exactly_ten_and_more_than_ten(shop: Shop, crowd: CrowdPod) -> None:
    sales = ("exact-drop", "racing-drop")
    for sale in sales:
        shop.kubectl("apply", f"--filename={PROJECT / 'k8s' / f'{sale}.yaml'}")
    shop.until_open(*sales)
    blast(shop, crowd, "exact-drop", requests=100)
    # The naive strategy pauses with an open connection: on a slow machine other buyers wait too long for one.
    blast(shop, crowd, "racing-drop", requests=100, may_fail=True)
    assert all(purchases(shop, pod) > 0 for pod in shop.pods("api")), "one pod answered everybody"
    atomic = shop.until_status(
        "exact-drop", lambda status: (status["phase"], status["stock"]["booked"]) == ("SoldOut", 10)
    )
    assert (atomic["stock"]["oversold"], atomic["stock"]["remaining"]) == (0, 0)
    naive = shop.until_status("racing-drop", lambda status: status["stock"]["oversold"] > 0)
    assert naive["stock"]["booked"] == 10 + naive["stock"]["oversold"] > 10


def test_helm_test_buys_a_ticket(shop: Shop) -> None:
    assert "Phase:          Succeeded" in shop.helm.test()


def test_secrets_appear_nowhere_else(shop: Shop) -> None:
    """This is the last test of its module, so that every pod has worked before it."""
    secrets = {b64decode(value).decode() for data in shop.passwords().values() for value in data.values()}
    assert len(secrets) == 4, "of three stores, and the admin's"
    texts = {pod: shop.kubectl("logs", pod, "--all-containers", "--tail=-1") for pod in shop.all_pods()}
    assert len(texts) >= len(COMPONENTS)
    texts |= {"describe": shop.kubectl("describe", "all,configmaps,jobs,flashsales")}
    texts |= {"specs": shop.kubectl("get", "all,configmaps,jobs,flashsales", "--output=yaml")}
    for place, text in texts.items():
        assert text
        assert not [secret for secret in secrets if secret in text], f"a secret is in {place}"


def purchases(shop: Shop, pod: Object) -> float:
    counted = [line for line in shop.metrics(pod).splitlines() if line.startswith("atomictickets_purchases_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in counted)
