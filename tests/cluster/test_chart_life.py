"""The objects that install, upgrade, rollback and uninstall leave on an API server. No pod runs here."""

from dataclasses import replace
from typing import Any

import pytest

from tests.cluster.api_server import ApiServer
from tests.cluster.helm import Helm, HelmRefused
from tests.cluster.kubectl import Kubectl, Refused
from tests.support.chart import component_of
from tests.support.until import block_until

pytestmark = pytest.mark.cluster

WORKER, API = "deployment/atomictickets-worker", "deployment/atomictickets-api"
DEFINITION = "crd/flashsales.atomictickets.dev"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
OURS = {"app.kubernetes.io/part-of": "atomictickets"}


@pytest.fixture
def helm(kubectl: Kubectl) -> Helm:
    """Return helm for a release whose pods fit no node: if the cluster has nodes, no pod must run on them."""
    helm = Helm(kubectl, always=("pods.nodeSelector.kept-from=nodes",))
    if helm.program is None:
        pytest.skip("no Helm: helm is not on the PATH")
    return helm


def passwords(api: ApiServer) -> dict[str, Any]:
    secrets = [each for each in api.all("secret") if OURS.items() <= each["metadata"].get("labels", {}).items()]
    return {secret["metadata"]["name"]: secret["data"] for secret in secrets}


def replicas(api: ApiServer, deployment: str) -> int:
    return int(api.get(deployment)["spec"]["replicas"])


def jobs(api: ApiServer) -> list[str]:
    return [job["metadata"]["name"] for job in api.all("job")]


@pytest.mark.thorough
def test_an_upgrade_keeps_the_passwords_and_the_operators_worker_count(helm: Helm, api: ApiServer) -> None:
    helm.install()
    made, (migration,) = passwords(api), jobs(api)
    assert len(made) == 4
    api.patch(WORKER, {"spec": {"replicas": 4}}, subresource="scale")
    helm.upgrade("settings.LOG_LEVEL=DEBUG", "api.replicas=3")
    assert passwords(api) == made
    assert (replicas(api, WORKER), replicas(api, API)) == (4, 3)
    assert jobs(api) != [migration]
    helm.rollback(1)
    assert passwords(api) == made
    assert (replicas(api, WORKER), replicas(api, API)) == (4, 2)
    assert jobs(api) == [migration]


def test_an_install_finds_the_passwords_of_the_one_before(helm: Helm, api: ApiServer) -> None:
    helm.install()
    made = passwords(api)
    helm.uninstall()
    kinds = ("deployment", "statefulset", "job", "service", "role", "lease", "serviceaccount")
    left = [each for kind in kinds for each in api.all(kind)]
    assert [each["metadata"]["name"] for each in left] == ["default"]
    helm.install()
    assert passwords(api) == made


@pytest.mark.usefixtures("definition_is_left_alone")
@pytest.mark.timeout(900)  # it may wait for pods/test_coming_and_going.py, which has 600 s
@pytest.mark.thorough
def test_a_definition_that_another_tool_owns_is_used_and_left_alone(helm: Helm) -> None:
    before = helm.kubectl.get(DEFINITION)["metadata"]
    helm.install()
    helm.upgrade("api.replicas=1")
    helm.uninstall()
    after = helm.kubectl.get(DEFINITION)["metadata"]
    assert (after["uid"], after.get("annotations")) == (before["uid"], before.get("annotations"))


def test_pods_pass_the_restricted_standard(helm: Helm, api: ApiServer) -> None:
    """If admission refuses a pod, its Deployment or StatefulSet has no pods and an event says why."""
    api.label_namespace(RESTRICTED)
    helm.install()
    wanted = {"api", "worker", "operator", "blast-runner", "broker", "valkey", "postgres", "migrate"}
    block_until(lambda: wanted <= {component_of(pod) for pod in api.all("pod")}, seconds=30)


