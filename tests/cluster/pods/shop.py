"""One release of the chart whose pods run, seen through kubectl, helm and its ledger."""

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
# A store that doesn't get its turn on a busy machine within a second is no outage of which buyers are to hear.
PATIENCE = (
    *("settings.GATE_CONNECT_TIMEOUT_SECONDS=5", "settings.GATE_COMMAND_TIMEOUT_SECONDS=5"),
    *("settings.GATE_QUEUE_SECONDS=10", "settings.LEDGER_CONNECT_TIMEOUT_SECONDS=5"),
)

Object = dict[str, Any]
Order = tuple[str, str]
"""Customer and idempotency key."""


@dataclass(frozen=True, slots=True)
class Shop:
    """`image` is `repository:tag`. `ledger_pod` has psql, `stock_pod` has `valkey_cli`; empty: the bundled ones."""

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
        """For any pod of the cluster."""
        return f"http://{self.release}-api.{self.kubectl.namespace}:8000"

    def sets(self, image: str = "") -> tuple[str, ...]:
        """What every install and upgrade of it is told."""
        repository, _, tag = (image or self.image).rpartition(":")
        return f"image.repository={repository}", f"image.tag={tag}", *PATIENCE

    def install(self, *sets: str) -> str:
        """Returns when every pod is ready and the migration done, which may take 90 s."""
        return self.helm.install(*self.sets(), *sets, wait_seconds=READY_SECONDS)

    def upgrade(self, *sets: str, image: str = "") -> str:
        return self.helm.upgrade(*self.sets(image), *sets, wait_seconds=180)

    def name(self, component: str) -> str:
        return f"{self.release}-{component}"

    def pods(self, component: str) -> list[Object]:
        """Those that run and are not on their way out."""
        selector = f"--selector=app.kubernetes.io/instance={self.release},app.kubernetes.io/component={component}"
        found = self.kubectl.get("pods", selector, "--field-selector=status.phase=Running")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def all_pods(self) -> list[str]:
        """As `pod/name`, those of Jobs too."""
        selector = f"--selector=app.kubernetes.io/instance={self.release}"
        return self.kubectl("get", "pods", selector, "--output=name").split()

    def wait_rolled_out(self, component: str) -> None:
        """Of a Deployment."""
        self.kubectl("rollout", "status", f"deployment/{self.name(component)}", "--timeout=120s", seconds=130)

    def wait_restarted(self, pod: Object) -> float:
        """Until a pod whose processes were killed is ready again; when that was, on the monotonic clock.

        `pod`: as it was before. A worker may also be gone: of a pool that shrinks the one that isn't ready goes first.
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
        """The exposition of one API pod, by way of the API server."""
        address = f"/api/v1/namespaces/{self.kubectl.namespace}/pods/{pod['metadata']['name']}:8000/proxy/metrics"
        return self.kubectl("get", "--raw", address)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What the ledger answers; `sql` is a SELECT."""
        schema = f"{self.kubectl.namespace}-{self.release}"
        psql = ("psql", "--username=atomictickets", "--dbname=atomictickets", "--tuples-only", "--no-align")
        told = self.kubectl(
            *(
                "exec",
                self.ledger_pod or f"{self.name('postgres')}-0",
                "--",
                "env",
                f'PGOPTIONS=-c search_path="{schema}"',
            ),
            *(*psql, f"--command=SELECT json_agg(each) FROM ({sql}) each"),  # noqa: S608  the tests' own
        )
        return json.loads(told) if told.strip() else []

    def bookings(self, sale: str) -> Counter[Order]:
        """How often each order is in the ledger as booked."""
        of_sale = f"FROM bookings WHERE sale = '{sale}' AND status = 'booked'"
        rows = self.rows(f"SELECT customer, idempotency_key AS key {of_sale}")
        return Counter((row["customer"], row["key"]) for row in rows)

    def backlog(self, sale: str) -> int:
        """Orders in the stock server that no worker has booked yet."""
        orders = SaleKeys(f"{self.kubectl.namespace}-{self.release}", sale).orders
        return int(
            self.kubectl("exec", self.stock_pod or f"{self.name('valkey')}-0", "--", *self.valkey_cli, "XLEN", orders)
        )

    def until_status(self, sale: str, holds: Callable[[Status], bool], seconds: float = WAIT_SECONDS) -> Status:
        """Return the resource's status once it is so. Raises AssertionError with the last one seen."""
        return until_status(
            partial(block_until, seconds=seconds), partial(self.kubectl.get, f"flashsale/{sale}"), holds
        )

    def until_open(self, *sales: str) -> None:
        for sale in sales:
            self.until_status(sale, lambda status: status.get("phase") == "Open")
