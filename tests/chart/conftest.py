"""Helm for the tests of the chart, without a cluster.

They use the helm on the PATH, or the one that CLUSTER_KIT names, and are skipped if there is neither.
"""

import shutil
from contextlib import suppress
from functools import cache

import pytest

from tests.cluster.kit import VARIABLE, KitFailed, kit_of_environment
from tests.support.chart import OfflineHelm


@cache
def found() -> str | None:
    kit = kit_of_environment()
    if kit is None:
        return shutil.which("helm")
    with suppress(KitFailed):
        return shutil.which("helm") or shutil.which("helm", path=kit.environment()[1])
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the test if there is no Helm. Skipped here and not in a fixture, all tests share one line of the summary."""
    if "helm" in getattr(item, "fixturenames", ()) and found() is None:
        pytest.skip(f"no Helm: helm is not on the PATH, and {VARIABLE} names no script that has it")


@pytest.fixture(scope="session")
def helm() -> OfflineHelm:
    program = found()
    assert program is not None
    return OfflineHelm(program)
