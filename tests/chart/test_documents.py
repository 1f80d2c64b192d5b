"""The files generated from values.yaml and the settings are up to date in the repository."""

import runpy
from pathlib import Path

import pytest
import yaml

from tests.support.chart import CHART, OfflineHelm
from tests.support.project import PROJECT

DOCUMENT = runpy.run_path(str(PROJECT / "tools" / "document_chart.py"))


@pytest.mark.parametrize(("path", "text"), DOCUMENT["documents"]().items(), ids=lambda each: getattr(each, "name", ""))
def test_is_up_to_date(path: Path, text: str) -> None:
    assert path.read_text() == text, "make chart"


def test_every_value_that_is_no_obvious_switch_is_explained() -> None:
    values = DOCUMENT["Values"]((CHART / "values.yaml").read_text())
    values.schema()
    plain = {
        *("enabled", "create", "annotations", "labels", "interval", "name", "type", "port", "pullPolicy", "size"),
        *(
            "resources",
            "extraEnv",
            "startupProbe",
            "readinessProbe",
            "livenessProbe",
            "repository",
            "tag",
            "host",
            "database",
            "username",
            "user",
            "maxmemory",
        ),
    }
    unexplained = {path for path, _, description in values.rows if not description}
    assert {path for path in unexplained if path.rpartition(".")[2] not in plain} <= {
        *("pods.nodeSelector", "pods.tolerations", "pods.affinity", "pods.priorityClassName"),
        *("pods.podAnnotations", "pods.podLabels"),
        *("api.autoscaling.minReplicas", "api.autoscaling.maxReplicas"),
        *("api.autoscaling.targetCPUUtilizationPercentage", "api.ingress.className", "api.httpRoute.hostnames"),
        *("api.podDisruptionBudget.minAvailable", "api.podDisruptionBudget.maxUnavailable", "api.service.nodePort"),
        *("migrate.activeDeadlineSeconds", "migrate.backoffLimit", "externalPostgresql.sslMode"),
    }


def test_lint_finds_nothing(helm: OfflineHelm) -> None:
    assert "0 chart(s) failed" in helm.run("lint", "--strict", str(CHART))


def test_kinds_port_is_the_one_that_the_node_maps() -> None:
    kind = yaml.safe_load((PROJECT / "kind-config.yaml").read_text())
    service = yaml.safe_load((CHART / "ci" / "kind-values.yaml").read_text())["api"]["service"]
    (mapping,) = kind["nodes"][0]["extraPortMappings"]
    assert (service["type"], service["nodePort"]) == ("NodePort", mapping["containerPort"])
    assert mapping["hostPort"] != 8000


def test_kinds_configuration_has_the_fields_that_kind_reads() -> None:
    """kind refuses a field that kind.x-k8s.io/v1alpha4 does not have."""
    kind = yaml.safe_load((PROJECT / "kind-config.yaml").read_text())
    assert kind.keys() <= {"kind", "apiVersion", "name", "nodes", "networking", "featureGates", "runtimeConfig"}
    assert (kind["kind"], kind["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert [node["role"] for node in kind["nodes"]] == ["control-plane", "worker", "worker"]
    for node in kind["nodes"]:
        assert node.keys() <= {"role", "image", "extraMounts", "extraPortMappings", "kubeadmConfigPatches", "labels"}
        for mapping in node.get("extraPortMappings", []):
            assert mapping.keys() <= {"containerPort", "hostPort", "listenAddress", "protocol"}
            assert mapping["protocol"] in ("TCP", "UDP", "SCTP")


def test_makes_cluster_is_kinds() -> None:
    kind = yaml.safe_load((PROJECT / "kind-config.yaml").read_text())
    assert f"CLUSTER := {kind['name']}\n" in (PROJECT / "Makefile").read_text()
