"""Fixtures for a cluster whose pods run.

It is the one that KUBECONFIG leads to, or that of CLUSTER_KIT if it is already up with its node.
"""

import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.kit import exclusively, kit_of_environment
from tests.cluster.kubectl import Kubectl
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.images import CannotBuild, ImageStore
from tests.cluster.pods.jaeger import Jaeger
from tests.cluster.pods.killer import Killer
from tests.cluster.pods.shop import Shop


@pytest.fixture(scope="session")
def nodes(admin: Kubectl) -> list[str]:
    """Return the names of the nodes that take pods. Skip the test if there is none."""
    names = [node["metadata"]["name"] for node in admin.get("nodes")["items"] if not node["spec"].get("taints")]
    if not names:
        pytest.skip("no node to run pods: the cluster is an API server alone (`make kind` gives one with a node)")
    return names


@pytest.fixture(scope="session")
def images(admin: Kubectl, nodes: list[str]) -> ImageStore:
    assert nodes
    kit = kit_of_environment()
    return ImageStore(admin("config", "current-context").strip(), kit.script if kit else None)


@pytest.fixture(scope="session")
def image(images: ImageStore) -> str:
    """Return the `repository:tag` of this tree's image, built unless ATOMICTICKETS_IMAGE names one on the nodes."""
    if ready := os.environ.get("ATOMICTICKETS_IMAGE"):
        return ready
    try:
        images.build("atomictickets:test")
    except CannotBuild as why:
        pytest.skip(f"no image: {why}")
    return "atomictickets:test"


@pytest.fixture(scope="package")
def shop_namespace(admin: Kubectl, image: str) -> Iterator[Kubectl]:
    """Yield kubectl in the namespace of the shop that most of these tests share."""
    assert image
    yield from restricted_namespace(admin)


@pytest.fixture(scope="package")
def shop(shop_namespace: Kubectl, image: str) -> Shop:
    """Return an installed release of which every pod is ready."""
    shop = Shop(shop_namespace, image)
    begun = time.monotonic()
    with exclusively("definition"):  # the tests of the operator, which run at the same time, apply it too
        shop.install()
    print(f"\nhelm install to all ready: {time.monotonic() - begun:.1f} s")
    return shop


@pytest.fixture(scope="package")
def crowd(shop_namespace: Kubectl, image: str) -> CrowdPod:
    return started_crowd(shop_namespace, image)


@pytest.fixture(scope="module")
def own_namespace(admin: Kubectl, image: str) -> Iterator[Kubectl]:
    """Yield kubectl in a namespace for the tests of one module."""
    assert image
    yield from restricted_namespace(admin)


@pytest.fixture(scope="module")
def own_crowd(own_namespace: Kubectl, image: str) -> CrowdPod:
    return started_crowd(own_namespace, image)


@pytest.fixture(scope="package")
def jaeger(shop: Shop) -> Jaeger:
    return Jaeger(shop.kubectl, shop.name("jaeger"))


@pytest.fixture(scope="package")
def killer(admin: Kubectl, image: str) -> Iterator[Killer]:
    name = f"killer-{uuid.uuid4().hex[:8]}"
    admin("create", "namespace", name)
    yield Killer(admin.within(name), image)
    admin("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    """Yield threads for work that goes on while the test does something else."""
    with ThreadPoolExecutor() as threads:
        yield threads


def restricted_namespace(admin: Kubectl) -> Iterator[Kubectl]:
    """Yield kubectl in a new namespace that enforces Pod Security `restricted`."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    admin("create", "namespace", name)
    admin("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield admin.within(name)
    admin("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def started_crowd(namespace: Kubectl, image: str) -> CrowdPod:
    """Return a started pod that sends crowds."""
    crowd = CrowdPod(namespace, image)
    crowd.start()
    return crowd
