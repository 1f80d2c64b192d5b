"""The chart's options: external stores, TLS, autoscaling, network policies, monitors, ingress, several releases."""

from pathlib import Path

import pytest

from app.redis_address import RedisAddress
from tests.support.chart import CHART, NotRendered, OfflineHelm, Rendered, component_of

EXTERNAL = (
    *("valkey.enabled=false", r"externalRedis.url=rediss+sentinel://app@one:26379\,two:26379/stock"),
    "externalRedis.existingSecret.name=stock",
    *("broker.enabled=false", "externalBroker.url=rediss://hints:6379/0"),
    *("postgres.enabled=false", "externalPostgresql.host=ledger-rw", "externalPostgresql.existingSecret.name=ledger"),
    "api.adminToken.existingSecret.name=admin",
)
TLS = ("externalPostgresql.sslMode=verify-full", "externalCA.name=ledger-ca")
STORES = {"valkey", "broker", "postgres"}


def test_everything_external(helm: OfflineHelm) -> None:
    rendered = helm.render(*EXTERNAL, "secrets.generate=false")
    assert rendered.of("Secret") == []
    assert rendered.of("StatefulSet") == []
    assert STORES.isdisjoint(component_of(each) for each in rendered.objects)
    environment = rendered.environment("api")
    assert environment["REDIS_URL"] == "rediss+sentinel://app@one:26379,two:26379/stock"
    assert environment["REDIS_PASSWORD"] == {"secretKeyRef": {"name": "stock", "key": "password"}}
    assert environment["BROKER_URL"] == "rediss://hints:6379/0"
    assert "BROKER_PASSWORD" not in environment
    assert environment["DATABASE_URL"] == "postgresql+asyncpg://atomictickets@ledger-rw:5432/atomictickets"
    assert environment["PGPASSWORD"] == {"secretKeyRef": {"name": "ledger", "key": "password"}}
    assert environment["PGSSLMODE"] == "require"
    assert environment["API_ADMIN_TOKEN"] == {"secretKeyRef": {"name": "admin", "key": "admin-token"}}


def test_tls_is_checked_against_the_given_certificates(helm: OfflineHelm) -> None:
    rendered = helm.render(*EXTERNAL, *TLS)
    for component in ("api", "worker", "operator", "blast-runner", "migrate"):
        environment = rendered.environment(component)
        assert environment["PGSSLMODE"] == "verify-full"
        assert environment["PGSSLROOTCERT"] == environment["SSL_CERT_FILE"] == "/etc/atomictickets/ca/ca.crt"
        spec = dict(rendered.pods())[component]
        (volume,) = [each for each in spec["volumes"] if each["name"] == "ca"]
        assert volume["secret"]["secretName"] == "ledger-ca"


@pytest.mark.parametrize(
    "url", ["redis://stock:6379/0", "rediss+sentinel://app@one,two/stock", "redis+cluster://[::1]:7000,two:7001"]
)
def test_the_processes_can_parse_every_url_that_the_chart_takes(helm: OfflineHelm, url: str) -> None:
    escaped = url.replace(",", r"\,")
    rendered = helm.render("valkey.enabled=false", f"externalRedis.url={escaped}")
    assert RedisAddress.of(str(rendered.environment("worker")["REDIS_URL"])).hosts


def test_everything_off(helm: OfflineHelm) -> None:
    rendered = helm.render(
        *EXTERNAL,
        *("crds.enabled=false", "operator.enabled=false", "blastRunner.enabled=false", "tests.enabled=false"),
        "jaeger.enabled=false",
        *("serviceAccount.create=false", "api.podDisruptionBudget.enabled=false", "secrets.generate=false"),
    )
    assert sorted(component for component, _ in rendered.pods()) == ["api", "migrate", "reconciler", "worker"]
    assert rendered.kinds() == {"Deployment", "Service", "Job"}
    assert all(spec["serviceAccountName"] == "default" for _, spec in rendered.pods())
    assert rendered.one("Deployment", "worker")["spec"]["replicas"] == 1


def test_the_autoscaler_replaces_the_replicas(helm: OfflineHelm) -> None:
    rendered = helm.render("api.autoscaling.enabled=true", "api.autoscaling.maxReplicas=4")
    assert "replicas" not in rendered.one("Deployment", "api")["spec"]
    scaler = rendered.one("HorizontalPodAutoscaler", "api")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 4)
    assert scaler["scaleTargetRef"]["name"] == "atomictickets-api"


