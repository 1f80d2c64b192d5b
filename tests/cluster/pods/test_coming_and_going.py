"""Releases are installed, uninstalled and installed again, with sales running, alone and next to each other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.kit import exclusively
from tests.cluster.kubectl import Kubectl
from tests.cluster.manifests import flashsale
from tests.cluster.pods.buyers import SteadyLoad
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.exactness import assert_exact, is_exact
from tests.cluster.pods.shop import READY_SECONDS, Shop
from tests.support.until import block_until

pytestmark = [pytest.mark.cluster, pytest.mark.pods, pytest.mark.thorough, pytest.mark.timeout(600)]

DEFINITION = "crd/flashsales.atomictickets.dev"
# With these, two releases fit on a node of two cores, in addition to the shop that the other tests share.
SMALL = (
    *(f"{each}.resources.requests.cpu=20m" for each in ("api", "worker", "operator", "valkey", "broker", "postgres")),
    *("api.replicas=1", "blastRunner.enabled=false", "jaeger.enabled=false"),
)


@pytest.fixture(scope="module")
def shop(own_namespace: Kubectl, image: str) -> Shop:
    shop = Shop(own_namespace, image)
    with exclusively("definition"):
        shop.install(*SMALL)
    return shop


def test_an_uninstall_keeps_sales_and_data_for_the_next_install(
    shop: Shop, own_crowd: CrowdPod, background: ThreadPoolExecutor
) -> None:
    sale = "lasting"
    shop.kubectl.apply(flashsale(sale, {"stock": 1000}))
    shop.until_open(sale)
    bought = own_crowd.buy(shop.url, sale, requests=300, retries=3)
    assert bought.outcomes == {"accepted": 300}
    assert_exact(shop, sale, bought.records)
    passwords, before = shop.passwords(), shop.kubectl.get(f"flashsale/{sale}")["status"]
    load = SteadyLoad(shop, own_crowd, sale, retries=0)
    running = background.submit(load.run)
    try:
        block_until(lambda: shop.bookings(sale).total() > 300, seconds=30)
        shop.helm.uninstall()
    finally:
        load.stop()
    running.result()
    assert load.turned_away + sum(result.errors for result in load.results) > 0, "nobody bought while it went"
    left = {
        "PersistentVolumeClaim": {"data-atomictickets-postgres-0", "data-atomictickets-valkey-0"},
        "Secret": set(passwords),
        "FlashSale": {sale},
        "Pod": {"crowd"},
    }
    # The API's pods still finish their requests.
    block_until(lambda: remaining_objects(shop.kubectl) == left, seconds=60)
    shop.kubectl("get", DEFINITION)

    shop.install(*SMALL)
    assert shop.passwords() == passwords
    after = shop.until_status(  # written by the new operator: the old one may have seen the stock server go
        sale,
        lambda status: (
            is_exact(status)
            and status["stock"]["booked"] > 300
            and status["phase"] == ("SoldOut" if status["stock"]["remaining"] == 0 else "Open")
        ),
    )
    assert after["round"] == before["round"]
    assert_exact(shop, sale, [*bought.records, *load.records()])


def test_a_namespace_can_be_deleted_with_everything_in_it(shop: Shop, admin: Kubectl) -> None:
    """This is the last test of its module, because it deletes the namespace that the tests before it use."""
    assert shop.kubectl.get("flashsales")["items"]
    admin("delete", "namespace", shop.kubectl.namespace, "--timeout=120s", seconds=130)


@pytest.fixture
def two_namespaces(admin: Kubectl) -> Iterator[tuple[Kubectl, Kubectl]]:
    names = ("shop-one", "shop-two")
    for name in names:
        admin("delete", "namespace", name, "--ignore-not-found", "--timeout=120s", seconds=130)
        admin("create", "namespace", name)
    yield admin.within(names[0]), admin.within(names[1])
    for name in names:
        admin("delete", "namespace", name, "--wait=false")


@pytest.mark.usefixtures("definition_is_left_alone")
def test_two_releases_come_change_and_go_in_any_order(two_namespaces: tuple[Kubectl, Kubectl], image: str) -> None:
    """The first release owns the CRD. The other is uninstalled and comes back; then the owner is uninstalled."""
    owner, other = (Shop(kubectl, image) for kubectl in two_namespaces)
    owner.helm.install(*owner.sets(), *SMALL, "crds.takeOver=true", wait_seconds=READY_SECONDS, take_ownership=True)
    other.install(*SMALL)
    assert owner_of_the_definition(owner) == owner_of_the_definition(other) == owner.kubectl.namespace
    for shop in (owner, other):
        shop.kubectl.apply(flashsale("same-name", {"stock": 10}))
        shop.until_open("same-name")
    assert sells_ten(owner, image) == sells_ten(other, image) == 10
    for shop in (owner, other):
        shop.upgrade(*SMALL, "api.shutdownDelaySeconds=3")

    other.helm.uninstall()
    owner.upgrade(*SMALL, "api.shutdownDelaySeconds=2")
    assert "Phase:          Succeeded" in owner.helm.test()
    other.install(*SMALL)
    assert owner_of_the_definition(owner) == owner.kubectl.namespace

    owner.helm.uninstall()
    other.upgrade(*SMALL, "api.shutdownDelaySeconds=2")
    assert "Phase:          Succeeded" in other.helm.test()
    assert other.bookings("same-name").total() == 10
    other.helm.uninstall()
    assert owner_of_the_definition(owner) == owner.kubectl.namespace, "it is kept, and waits for its owner"


def owner_of_the_definition(shop: Shop) -> str:
    """Return the namespace of the release that owns the CRD, and so upgrades it."""
    return str(shop.kubectl.get(DEFINITION)["metadata"]["annotations"]["meta.helm.sh/release-namespace"])


def sells_ten(shop: Shop, image: str) -> int:
    """Send a hundred buyers to this shop, and return how many of them got a ticket."""
    crowd = CrowdPod(shop.kubectl, image)
    crowd.start()
    bought = crowd.buy(shop.url, "same-name", requests=100)
    assert bought.outcomes == {"accepted": 10, "sold-out": 90}
    assert_exact(shop, "same-name", bought.records)
    return shop.bookings("same-name").total()


def remaining_objects(kubectl: Kubectl) -> dict[str, set[str]]:
    """Return the objects left, by kind, except those that every namespace has and those that only record the past."""
    kinds = "all,secrets,configmaps,persistentvolumeclaims,serviceaccounts,roles,rolebindings,leases,flashsales"
    kinds += ",jobs,ingresses,networkpolicies,poddisruptionbudgets"
    found = kubectl.get(kinds)["items"]
    names: dict[str, set[str]] = {}
    for each in found:
        name = each["metadata"]["name"]
        if name not in ("default", "kube-root-ca.crt"):
            names.setdefault(each["kind"], set()).add(name)
    return names