def test_the_negative_control_is_refused_by_the_restricted_standard(helm: Helm, api: ApiServer) -> None:
    api.label_namespace(RESTRICTED)
    helm.install("securityContext.allowPrivilegeEscalation=true", "api.replicas=1")

    def failures() -> list[str]:
        conditions = api.get(API).get("status", {}).get("conditions", ())
        return [each["message"] for each in conditions if (each["type"], each["status"]) == ("ReplicaFailure", "True")]

    block_until(failures, seconds=30)
    assert "allowPrivilegeEscalation" in failures()[0]


def test_the_roles_view_and_edit_of_a_namespace_cover_its_sales(helm: Helm, api: ApiServer) -> None:
    for user, role in (("viewer", "view"), ("editor", "edit")):
        helm.kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")
    helm.install("crds.enabled=false")
    assert not api.may("viewer", "list", "flashsale")
    helm.upgrade("crds.enabled=false", "rbac.aggregateClusterRoles=true")
    granted = (("viewer", "list"), ("editor", "create"), ("editor", "watch"))
    # A controller aggregates each role from two parts, one after the other.
    block_until(lambda: all(api.may(user, verb, "flashsale") for user, verb in granted), seconds=30)
    assert not any(api.may("viewer", verb, "flashsale") for verb in ("create", "patch", "delete"))
    assert not api.may("editor", "patch", "flashsale", subresource="status")
    helm.uninstall()
    block_until(
        lambda: not api.may("viewer", "list", "flashsale") and not api.may("editor", "create", "flashsale"), seconds=30
    )


EXTERNAL = (
    *(
        "valkey.enabled=false",
        "externalRedis.url=rediss+cluster://stock:6379",
        "externalRedis.existingSecret.name=stock",
    ),
    *("broker.enabled=false", "externalBroker.url=redis://hints:6379/0"),
    *("postgres.enabled=false", "externalPostgresql.host=ledger", "externalPostgresql.existingSecret.name=ledger"),
    *("externalPostgresql.sslMode=verify-full", "externalCA.name=ca", "jaeger.enabled=false", "operator.enabled=false"),
)
OPTIONS = (
    *("api.autoscaling.enabled=true", "networkPolicies.enabled=true", "dashboard.enabled=true"),
    *("api.ingress.enabled=true", "api.ingress.hosts[0].host=tickets.example.com", "api.service.type=NodePort"),
    *("pods.priorityClassName=system-cluster-critical", "pods.tolerations[0].operator=Exists", "pods.nodeSelector.a=b"),
    "api.topologySpreadConstraints[0].topologyKey=zone",
    *(f"api.topologySpreadConstraints[0].{each}" for each in ("maxSkew=1", "whenUnsatisfiable=DoNotSchedule")),
)


@pytest.mark.parametrize("sets", [(), EXTERNAL, OPTIONS], ids=["as it is", "everything external", "everything on"])
def test_every_field_is_one_that_the_api_server_knows(helm: Helm, sets: tuple[str, ...]) -> None:
    # The pod of `helm test` would be refused, because the account that the chart makes for it does not exist here.
    rendered = helm.template("crds.enabled=false", "serviceAccount.create=false", *sets)
    helm.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", stdin=rendered)


def test_an_unknown_field_is_refused(helm: Helm) -> None:
    """The control of the test above."""
    rendered = helm.template("crds.enabled=false", "serviceAccount.create=false", "podSecurityContext.runAsNobody=true")
    with pytest.raises(Refused, match="runAsNobody"):
        helm.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", stdin=rendered)


def test_two_releases_in_one_namespace_live_apart(helm: Helm, api: ApiServer) -> None:
    other = replace(helm, release="other")
    helm.install()
    other.install()
    helm.uninstall()
    assert api.find("deployment/other-atomictickets-api")
    other.upgrade("api.replicas=1")


def test_a_mistyped_value_installs_nothing(helm: Helm) -> None:
    with pytest.raises(HelmRefused, match="'replica' not allowed"):
        helm.install("api.replica=3")
    assert helm.kubectl.get("all")["items"] == []
