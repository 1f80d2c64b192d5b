"""An installation in a namespace: real stores, the operator and the workers as processes, and the objects around them.

The Deployment of workers is scaled and never runs: nobody has its image. What drains is real Celery.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import yaml

from app.lab.process import ChildProcess, ProcessFailed
from app.lab.servers.ports import free_port
from tests.cluster.kubectl import Kubectl
from tests.support.project import PROJECT

TURNS = "atomictickets_operator_reconcile_seconds_count"
ACCOUNT, WORKERS, LEASE = "operator", "atomictickets-worker", "atomictickets-operator"
ROLE: dict[str, Any] = yaml.safe_load((PROJECT / "k8s" / "operator-role.yaml").read_text())
Status = dict[str, Any]
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": WORKERS},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": WORKERS}},
        "template": {
            "metadata": {"labels": {"app": WORKERS}},
            "spec": {"containers": [{"name": "worker", "image": "nothing-runs-here:1"}]},
        },
    },
}
WAIT_SECONDS = 60.0  # what takes one second alone; the machine may have other things to do


def condition(status: Status, type_: str) -> tuple[str, str]:
    """Status and reason; empty where it has not been told."""
    found = [one for one in status.get("conditions", ()) if one["type"] == type_]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


class OperatorProcess(ChildProcess):
    """The operator as a pod starts it, with what it serves."""

    health: str
    metrics: str

    def probe(self) -> int:
        """The status that the liveness probe gets, 0 where nobody listens."""
        try:
            return httpx2.get(self.health, timeout=10).status_code
        except httpx2.TransportError:
            return 0

    def metric(self, name: str) -> float:
        """The value of one line of the exposition; 0 where nobody listens yet."""
        try:
            exposition = httpx2.get(self.metrics, timeout=10).text
        except httpx2.TransportError:
            return 0
        (line,) = (line for line in exposition.splitlines() if line.startswith(f"{name} "))
        return float(line.rpartition(" ")[2])

    def turn(self, turns: int, *, seconds: float = WAIT_SECONDS) -> None:
        """Waits until it has taken so many more turns of sales."""
        last = self.metric(TURNS) + turns
        self.wait_ready(lambda: self.metric(TURNS) >= last, seconds=seconds)


class Installation:
    """Processes are numbered in the order of their start. `stop` ends them all."""

    def __init__(self, kubectl: Kubectl, home: Path, stores: dict[str, str]) -> None:
        self.kubectl = kubectl
        self.operators: list[OperatorProcess] = []
        self._home = home
        self._stores = stores
        self._processes: list[ChildProcess] = []

    def set_up(self, rules: list[dict[str, Any]] | None = None) -> None:
        """The account with its rights, the Lease and the Deployment, as the chart makes them."""
        self.kubectl("create", "serviceaccount", ACCOUNT)
        account = f"{self.kubectl.namespace}:{ACCOUNT}"
        self.kubectl(
            "create", "rolebinding", ACCOUNT, f"--role={ROLE['metadata']['name']}", f"--serviceaccount={account}"
        )
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}}
        self.kubectl.apply(ROLE if rules is None else ROLE | {"rules": rules}, lease, DEPLOYMENT)

    def start_operator(self, module: str = "flashsale_operator.main", **environment: str) -> OperatorProcess:
        """Starts one more, with the rights of the Role alone. `environment` overrides. Returns at once."""
        number, health, metrics = len(self.operators) + 1, free_port(), free_port()
        operator = OperatorProcess(
            f"operator {number}",
            [
                *(sys.executable, "-m", "kopf", "run", "-m", module, "--standalone"),
                *("--namespace", self.kubectl.namespace, "--liveness", f"http://127.0.0.1:{health}/healthz"),
            ],
            log=self._home / f"operator-{number}.log",
            directory=PROJECT,
            environment=self._environment(
                KUBECONFIG=str(self._kubeconfig()),
                OPERATOR_NAMESPACE=self.kubectl.namespace,
                OPERATOR_IDENTITY=f"operator-{number}",
                OPERATOR_LEASE=LEASE,
                OPERATOR_WORKERS=WORKERS,
                OPERATOR_LEASE_SECONDS="6",
                OPERATOR_ACT_SECONDS="4",
                OPERATOR_RENEW_SECONDS="1",
                OPERATOR_METRICS_PORT=str(metrics),
                OPERATOR_LIST_SECONDS="3",
                OPERATOR_GLANCE_SECONDS="0.5",
                OPERATOR_QUIET_SECONDS="2",
            )
            | environment,
        )
        operator.health, operator.metrics = f"http://127.0.0.1:{health}/healthz", f"http://127.0.0.1:{metrics}/metrics"
        self.operators.append(operator)
        self._start(operator)
        return operator

    def start_worker(self, **environment: str) -> ChildProcess:
        """Returns when it drains. `environment` overrides."""
        number = len(self._processes) + 1
        ready = self._home / f"worker-{number}.ready"
        celery = (sys.executable, "-m", "celery", "-A", "worker.main", "worker", "--pool", "prefork")
        name = f"worker-{number}-{self.kubectl.namespace}@%h"
        worker = ChildProcess(
            f"worker {number}",
            [*celery, "--concurrency", "1", "-n", name, "--without-mingle", "--without-gossip"],
            log=self._home / f"worker-{number}.log",
            directory=PROJECT,
            environment=self._environment(WORKER_READY_FILE=str(ready), DRAIN_SWEEP_SECONDS="0.1") | environment,
        )
        self._start(worker)
        worker.wait_ready(ready.exists, seconds=WAIT_SECONDS)
        return worker

    def until(self, holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Waits while the last operator runs; what it logged is in the failure."""
        self.operators[-1].wait_ready(holds, seconds=seconds)

    def until_told(self, sale: str, path: str, value: str, seconds: float = WAIT_SECONDS) -> None:
        """Waits until the resource's field at `path` (`.status.phase`) is `value`."""
        self.until(lambda: self.read(sale, path) == value, seconds)

    def until_phase(self, phase: str, sale: str = "drop") -> Status:
        return self.until_status(lambda status: status.get("phase") == phase, sale)

    def until_status(self, holds: Callable[[Status], bool], sale: str = "drop") -> Status:
        """The resource's status, once it is so. Fails with the last one seen, and what the operator logged."""
        seen: Status = {}

        def told() -> bool:
            seen.clear()
            seen.update(self.kubectl.get(f"fs/{sale}").get("status", {}))
            return bool(seen) and holds(seen)

        try:
            self.until(told)
        except ProcessFailed as failed:
            raise AssertionError(f"{failed.detail}\n{json.dumps(seen)}") from failed
        return seen

    def messages(self, sale: str) -> str:
        """What all conditions say; empty where there is no such resource."""
        return self.read(sale, ".status.conditions[*].message")

    def read(self, sale: str, path: str) -> str:
        return self.kubectl("get", f"fs/{sale}", "--ignore-not-found", f"--output=jsonpath={{{path}}}")

    def reasons(self, about: str = "drop") -> list[str]:
        """The reasons of the events about an object, in the order in which they were posted."""
        return [event["reason"] for event in self.events(about)]

    def events(self, about: str = "drop") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.kubectl.get("events", f"--field-selector=involvedObject.name={about}")[
            "items"
        ]
        return sorted(found, key=lambda event: int(event["metadata"]["resourceVersion"]))

    def replicas(self) -> int:
        return int(self.kubectl.get(f"deployment/{WORKERS}")["spec"]["replicas"])

    def holder(self) -> str:
        return str((self.kubectl.get(f"lease/{LEASE}").get("spec") or {}).get("holderIdentity", ""))

    def stop(self) -> None:
        for process in self._processes:
            process.kill()

    def _start(self, process: ChildProcess) -> None:
        self._processes.append(process)
        process.start()

    def _environment(self, **settings: str) -> dict[str, str]:
        return os.environ | self._stores | settings

    def _kubeconfig(self) -> Path:
        """For the account, made from the admin's: the same server, and a token."""
        admin = json.loads(self.kubectl("config", "view", "--raw", "--minify", "--output=json"))
        admin["users"][0]["user"] = {"token": self.kubectl("create", "token", ACCOUNT).strip()}
        path = self._home / "operator.kubeconfig"
        path.write_text(json.dumps(admin))
        return path