def test_connections_suffice_during_an_update(helm: OfflineHelm) -> None:
    """A rolling update may run every pod of the API, the workers and the blast runner twice.

    These open 20 + 3, 2 and 1 connections each. The operator (18) is replaced, not doubled; the migration opens one.
    """
    needed = 2 * ((20 + 3) * 2 + 2 * 10 + 1) + 18 + 1
    helm.render(f"postgres.maxConnections={needed + 3}")
    with pytest.raises(NotRendered, match=f"may open {needed} "):
        helm.render(f"postgres.maxConnections={needed + 2}")


def test_an_administrator_may_create_account_and_role(helm: OfflineHelm) -> None:
    bound = helm.render("operator.serviceAccount.create=false", "operator.serviceAccount.name=mine")
    assert not bound.has("ServiceAccount", "operator")
    assert bound.one("RoleBinding", "operator")["subjects"] == [
        {"kind": "ServiceAccount", "name": "mine", "namespace": "shop"}
    ]
    without = helm.render("rbac.create=false")
    assert {"Role", "RoleBinding"}.isdisjoint(without.kinds())
    assert without.has("ServiceAccount", "operator")
    assert without.has("Lease", "operator")


def test_access_to_flash_sales_is_aggregated_to_the_clusters_own_roles_if_asked_for(helm: OfflineHelm) -> None:
    roles = helm.render("rbac.aggregateClusterRoles=true", "fullnameOverride=box").of("ClusterRole")
    aggregated = {
        role["metadata"]["name"]: {
            label.rpartition("-")[2] for label in role["metadata"]["labels"] if label.startswith("rbac.")
        }
        for role in roles
    }
    assert aggregated == {
        "shop:box-flashsales-view": {"view", "edit", "admin"},
        "shop:box-flashsales-edit": {"edit", "admin"},
    }
    for role in roles:
        (rule,) = role["rules"]
        assert rule["resources"] == ["flashsales"]
        assert "*" not in rule["verbs"]


def test_a_single_replica_is_not_protected_from_eviction(helm: OfflineHelm) -> None:
    assert helm.render().one("PodDisruptionBudget", "api")["spec"]["maxUnavailable"] == 1
    assert not helm.render("api.replicas=1").has("PodDisruptionBudget", "api")
    sets = ("api.podDisruptionBudget.minAvailable=50%", "api.podDisruptionBudget.maxUnavailable=null")
    assert helm.render(*sets).one("PodDisruptionBudget", "api")["spec"]["minAvailable"] == "50%"


def peers(rendered: Rendered, component: str, direction: str) -> set[str]:
    """Return the components that the policy of a component names, for ingress or egress."""
    rules = rendered.one("NetworkPolicy", component)["spec"][direction]
    selectors = [peer["podSelector"] for rule in rules for peer in rule.get("from", rule.get("to", []))]
    return {selector["matchLabels"]["app.kubernetes.io/component"] for selector in selectors}


def test_policies_allow_each_connection_on_both_sides(helm: OfflineHelm) -> None:
    rendered = helm.render("networkPolicies.enabled=true")
    selected = {component_of(each) for each in rendered.of("NetworkPolicy")}
    assert selected == {component for component, _ in rendered.pods()}
    for component in selected - STORES:
        for target in peers(rendered, component, "egress"):
            rules = rendered.one("NetworkPolicy", target)["spec"]["ingress"]
            assert component in peers(rendered, target, "ingress") or not any("from" in rule for rule in rules)
    assert peers(rendered, "postgres", "ingress") == {"api", "worker", "operator", "blast-runner", "migrate"}
    assert peers(rendered, "valkey", "ingress") == {"api", "worker", "operator"}
    assert all(rendered.one("NetworkPolicy", store)["spec"]["egress"] == [] for store in STORES)
    assert rendered.one("NetworkPolicy", "worker")["spec"]["ingress"] == []


def test_policies_allow_egress_to_external_stores(helm: OfflineHelm) -> None:
    rule = "networkPolicies.externalStores[0].ports[0].port=6380"
    rendered = helm.render(*EXTERNAL, "networkPolicies.enabled=true", rule)
    assert {"ports": [{"port": 6380}]} in rendered.one("NetworkPolicy", "migrate")["spec"]["egress"]
    assert {"ports": [{"port": 6380}]} not in rendered.one("NetworkPolicy", "tests")["spec"]["egress"]


def test_monitors_find_what_they_scrape(helm: OfflineHelm) -> None:
    rendered = helm.render("api.serviceMonitor.enabled=true", "operator.podMonitor.enabled=true")
    service = rendered.one("Service", "api")
    monitor = rendered.one("ServiceMonitor", "api")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    ports = dict(rendered.pods())["operator"]["containers"][0]["ports"]
    assert rendered.one("PodMonitor", "operator")["spec"]["podMetricsEndpoints"][0]["port"] in {
        port["name"] for port in ports
    }


