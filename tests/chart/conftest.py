"""Helm renders here, without a cluster: the binary on the PATH, or that of CLUSTER_KIT, or a skip."""

import shutil

import pytest

from tests.cluster.kit import VARIABLE, kit_of_environment
from tests.support.chart import OfflineHelm


@pytest.fixture(scope="session")
def helm() -> OfflineHelm:
    found, kit = shutil.which("helm"), kit_of_environment()
    if found is None and kit is not None:
        found = shutil.which("helm", path=kit.environment()[1])
    if found is None:
        pytest.skip(f"no Helm: helm is not on the PATH, and {VARIABLE} names no script that has it")
    return OfflineHelm(found)
