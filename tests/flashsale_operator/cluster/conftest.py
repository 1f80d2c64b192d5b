"""A namespace, stores and an operator for each test; skipped with one line where there is no cluster."""

import os
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from flashsale_operator.resource.crd import render
from tests.flashsale_operator.cluster.kubectl import Namespace
from tests.flashsale_operator.cluster.operator_process import LEASE, WORKERS, OperatorProcess

MakeOperator = Callable[..., OperatorProcess]
HERE = Path(__file__).parent
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": WORKERS},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": WORKERS}},
        "template": {
            "metadata": {"labels": {"app": WORKERS}},
            "spec": {"containers": [{"name": "worker", "image": "registry.k8s.io/pause:3.10"}]},
        },
    },
}
EMPTY_LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}, "spec": {}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = "no cluster: set KUBECONFIG, and have kubectl on the PATH"
    missing = "KUBECONFIG" not in os.environ or shutil.which("kubectl") is None
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            if missing:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def definition() -> None:
    """The cluster's, as this tree would have it. It stays: other namespaces may use it."""
    subprocess.run(["kubectl", "apply", "-f", "-"], input=render(), text=True, check=True, stdout=subprocess.DEVNULL)
    wait = ["kubectl", "wait", "--for=condition=Established", "crd/flashsales.atomictickets.dev", "--timeout=20s"]
    subprocess.run(wait, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
async def namespace(definition: None) -> AsyncIterator[Namespace]:  # noqa: ARG001  only its effect
    namespace = Namespace(f"test-{uuid.uuid4().hex[:8]}")
    await namespace.kubectl("create", "namespace", namespace.name)
    await namespace.apply(DEPLOYMENT, EMPTY_LEASE)
    yield namespace
    await namespace.kubectl("delete", "namespace", namespace.name, "--wait=false", "--ignore-not-found")


@pytest.fixture
async def make_operator(
    namespace: Namespace, environment: dict[str, str], tmp_path: Path
) -> AsyncIterator[MakeOperator]:
    """Makes an operator that is not yet started; more settings by their environment names."""
    made: list[OperatorProcess] = []

    def make(**settings: Any) -> OperatorProcess:
        chosen = environment | {name: str(value) for name, value in settings.items()}
        made.append(OperatorProcess(namespace.name, chosen, tmp_path / f"operator-{len(made)}.log"))
        return made[-1]

    yield make
    for process in made:
        await process.kill()


@pytest.fixture
async def operator(make_operator: MakeOperator) -> OperatorProcess:
    process = make_operator()
    await process.start()
    return process
