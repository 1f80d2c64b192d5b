"""A real API server for these tests: the one that KUBECONFIG names, or the project's kit, or a skip that says why."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.cluster.installation import Installation
from tests.cluster.kubectl import Kubectl, Refused
from tests.support.box_office import BoxOffice
from tests.support.project import PROJECT
from tests.support.until import block_until

KIT = PROJECT.parent / "shared" / "cluster" / "cluster"
OURS = ("kind-", "atomictickets")
"""How the contexts begin that tests may use: they install a CRD, which a KUBECONFIG left from work must not get."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skipped here and not in a fixture, all tests share one line of the summary."""
    if item.get_closest_marker("cluster") and (reason := why_not()):
        pytest.skip(f"no Kubernetes: {reason}")


@cache
def why_not() -> str:
    """Why there is no API server for tests; empty where there is one."""
    if kubeconfig := os.environ.get("KUBECONFIG"):
        if shutil.which("kubectl") is None:
            return "KUBECONFIG is set, and kubectl is not on the PATH"
        context = Kubectl(Path(kubeconfig))("config", "view", "--output=jsonpath={.current-context}")
        return "" if context.startswith(OURS) else f"the context {context!r} is not for tests: name it kind-..."
    return "" if KIT.exists() else "KUBECONFIG is not set, and ../shared/cluster is not there"


@pytest.fixture(scope="session")
def admin() -> Iterator[Kubectl]:
    """kubectl with all rights. A cluster that was up before stays up."""
    if kubeconfig := os.environ.get("KUBECONFIG"):
        yield Kubectl(Path(kubeconfig))
        return
    was_up = _kit("status").returncode == 0
    if not was_up:
        started = _kit("up", "--control-plane")
        if started.returncode != 0:
            pytest.skip(f"no Kubernetes: ../shared/cluster does not start here: {started.stderr.strip()[-200:]}")
    kubeconfig = _kit("kubeconfig").stdout.strip()
    yield Kubectl(Path(kubeconfig), path=str(Path(kubeconfig).parents[1] / "bin"))
    if not was_up:
        _kit("down")


@pytest.fixture(scope="session")
def crd(admin: Kubectl) -> Kubectl:
    """kubectl, with FlashSale served."""
    admin("apply", "--server-side", "--force-conflicts", f"--filename={PROJECT / 'k8s' / 'crd.yaml'}")
    admin("wait", "--for=condition=Established", "crd/flashsales.atomictickets.dev", "--timeout=30s")
    block_until(lambda: _described(admin), seconds=30)  # the API server publishes its schema a moment later
    return admin


@pytest.fixture(scope="module")
def shared_namespace(crd: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace for the tests of one module."""
    yield from _fresh_namespace(crd)


@pytest.fixture
def namespace(crd: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace for this test alone."""
    yield from _fresh_namespace(crd)


@pytest.fixture
def stores(redis_url: str, broker_url: str, database_url: str, key_prefix: str) -> dict[str, str]:
    """The environment of every process of one installation."""
    return {
        "REDIS_URL": redis_url,
        "BROKER_URL": broker_url,
        "DATABASE_URL": database_url,
        "GATE_KEY_PREFIX": key_prefix,
        "GATE_CONNECT_TIMEOUT_SECONDS": "5",  # more patience than production's: the machine is shared
        "GATE_COMMAND_TIMEOUT_SECONDS": "5",
    }


@pytest.fixture
def installation(namespace: Kubectl, tmp_path: Path, stores: dict[str, str]) -> Iterator[Installation]:
    """Nothing of it runs yet, and no account exists."""
    installation = Installation(namespace, tmp_path, stores)
    yield installation
    installation.stop()


@pytest.fixture
def running(installation: Installation) -> Installation:
    """With one operator."""
    installation.set_up()
    installation.start_operator()
    return installation


@pytest.fixture
async def box_office(stock_redis: Redis, key_prefix: str, engine: AsyncEngine) -> BoxOffice:
    """Buyers of the installation's sale `drop`."""
    return BoxOffice(stock_redis, key_prefix, engine)


def _fresh_namespace(kubectl: Kubectl) -> Iterator[Kubectl]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    kubectl("create", "namespace", name)
    yield kubectl.within(name)
    kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def _described(kubectl: Kubectl) -> bool:
    try:
        return "stock" in kubectl("explain", "flashsale.spec")
    except Refused:
        return False


def _kit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(KIT), *arguments], capture_output=True, text=True, timeout=120, check=False)
