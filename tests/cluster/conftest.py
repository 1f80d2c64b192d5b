"""Fixtures for a real API server.

It is the one that KUBECONFIG leads to, or that of the script which CLUSTER_KIT names. Without either the tests are
skipped.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.cluster.api_server import ApiServer, api_server
from tests.cluster.installation import Installation
from tests.cluster.kit import VARIABLE, Kit, KitFailed, exclusively, kit_of_environment
from tests.cluster.kubectl import Kubectl, Refused
from tests.support.patience import PATIENCE
from tests.support.project import PROJECT
from tests.support.until import block_until

OURS = ("kind-", "atomictickets")
"""Prefixes of the contexts that the tests may use.

They install a CRD, which must not end up in a cluster that a KUBECONFIG leads to by accident.
"""
NO_CLUSTER = f"set KUBECONFIG (`make kind` gives a cluster), or {VARIABLE}: docs/development.md"

KIT = pytest.StashKey[Kit]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Join the kit before the first test of any process of pytest, so that none takes down the cluster of another."""
    kit = kit_of_environment()
    if kit and "KUBECONFIG" not in os.environ and any(item.get_closest_marker("cluster") for item in session.items):
        kit.join()
        session.config.stash[KIT] = kit
        session.config.add_cleanup(kit.leave)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the test without an API server. Skipped here and not in a fixture, all tests share a line of the summary."""
    if item.get_closest_marker("cluster") and (reason := unavailable_reason()):
        pytest.skip(f"no Kubernetes: {reason}")


@cache
def unavailable_reason() -> str:
    """Return why there is no API server for tests, or '' if there is one."""
    if kubeconfig := os.environ.get("KUBECONFIG"):
        if shutil.which("kubectl") is None:
            return "KUBECONFIG is set, and kubectl is not on the PATH"
        context = Kubectl(Path(kubeconfig))("config", "view", "--output=jsonpath={.current-context}")
        return "" if context.startswith(OURS) else f"the context {context!r} is not for tests: name it kind-..."
    return "" if kit_of_environment() else NO_CLUSTER


@pytest.fixture(scope="session")
def admin(pytestconfig: pytest.Config) -> Kubectl:
    """Return kubectl with all rights. A cluster that was up before the tests stays up after them."""
    if kubeconfig := os.environ.get("KUBECONFIG"):
        return Kubectl(Path(kubeconfig))
    kit = pytestconfig.stash[KIT]
    try:
        kit.start()
        kubeconfig_of_kit, path = kit.environment()
    except KitFailed as failed:
        pytest.skip(f"no Kubernetes: the script of {VARIABLE} does not start one here: {failed}")
    return Kubectl(kubeconfig_of_kit, path=path)


@pytest.fixture(scope="session")
def crd(admin: Kubectl) -> Kubectl:
    """Return kubectl for a cluster that serves FlashSale.

    Another process of pytest may apply the definition as well, which changes nothing.
    """
    with exclusively("definition"):  # a release that is installed at the same time may bring it as well
        admin("apply", "--server-side", "--force-conflicts", f"--filename={PROJECT / 'k8s' / 'crd.yaml'}")
    admin("wait", "--for=condition=Established", "crd/flashsales.atomictickets.dev", "--timeout=30s")
    block_until(lambda: _is_explained(admin), seconds=30)  # the API server publishes its schema a moment later
    return admin


@pytest.fixture(scope="session")
def server(crd: Kubectl) -> Iterator[ApiServer]:
    """Yield the API server, which serves FlashSale, with all rights."""
    with api_server(crd) as server:
        yield server


@pytest.fixture
def definition_is_left_alone() -> Iterator[None]:
    """Give the test exclusive use of the CRD, of which the cluster has one.

    Tests use this fixture if they change the definition, or assert that nothing changes it.
    """
    with exclusively("definition"):
        yield


@pytest.fixture(scope="module")
def shared_api(server: ApiServer) -> Iterator[ApiServer]:
    """Yield the API server, in a namespace for the tests of one module."""
    yield from _fresh_namespace(server)


@pytest.fixture
def api(server: ApiServer) -> Iterator[ApiServer]:
    """Yield the API server, in a namespace for this test alone."""
    yield from _fresh_namespace(server)


@pytest.fixture
def kubectl(admin: Kubectl, api: ApiServer) -> Kubectl:
    """Return kubectl in the namespace of `api`."""
    return admin.within(api.namespace)


@pytest.fixture
def stores(store_environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of every process of one installation."""
    return store_environment | PATIENCE


@pytest.fixture
def installation(api: ApiServer, tmp_path: Path, stores: dict[str, str]) -> Iterator[Installation]:
    """Yield an installation of which nothing runs yet, and whose account does not exist yet."""
    installation = Installation(api, tmp_path, stores)
    yield installation
    installation.stop()


@pytest.fixture
def running(installation: Installation) -> Installation:
    """Return an installation with one running operator."""
    return installation.begin()


def _fresh_namespace(server: ApiServer) -> Iterator[ApiServer]:
    fresh = server.within(f"test-{uuid.uuid4().hex[:12]}")
    fresh.create_namespace()
    yield fresh
    fresh.delete_namespace()


def _is_explained(kubectl: Kubectl) -> bool:
    try:
        return "stock" in kubectl("explain", "flashsale.spec")
    except Refused:
        return False
