"""The Grafana dashboard queries only metrics that exist, by labels that they have."""

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from prometheus_client import generate_latest

from app.telemetry.metrics import GAUGES, Metrics
from flashsale_operator.metrics import OperatorMetrics
from tests.support.chart import CHART, OfflineHelm


def dashboard() -> dict[str, Any]:
    model: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
    return model


def queries() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def exported() -> set[str]:
    """Return the names of all series that the API and the operator export."""
    sale = SimpleNamespace(name="drop", **dict.fromkeys(GAUGES, 1))
    operator = OperatorMetrics(lambda: 0)
    exposition = Metrics().exposition([sale], sales_complete=True) + generate_latest(operator.registry)
    types = dict(line.split()[2:4] for line in exposition.decode().splitlines() if line.startswith("# TYPE"))
    histograms = {f"{name}_bucket" for name, kind in types.items() if kind == "histogram"}
    return types.keys() | histograms


def test_every_queried_metric_is_exported() -> None:
    queried = {name for query in queries() for name in re.findall(r"atomictickets_[a-z_]+", query)}
    assert len(queried) > 10
    assert queried <= exported()


def test_every_panel_says_what_it_shows() -> None:
    for panel in dashboard()["panels"]:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert all("$namespace" in target["expr"] for target in panel["targets"])


def test_panels_do_not_overlap_and_fill_the_rows() -> None:
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in dashboard()["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert len(taken) % 24 == 0
    assert max(x for x, _ in taken) == 23


def test_grafanas_sidecar_finds_the_config_map(helm: OfflineHelm) -> None:
    assert not helm.render().has("ConfigMap", "dashboard")
    found = helm.render("dashboard.enabled=true").one("ConfigMap", "dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["atomictickets.json"]) == dashboard()
