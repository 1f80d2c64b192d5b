"""Helm renders here, without a cluster: the binary on the PATH, or that of the project's kit, or a skip."""

import shutil
from pathlib import Path

import pytest

from tests.support.chart import OfflineHelm
from tests.support.project import PROJECT

KIT = PROJECT.parent / "shared" / "cluster" / "bin" / "helm"
KIT_INSTALLED = Path.home() / ".cache" / "atomictickets-cluster" / "bin" / "helm"


@pytest.fixture(scope="session")
def helm() -> OfflineHelm:
    found = shutil.which("helm") or next((str(path) for path in (KIT, KIT_INSTALLED) if path.exists()), None)
    if found is None:
        pytest.skip("no Helm: helm is not on the PATH, and ../shared/cluster has not been started here")
    return OfflineHelm(found)
