"""The objects that a plain `helm install` makes."""

import re

import pytest
import yaml

from tests.support.chart import OfflineHelm, component_of
from tests.support.project import PROJECT

PROCESSES = {"api", "worker", "operator", "blast-runner", "migrate"}
STORES = {"valkey", "broker", "postgres"}


def test_has_each_component_once(helm: OfflineHelm) -> None:
    rendered = helm.render()
    assert sorted(component for component, _ in rendered.pods()) == sorted(PROCESSES | STORES | {"jaeger", "tests"})
    assert {"Ingress", "HTTPRoute", "NetworkPolicy", "HorizontalPodAutoscaler"}.isdisjoint(rendered.kinds())
    assert {"ServiceMonitor", "PodMonitor", "ClusterRole", "ClusterRoleBinding"}.isdisjoint(rendered.kinds())


def test_the_service_has_the_documented_name(helm: OfflineHelm) -> None:
    (port,) = helm.render().one("Service", "api")["spec"]["ports"]
    assert helm.render().one("Service", "api")["metadata"]["name"] == "atomictickets-api"
    assert (port["port"], port["targetPort"]) == (8000, "http")


def test_every_pod_passes_the_restricted_standard(helm: OfflineHelm) -> None:
    for component, spec in helm.render().pods():
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True, component
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, component
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, component
            assert security["readOnlyRootFilesystem"] is True, component
            assert security["capabilities"] == {"drop": ["ALL"]}, component
            assert container["resources"]["limits"]["memory"], component
        if component in STORES:  # their images start as root by default
            assert pod["runAsUser"] == pod["fsGroup"] == 999


def test_only_pods_that_call_kubernetes_have_a_token(helm: OfflineHelm) -> None:
    with_token = {component for component, spec in helm.render().pods() if spec["automountServiceAccountToken"]}
    assert with_token == {"operator", "tests"}


def test_every_process_that_stays_is_probed_at_a_port_that_it_opens(helm: OfflineHelm) -> None:
    for rendered in (helm.render(), helm.render("operator.enabled=false")):
        for each in rendered.of("Deployment"):
            (container,) = each["spec"]["template"]["spec"]["containers"]
            named = {port["name"]: port["containerPort"] for port in container["ports"]}
            assert "livenessProbe" in container, component_of(each)
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if request := container.get(probe, {}).get("httpGet"):
                    assert request["port"] in named, component_of(each)
    prefixes = {"worker": "WORKER", "blast-runner": "BLAST_RUNNER", "reconciler": "RECONCILE"}
    for component, prefix in prefixes.items():
        rendered = helm.render("operator.enabled=false")
        assert rendered.environment(component)[f"{prefix}_PROBE_PORT"] == "8080"


@pytest.mark.parametrize("sets", [(), ("operator.enabled=false",)])
def test_no_probe_that_restarts_a_pod_depends_on_a_store(helm: OfflineHelm, sets: tuple[str, ...]) -> None:
    """/readyz waits for stores and pg_isready for recovery, so both may serve as readiness probes alone."""
    for component, spec in helm.render(*sets).pods():
        (container,) = spec["containers"]
        for probe in ("startupProbe", "livenessProbe"):
            found = container.get(probe, {})
            assert "exec" not in found, component
            if component in PROCESSES - {"migrate"} | {"reconciler"}:
                assert probe in container, f"{component} is killed while it starts on a slow machine"
            if component not in STORES | {"jaeger"}:
                assert found.get("httpGet", {}).get("path", "/healthz") == "/healthz", component
    (api,) = dict(helm.render(*sets).pods())["api"]["containers"]
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_operator_has_the_rights_that_its_own_tests_show(helm: OfflineHelm) -> None:
    rules = yaml.safe_load((PROJECT / "k8s" / "operator-role.yaml").read_text())["rules"]
    assert helm.render().one("Role", "operator")["rules"] == rules


def test_operator_gets_the_names_that_it_may_touch(helm: OfflineHelm) -> None:
    rendered = helm.render(release="shop")
    environment = rendered.environment("operator")
    assert environment["OPERATOR_LEASE"] == rendered.one("Lease", "operator")["metadata"]["name"]
    assert environment["OPERATOR_WORKERS"] == rendered.one("Deployment", "worker")["metadata"]["name"]
    assert "spec" not in rendered.one("Lease", "operator")
    assert rendered.one("Deployment", "operator")["spec"]["strategy"] == {"type": "Recreate"}


def test_workers_replicas_are_the_operators(helm: OfflineHelm) -> None:
    assert "replicas" not in helm.render().one("Deployment", "worker")["spec"]
    alone = helm.render("operator.scaling=false", "worker.replicas=0")
    assert alone.one("Deployment", "worker")["spec"]["replicas"] == 0
    assert alone.environment("operator")["OPERATOR_WORKERS"] == ""
    assert all("deployments" not in rule["resources"] for rule in alone.one("Role", "operator")["rules"])


