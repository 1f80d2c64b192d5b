"""One release of the chart with running pods, seen through kubectl, helm and its ledger."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.gate.keys import SaleKeys
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.statuses import Status, until_status
from tests.support.chart import component_of
from tests.support.until import block_until

WAIT_SECONDS = 60
READY_SECONDS = 90
RESTART_SECONDS = 120  # the kubelet waits longer after each death
# On a busy machine a store may take more than a second to answer, which must not count as an outage.
LONGER_TIMEOUTS = (
    *("settings.GATE_CONNECT_TIMEOUT_SECONDS=5", "settings.GATE_COMMAND_TIMEOUT_SECONDS=5"),
    *("settings.GATE_QUEUE_SECONDS=10", "settings.LEDGER_CONNECT_TIMEOUT_SECONDS=5"),
)

Object = dict[str, Any]
Order = tuple[str, str]
"""A customer and an idempotency key."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A release. `image` is `repository:tag`.

    `ledger_pod` has psql and `stock_pod` has `valkey_cli`. If they are empty, the bundled stores are used.
    """

    kubectl: Kubectl
    image: str
    release: str = "atomictickets"
    ledger_pod: str = ""
    stock_pod: str = ""
    valkey_cli: tuple[str, ...] = ("valkey-cli",)

    @property
    def helm(self) -> Helm:
        return Helm(self.kubectl, release=self.release)

    @property
    def url(self) -> str:
        """Return the API's URL, as any pod of the cluster can use it."""
        return f"http://{self.release}-api.{self.kubectl.namespace}:8000"

    def sets(self, image: str = "") -> tuple[str, ...]:
        """Return the values that every install and upgrade of the release sets."""
        repository, _, tag = (image or self.image).rpartition(":")
        return f"image.repository={repository}", f"image.tag={tag}", *LONGER_TIMEOUTS

    def install(self, *sets: str) -> str:
        """Install the release. Return when every pod is ready and the migration is done, which may take 90 s."""
        return self.helm.install(*self.sets(), *sets, wait_seconds=READY_SECONDS)

    def upgrade(self, *sets: str, image: str = "") -> str:
        return self.helm.upgrade(*self.sets(image), *sets, wait_seconds=180)

    def name(self, component: str) -> str:
        return f"{self.release}-{component}"

    def pods(self, component: str) -> list[Object]:
        """Return the component's pods that run and are not being deleted."""
        selector = f"--selector=app.kubernetes.io/instance={self.release},app.kubernetes.io/component={component}"
        found = self.kubectl.get("pods", selector, "--field-selector=status.phase=Running")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def all_pods(self) -> list[str]:
        """Return all pods of the release, including those of Jobs, as `pod/name`."""
        selector = f"--selector=app.kubernetes.io/instance={self.release}"
        return self.kubectl("get", "pods", selector, "--output=name").split()

    def wait_rolled_out(self, component: str) -> None:
        """Wait until the component's Deployment is rolled out."""
        self.kubectl("rollout", "status", f"deployment/{self.name(component)}", "--timeout=120s", seconds=130)

    def wait_restarted(self, pod: Object) -> float:
        """Wait until a pod whose processes were killed is ready again. Return the time on the monotonic clock.

        `pod` is the pod as it was before. A worker's pod may also be gone, because a Deployment that shrinks first
        deletes the pods that are not ready.
        """

        def came_back() -> bool:
            found = self.kubectl("get", f"pod/{pod['metadata']['name']}", "--ignore-not-found", "--output=json")
            if not found:
                return bool(component_of(pod) == "worker")
            (now,) = json.loads(found)["status"]["containerStatuses"]
            (before,) = pod["status"]["containerStatuses"]
            return bool(now["ready"] and now["restartCount"] > before["restartCount"])

        block_until(came_back, seconds=RESTART_SECONDS)
        return time.monotonic()

    def replicas(self, component: str) -> int:
        return int(self.kubectl.get(f"deployment/{self.name(component)}")["spec"]["replicas"])

    def passwords(self) -> dict[str, Any]:
        selector = f"--selector=app.kubernetes.io/instance={self.release}"
        secrets = self.kubectl.get("secrets", selector)["items"]
        return {each["metadata"]["name"]: each["data"] for each in secrets if each["type"] == "Opaque"}

    def admin_token(self) -> str:
        path = '{{index .data "admin-token" | base64decode}}'
        return self.kubectl("get", "secret", self.name("admin"), f"--output=go-template={path}")

    def metrics(self, pod: Object) -> str:
        """Return the exposition of one API pod, read through the API server's proxy."""
        address = f"/api/v1/namespaces/{self.kubectl.namespace}/pods/{pod['metadata']['name']}:8000/proxy/metrics"
        return self.kubectl("get", "--raw", address)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a SELECT on the ledger."""
        schema = f"{self.kubectl.namespace}-{self.release}"
        psql = ("psql", "--username=atomictickets", "--dbname=atomictickets", "--tuples-only", "--no-align")
        printed = self.kubectl(
            *(
                "exec",
                self.ledger_pod or f"{self.name('postgres')}-0",
                "--",
                "env",
                f'PGOPTIONS=-c search_path="{schema}"',
            ),
            *(*psql, f"--command=SELECT json_agg(each) FROM ({sql}) each"),  # noqa: S608  the tests' own
        )
        return json.loads(printed) if printed.strip() else []

    def bookings(self, sale: str) -> Counter[Order]:
        """Return how many bookings with the status `booked` each order has in the ledger."""
        of_sale = f"FROM bookings WHERE sale = '{sale}' AND status = 'booked'"
        rows = self.rows(f"SELECT customer, idempotency_key AS key {of_sale}")
        return Counter((row["customer"], row["key"]) for row in rows)

    def backlog(self, sale: str) -> int:
        """Return how many orders in the stock server no worker has booked yet."""
        orders = SaleKeys(f"{self.kubectl.namespace}-{self.release}", sale).orders
        return int(
            self.kubectl("exec", self.stock_pod or f"{self.name('valkey')}-0", "--", *self.valkey_cli, "XLEN", orders)
        )

    def until_status(self, sale: str, holds: Callable[[Status], bool], seconds: float = WAIT_SECONDS) -> Status:
        """Wait until the resource's status meets the condition, and return the status.

        Raise AssertionError with the last status seen if it does not.
        """
        return until_status(
            partial(block_until, seconds=seconds), partial(self.kubectl.get, f"flashsale/{sale}"), holds
        )

    def until_open(self, *sales: str) -> None:
        for sale in sales:
            self.until_status(sale, lambda status: status.get("phase") == "Open")
