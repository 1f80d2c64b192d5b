"""What install, upgrade, rollback and uninstall leave on an API server. Whether the pods run is for a whole cluster."""

from dataclasses import replace
from typing import Any

import pytest

from tests.cluster.helm import Helm, HelmRefused
from tests.cluster.kubectl import Kubectl, Refused
from tests.support.until import block_until

pytestmark = pytest.mark.cluster

WORKER, API = "deployment/atomictickets-worker", "deployment/atomictickets-api"
DEFINITION = "crd/flashsales.atomictickets.dev"


@pytest.fixture
def helm(namespace: Kubectl) -> Helm:
    """Of a release whose pods find no node, where there is one: they would run for nobody."""
    helm = Helm(namespace, always=("pods.nodeSelector.kept-from=nodes",))
    if helm.program is None:
        pytest.skip("no Helm: helm is not on the PATH")
    return helm


def passwords(helm: Helm) -> dict[str, Any]:
    secrets = helm.kubectl.get("secrets", "--selector=app.kubernetes.io/part-of=atomictickets")["items"]
    return {secret["metadata"]["name"]: secret["data"] for secret in secrets}


def replicas(helm: Helm, deployment: str) -> int:
    return int(helm.kubectl.get(deployment)["spec"]["replicas"])


def jobs(helm: Helm) -> list[str]:
    return [job["metadata"]["name"] for job in helm.kubectl.get("jobs")["items"]]


def test_an_upgrade_keeps_the_passwords_and_the_operators_worker_count(helm: Helm) -> None:
    helm.install()
    made, (migration,) = passwords(helm), jobs(helm)
    assert len(made) == 4
    helm.kubectl("scale", WORKER, "--replicas=4")
    helm.upgrade("settings.LOG_LEVEL=DEBUG", "api.replicas=3")
    assert passwords(helm) == made
    assert (replicas(helm, WORKER), replicas(helm, API)) == (4, 3)
    assert jobs(helm) != [migration]
    helm.rollback(1)
    assert passwords(helm) == made
    assert (replicas(helm, WORKER), replicas(helm, API)) == (4, 2)
    assert jobs(helm) == [migration]


def test_an_install_finds_the_passwords_of_the_one_before(helm: Helm) -> None:
    helm.install()
    made = passwords(helm)
    helm.uninstall()
    left = helm.kubectl.get("deployments,statefulsets,jobs,services,roles,leases,serviceaccounts")["items"]
    assert [each["metadata"]["name"] for each in left] == ["default"]
    helm.install()
    assert passwords(helm) == made


def test_a_definition_of_somebody_else_is_used_and_left_alone(helm: Helm) -> None:
    before = helm.kubectl.get(DEFINITION)["metadata"]
    helm.install()
    helm.upgrade("api.replicas=1")
    helm.uninstall()
    after = helm.kubectl.get(DEFINITION)["metadata"]
    assert (after["uid"], after.get("annotations")) == (before["uid"], before.get("annotations"))


def test_pods_pass_the_restricted_standard(helm: Helm) -> None:
    """An admission that refuses shows as a Deployment or StatefulSet without pods, and its event."""
    helm.kubectl("label", "namespace", helm.kubectl.namespace, "pod-security.kubernetes.io/enforce=restricted")
    helm.install()
    wanted = {"api", "worker", "operator", "blaster", "broker", "valkey", "postgres", "migrate"}
    for component in wanted:
        selector = f"--selector=app.kubernetes.io/component={component}"
        helm.kubectl("wait", "pod", selector, "--for=create", "--timeout=30s")


def test_the_negative_control_is_refused_by_the_restricted_standard(helm: Helm) -> None:
    helm.kubectl("label", "namespace", helm.kubectl.namespace, "pod-security.kubernetes.io/enforce=restricted")
    helm.install("securityContext.allowPrivilegeEscalation=true", "api.replicas=1")
    reason = '{.status.conditions[?(@.type=="ReplicaFailure")].message}'
    helm.kubectl("wait", API, "--for=condition=ReplicaFailure", "--timeout=30s")
    assert "allowPrivilegeEscalation" in helm.kubectl("get", API, f"--output=jsonpath={reason}")


def test_those_who_may_view_or_edit_the_namespace_may_view_or_edit_its_sales(helm: Helm) -> None:
    def may(user: str, verb: str, *options: str) -> bool:
        try:
            return helm.kubectl("auth", "can-i", verb, "flashsales", f"--as={user}", *options).strip() == "yes"
        except Refused:  # it says "no" by its exit status
            return False

    for user, role in (("viewer", "view"), ("editor", "edit")):
        helm.kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")
    helm.install("crds.enabled=false")
    assert not may("viewer", "list")
    helm.upgrade("crds.enabled=false", "rbac.aggregateClusterRoles=true")
    block_until(
        lambda: may("viewer", "list") and may("editor", "create"), seconds=30
    )  # a controller puts them together
    assert may("editor", "watch")
    assert not any(may("viewer", verb) for verb in ("create", "patch", "delete"))
    assert not may("editor", "patch", "--subresource=status")
    helm.uninstall()
    block_until(lambda: not may("viewer", "list") and not may("editor", "create"), seconds=30)


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
    "api.pod.topologySpreadConstraints[0].topologyKey=zone",
    *(f"api.pod.topologySpreadConstraints[0].{each}" for each in ("maxSkew=1", "whenUnsatisfiable=DoNotSchedule")),
)


@pytest.mark.parametrize("sets", [(), EXTERNAL, OPTIONS], ids=["as it is", "everything external", "everything on"])
def test_every_field_is_one_that_the_api_server_knows(helm: Helm, sets: tuple[str, ...]) -> None:
    # Without the account that comes with it the pod of `helm test` would be refused: nothing here is really made.
    rendered = helm.template("crds.enabled=false", "serviceAccount.create=false", *sets)
    helm.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", stdin=rendered)


def test_a_field_that_it_does_not_know_is_refused(helm: Helm) -> None:
    """The control of the test above."""
    rendered = helm.template("crds.enabled=false", "serviceAccount.create=false", "podSecurityContext.runAsNobody=true")
    with pytest.raises(Refused, match="runAsNobody"):
        helm.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", stdin=rendered)


def test_two_releases_in_one_namespace_live_apart(helm: Helm) -> None:
    other = replace(helm, release="other")
    helm.install()
    other.install()
    helm.uninstall()
    assert helm.kubectl.get("deployment/other-atomictickets-api")["metadata"]["name"]
    other.upgrade("api.replicas=1")


def test_a_value_that_is_mistyped_installs_nothing(helm: Helm) -> None:
    with pytest.raises(HelmRefused, match="'replica' not allowed"):
        helm.install("api.replica=3")
    assert helm.kubectl.get("all")["items"] == []
