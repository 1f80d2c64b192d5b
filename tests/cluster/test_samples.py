"""The sample resources in k8s/, which users copy."""

from pathlib import Path

import pytest
import yaml

from flashsale_operator.resource.models import FlashSale
from tests.cluster.api_server import ApiServer
from tests.cluster.installation import Installation
from tests.cluster.kubectl import Kubectl
from tests.cluster.statuses import condition
from tests.support.project import PROJECT

pytestmark = pytest.mark.cluster

SAMPLES = [*sorted((PROJECT / "k8s").glob("*-drop.yaml")), PROJECT / "k8s" / "observe-only.yaml"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_accepted(kubectl: Kubectl, api: ApiServer, sample: Path) -> None:
    kubectl("apply", f"--filename={sample}")
    FlashSale.model_validate(api.get(f"flashsale/{sample.stem}"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_says_how_to_apply_it_and_what_to_look_for(sample: Path) -> None:
    comment = [line for line in sample.read_text().splitlines() if line.startswith("#")]
    assert any(f"kubectl apply -f k8s/{sample.name}" in line for line in comment)
    assert any("ook at:" in line for line in comment)


def test_all_flashsales_of_the_folder_are_among_them() -> None:
    kinds = {path: yaml.safe_load(path.read_text())["kind"] for path in (PROJECT / "k8s").glob("*.yaml")}
    assert {path for path, kind in kinds.items() if kind == "FlashSale"} == set(SAMPLES)


@pytest.mark.usefixtures("no_forks")
def test_the_operator_makes_every_sample_ready(installation: Installation, kubectl: Kubectl) -> None:
    installation.set_up()
    installation.start_operator()
    kubectl("apply", *(f"--filename={sample}" for sample in SAMPLES))
    for sample in SAMPLES:
        name = sample.stem
        phase = "Scheduled" if name == "scheduled-drop" else "Open"
        ready = installation.until_status(lambda status: condition(status, "Ready")[0] == "True", name)
        assert ready["phase"] == phase
