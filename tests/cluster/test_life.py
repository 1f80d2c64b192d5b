"""The life of a sale that a resource declares, from `kubectl apply` to its end."""

import pytest

from tests.cluster.installation import Installation
from tests.cluster.test_crd import flashsale

pytestmark = pytest.mark.cluster


def test_a_declared_sale_opens(installation: Installation) -> None:
    installation.set_up()
    installation.start_operator()
    installation.kubectl.apply(flashsale("drop"))
    installation.until_told("drop", ".status.phase", "Open")
    assert installation.condition("drop", "Ready") == ("True", "InForce")
    assert installation.condition("drop", "Accepting")[0] == "True"
    assert installation.read("drop", ".status.stock.remaining") == "10"
    metadata = installation.kubectl.get("fs/drop")["metadata"]
    assert "finalizers" not in metadata
    assert metadata["annotations"].keys() == {"kubectl.kubernetes.io/last-applied-configuration"}
    installation.until(lambda: {"Seeded", "SaleOpened"} <= set(installation.reasons("drop")))
