"""Which processes send traces, to which collector, and with which attributes."""

from typing import Any

import yaml

from tests.support.chart import OfflineHelm, Rendered

TRACED = ("api", "worker", "operator", "blast-runner")
ELSEWHERE = "telemetry.endpoint=https://collector.example.com"


def environment_of(rendered: Rendered, component: str) -> dict[str, Any]:
    """Return the OpenTelemetry variables in a component's environment."""
    return {name: value for name, value in rendered.environment(component).items() if name.startswith("OTEL_")}


def attributes(rendered: Rendered, component: str) -> dict[str, str]:
    return dict(
        pair.split("=", 1) for pair in environment_of(rendered, component)["OTEL_RESOURCE_ATTRIBUTES"].split(",")
    )


def test_every_process_sends_to_the_bundled_jaeger(helm: OfflineHelm) -> None:
    rendered = helm.render()
    service = rendered.one("Service", "jaeger")
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert ports == {"query": 16686, "otlp-grpc": 4317, "otlp-http": 4318}
    for component in TRACED:
        assert environment_of(rendered, component)["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://atomictickets-jaeger:4318"
        assert environment_of(rendered, component)["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    assert not environment_of(rendered, "migrate")
    alone = helm.render("operator.enabled=false")
    assert environment_of(alone, "reconciler").keys() == environment_of(rendered, "api").keys()


def test_a_span_names_its_pod(helm: OfflineHelm) -> None:
    rendered = helm.render(release="shop", namespace="sales")
    assert attributes(rendered, "worker") == {
        "service.namespace": "shop-atomictickets",
        "service.instance.id": "$(POD_UID)",
        "k8s.namespace.name": "sales",
        "k8s.node.name": "$(NODE_NAME)",
        "k8s.pod.name": "$(POD_NAME)",
        "k8s.deployment.name": rendered.one("Deployment", "worker")["metadata"]["name"],
        "k8s.container.name": "worker",
    }
    names = list(rendered.environment("worker"))
    before = names[: names.index("OTEL_RESOURCE_ATTRIBUTES")]
    assert {"POD_UID", "NODE_NAME", "POD_NAME"} <= set(before), "Kubernetes fills in earlier variables alone"


def test_an_external_collector(helm: OfflineHelm) -> None:
    rendered = helm.render(ELSEWHERE, "telemetry.headers.existingSecret.name=collector", "jaeger.enabled=false")
    assert "jaeger" not in dict(rendered.pods())
    assert environment_of(rendered, "api")["OTEL_EXPORTER_OTLP_ENDPOINT"] == "https://collector.example.com"
    assert environment_of(rendered, "api")["OTEL_EXPORTER_OTLP_HEADERS"] == {
        "secretKeyRef": {"name": "collector", "key": "headers"}
    }
    assert "ATOMICTICKETS_JAEGER_URL" not in rendered.environment("api")


def test_without_a_collector_nothing_is_configured(helm: OfflineHelm) -> None:
    rendered = helm.render("jaeger.enabled=false")
    assert not any(environment_of(rendered, component) for component in TRACED)
    assert not rendered.of("ConfigMap")


def test_sampler_and_attributes_are_the_users(helm: OfflineHelm) -> None:
    sets = ("telemetry.samplerRatio=0.01", r"telemetry.resourceAttributes.service\.namespace=theirs")
    rendered = helm.render(*sets)
    assert environment_of(rendered, "api")["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
    assert environment_of(rendered, "api")["OTEL_TRACES_SAMPLER_ARG"] == "0.01"
    assert attributes(rendered, "api")["service.namespace"] == "theirs"
    always = environment_of(helm.render("telemetry.sampler=always_on"), "api")
    assert always["OTEL_TRACES_SAMPLER"] == "always_on"
    assert "OTEL_TRACES_SAMPLER_ARG" not in always


def test_links_lead_where_a_browser_finds_jaeger(helm: OfflineHelm) -> None:
    assert helm.render().environment("api")["ATOMICTICKETS_JAEGER_URL"] == "http://127.0.0.1:16686"
    public = helm.render("telemetry.jaegerUrl=https://jaeger.example.com")
    assert public.environment("api")["ATOMICTICKETS_JAEGER_URL"] == "https://jaeger.example.com"


def test_jaeger_listens_on_all_addresses_and_restarts_with_another_configuration(helm: OfflineHelm) -> None:
    def configured(*sets: str) -> tuple[dict[str, object], str]:
        rendered = helm.render(*sets)
        annotations = rendered.one("Deployment", "jaeger")["spec"]["template"]["metadata"]["annotations"]
        return yaml.safe_load(rendered.one("ConfigMap", "jaeger")["data"]["jaeger.yaml"]), annotations[
            "checksum/config"
        ]

    config, checksum = configured()
    listening = [line for line in yaml.safe_dump(config).splitlines() if "endpoint:" in line]
    assert len(listening) == 4
    assert all("0.0.0.0:" in line for line in listening)
    assert configured("jaeger.maxTraces=5")[1] != checksum


def test_policies_lead_to_the_collector(helm: OfflineHelm) -> None:
    bundled = helm.render("networkPolicies.enabled=true")
    otlp, query = bundled.one("NetworkPolicy", "jaeger")["spec"]["ingress"]
    senders = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in otlp["from"]}
    assert senders == set(TRACED)
    assert (otlp["ports"], query) == ([{"port": "otlp-http"}], {"ports": [{"port": "query"}]})
    own = helm.render("networkPolicies.enabled=true", ELSEWHERE, "networkPolicies.telemetry[0].ports[0].port=443")
    assert {"ports": [{"port": 443}]} in own.one("NetworkPolicy", "worker")["spec"]["egress"]
    assert {"ports": [{"port": 443}]} not in own.one("NetworkPolicy", "migrate")["spec"]["egress"]