def test_the_grace_period_of_the_api_exceeds_its_shutdown(helm: OfflineHelm) -> None:
    rendered = helm.render("api.shutdownDelaySeconds=20", "api.gracefulSeconds=7")
    deployment = rendered.one("Deployment", "api")
    spec = deployment["spec"]["template"]["spec"]
    assert "lifecycle" not in spec["containers"][0]
    assert spec["terminationGracePeriodSeconds"] > 20 + 7 + 5
    assert rendered.environment("api")["API_SHUTDOWN_DELAY_SECONDS"] == "20"
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_stock_server_writes_to_disk_and_evicts_nothing(helm: OfflineHelm) -> None:
    (container,) = helm.render().one("StatefulSet", "valkey")["spec"]["template"]["spec"]["containers"]
    arguments = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    assert arguments["--appendonly"] == "yes"
    assert arguments["--appendfsync"] == "always"
    assert arguments["--maxmemory-policy"] == "noeviction"
    assert arguments["--save"] == ""


def test_postgres_has_what_a_read_only_root_needs(helm: OfflineHelm) -> None:
    statefulset = helm.render().one("StatefulSet", "postgres")["spec"]
    (container,) = statefulset["template"]["spec"]["containers"]
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {"/var/lib/postgresql": "data", "/var/run/postgresql": "run", "/tmp": "tmp"}  # noqa: S108  in the pod
    assert statefulset["volumeClaimTemplates"][0]["metadata"]["name"] == "data"


def test_secrets_outlive_the_release(helm: OfflineHelm) -> None:
    secrets = helm.render().of("Secret")
    assert {component_of(secret) for secret in secrets} == STORES | {"admin"}
    for secret in secrets:
        assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_each_process_knows_the_stores_that_it_needs(helm: OfflineHelm) -> None:
    rendered = helm.render()
    needs = {
        "api": {"REDIS_URL", "BROKER_URL", "DATABASE_URL", "API_ADMIN_TOKEN", "ATOMICTICKETS_JAEGER_URL"},
        "worker": {"REDIS_URL", "BROKER_URL", "DATABASE_URL"},
        "operator": {"REDIS_URL", "BROKER_URL", "DATABASE_URL"},
        "blast-runner": {"BROKER_URL", "DATABASE_URL", "API_URL", "ATOMICTICKETS_JAEGER_URL"},
        "migrate": {"DATABASE_URL"},
        "tests": {"API_URL", "API_ADMIN_TOKEN"},
    }
    for component, expected in needs.items():
        variables = rendered.environment(component)
        assert {name for name in variables if name.endswith("_URL") or name == "API_ADMIN_TOKEN"} == expected, component


def test_only_components_that_create_sales_have_the_pause(helm: OfflineHelm) -> None:
    for sets, expected in (((), "50"), (("sales.thinkMilliseconds=200",), "200")):
        rendered = helm.render(*sets)
        for component in PROCESSES:
            pause = rendered.environment(component).get("SALE_THINK_MS")
            assert pause == (expected if component in ("api", "operator") else None), component


def test_selectors_match_the_pods_of_one_component(helm: OfflineHelm) -> None:
    for each in helm.render().objects:
        if each["kind"] in ("Deployment", "StatefulSet"):
            selector = each["spec"]["selector"]["matchLabels"]
            assert selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()
            assert selector["app.kubernetes.io/component"] == component_of(each)
            assert selector["app.kubernetes.io/instance"] == "atomictickets"


def test_the_migration_is_a_new_job_only_if_it_differs(helm: OfflineHelm) -> None:
    def name(*sets: str) -> str:
        job = helm.render(*sets).one("Job", "migrate")
        assert "annotations" not in job["metadata"], "a hook"
        assert "ttlSecondsAfterFinished" not in job["spec"]
        return str(job["metadata"]["name"])

    assert re.fullmatch(r"atomictickets-migrate-[0-9a-f]{8}", name())
    assert name() == name("api.replicas=3")
    assert len({name(), name("image.tag=next"), name("migrate.waitSeconds=1"), name("settings.LOG_LEVEL=DEBUG")}) == 4


def test_no_flash_sale_is_part_of_a_release(helm: OfflineHelm) -> None:
    assert "FlashSale" not in helm.render().kinds()
    annotations = helm.render().one("Pod", "tests")["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "test"


def test_the_crd_is_the_repositorys_and_is_kept(helm: OfflineHelm) -> None:
    written = yaml.safe_load((PROJECT / "k8s" / "crd.yaml").read_text())
    (rendered,) = helm.render().of("CustomResourceDefinition")
    assert rendered["spec"] == written["spec"]
    assert written["metadata"]["labels"].items() <= rendered["metadata"]["labels"].items()
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    (gone,) = helm.render("crds.keep=false").of("CustomResourceDefinition")
    assert "annotations" not in gone["metadata"]
    assert helm.render("crds.enabled=false").of("CustomResourceDefinition") == []
