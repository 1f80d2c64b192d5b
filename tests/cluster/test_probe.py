"""The liveness probe of an operator that no longer reconciles."""

import pytest

from tests.cluster.installation import Installation
from tests.cluster.manifests import flashsale

pytestmark = pytest.mark.cluster


# This takes 11 s: Kopf evaluates its probes every ten seconds, and the first result has to be a success.
def test_a_stuck_loop_fails_the_probe(installation: Installation) -> None:
    installation.set_up()
    operator = installation.start_operator("tests.cluster.stuck_operator")
    installation.until(lambda: operator.probe() == 200)
    installation.until(lambda: installation.holder() != "")
    installation.api.create(flashsale())
    installation.until(lambda: operator.probe() == 500)