def test_entrances_lead_to_the_service(helm: OfflineHelm) -> None:
    rendered = helm.render(
        *("api.ingress.enabled=true", "api.ingress.hosts[0].host=tickets.example.com"),
        *("api.httpRoute.enabled=true", "api.httpRoute.parentRefs[0].name=edge"),
    )
    (rule,) = rendered.one("Ingress", "api")["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "atomictickets-api", "port": {"name": "http"}}
    (route,) = rendered.one("HTTPRoute", "api")["spec"]["rules"]
    assert route["backendRefs"] == [{"name": "atomictickets-api", "port": 8000}]


def test_a_components_values_override_those_of_all_pods(helm: OfflineHelm) -> None:
    common = ("pods.priorityClassName=normal", "pods.nodeSelector.disk=ssd", "pods.tolerations[0].operator=Exists")
    sets = (*common, "api.priorityClassName=high")
    specs = dict(helm.render(*sets).pods())
    assert specs["api"]["priorityClassName"] == "high"
    assert specs["postgres"]["priorityClassName"] == "normal"
    assert all(spec["nodeSelector"] == {"disk": "ssd"} for spec in specs.values())
    assert all(spec["tolerations"] == [{"operator": "Exists"}] for spec in specs.values())


def test_settings_and_variables_reach_the_processes(helm: OfflineHelm, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("settings: {GATE_QUEUE_PURCHASES: 1000000, GATE_QUEUE_SECONDS: 0.5}\n")
    sets = ("extraEnv[0].name=REGION", "extraEnv[0].value=north", "api.extraEnv[0].name=A", "api.extraEnv[0].value=b")
    rendered = helm.render(*sets, files=[values])
    environment = rendered.environment("api")
    assert (environment["GATE_QUEUE_PURCHASES"], environment["GATE_QUEUE_SECONDS"]) == ("1000000", "0.5")
    assert (environment["REGION"], environment["A"]) == ("north", "b")
    assert "A" not in rendered.environment("worker")


def test_a_variable_of_the_users_overrides_the_charts(helm: OfflineHelm) -> None:
    sets = ("extraEnv[0].name=REDIS_URL", "extraEnv[0].value=redis://theirs", "worker.extraEnv[0].name=REDIS_URL")
    rendered = helm.render(*sets, "worker.extraEnv[0].value=redis://workers")
    assert rendered.environment("api")["REDIS_URL"] == "redis://theirs"
    assert rendered.environment("worker")["REDIS_URL"] == "redis://workers"


@pytest.mark.parametrize("sets", [("keyPrefix=theirs",), ()])
def test_two_releases_share_nothing_but_the_definition(helm: OfflineHelm, sets: tuple[str, ...]) -> None:
    one, other = helm.render(release="one", namespace="a"), helm.render(*sets, release="one", namespace="b")
    assert one.environment("api")["GATE_KEY_PREFIX"] == "a-one"
    assert other.environment("api")["GATE_KEY_PREFIX"] == ("theirs" if sets else "b-one")
    for component in ("api", "worker", "operator", "blast-runner", "migrate"):
        assert one.environment(component)["LEDGER_SCHEMA_NAME"] == "a-one"
        assert other.environment(component)["LEDGER_SCHEMA_NAME"] == "b-one"
    cluster_wide = {"CustomResourceDefinition"}
    for rendered, namespace in ((one, "a"), (other, "b")):
        for each in rendered.objects:
            if each["kind"] not in cluster_wide:
                assert each["metadata"]["namespace"] == namespace, each["kind"]


def test_two_releases_in_one_namespace_have_no_name_in_common(helm: OfflineHelm) -> None:
    def names(release: str) -> set[tuple[str, str]]:
        objects = helm.render("crds.enabled=false", release=release).objects
        return {(each["kind"], each["metadata"]["name"]) for each in objects}

    assert names("one").isdisjoint(names("two"))


def test_long_names_stay_names(helm: OfflineHelm) -> None:
    rendered = helm.render(release="r" * 53, namespace="n" * 63)
    assert max(len(each["metadata"]["name"]) for each in rendered.objects) <= 63
    schema = rendered.environment("api")["LEDGER_SCHEMA_NAME"]
    assert len(schema) <= 63
    assert schema != helm.render(release="r" * 52, namespace="n" * 63).environment("api")["LEDGER_SCHEMA_NAME"]


def test_the_values_for_kind_render(helm: OfflineHelm) -> None:
    service = helm.render(files=[CHART / "ci" / "kind-values.yaml"]).one("Service", "api")["spec"]
    assert (service["type"], service["ports"][0]["nodePort"]) == ("NodePort", 30080)
