"""An installation in a namespace: real stores, the operator and the workers as processes, and the objects around them.

The Deployment of workers is scaled and never runs: the kit's control plane has no node. What drains is real Celery.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from app.lab.process import ChildProcess
from app.lab.servers.ports import free_port
from tests.cluster.kubectl import Kubectl
from tests.fixtures.servers import PROJECT

ACCOUNT, WORKERS, LEASE = "operator", "atomictickets-worker", "atomictickets-operator"
ROLE: dict[str, Any] = yaml.safe_load((PROJECT / "k8s" / "operator-role.yaml").read_text())
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
START_SECONDS = 30.0


class Installation:
    """Processes are numbered in the order of their start. `stop` ends them all."""

    def __init__(self, kubectl: Kubectl, home: Path, stores: dict[str, str]) -> None:
        self.kubectl = kubectl
        self.operators: list[ChildProcess] = []
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

    def start_operator(self, **environment: str) -> ChildProcess:
        """Starts one more, with the rights of the Role alone. `environment` overrides. Returns at once."""
        number, port = len(self.operators) + 1, free_port()
        operator = ChildProcess(
            f"operator {number}",
            [
                *(sys.executable, "-m", "kopf", "run", "-m", "flashsale_operator.main", "--standalone"),
                *("--namespace", self.kubectl.namespace, "--liveness", f"http://127.0.0.1:{port}/healthz"),
            ],
            log=self._home / f"operator-{number}.log",
            directory=PROJECT,
            environment=self._environment(
                KUBECONFIG=str(self._kubeconfig()),
                OPERATOR_NAMESPACE=self.kubectl.namespace,
                OPERATOR_IDENTITY=f"operator-{number}",
                OPERATOR_LEASE=LEASE,
                OPERATOR_WORKERS=WORKERS,
                OPERATOR_GLANCE_SECONDS="0.5",
                OPERATOR_QUIET_SECONDS="2",
            )
            | environment,
        )
        self.operators.append(operator)
        self._start(operator)
        return operator

    def start_worker(self) -> ChildProcess:
        """Returns when it drains."""
        number = len(self._processes) + 1
        ready = self._home / f"worker-{number}.ready"
        celery = (sys.executable, "-m", "celery", "-A", "worker.main", "worker", "--pool", "prefork")
        name = f"worker-{number}-{self.kubectl.namespace}@%h"
        worker = ChildProcess(
            f"worker {number}",
            [*celery, "--concurrency", "1", "-n", name, "--without-mingle", "--without-gossip"],
            log=self._home / f"worker-{number}.log",
            directory=PROJECT,
            environment=self._environment(WORKER_READY_FILE=str(ready), DRAIN_SWEEP_SECONDS="0.1"),
        )
        self._start(worker)
        worker.wait_ready(ready.exists, seconds=START_SECONDS)
        return worker

    def until(self, holds: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Waits while the last operator runs; what it logged is in the failure."""
        self.operators[-1].wait_ready(holds, seconds=seconds)

    def until_told(self, sale: str, path: str, value: str, seconds: float = START_SECONDS) -> None:
        """Waits until the resource's field at `path` (`.status.phase`) is `value`."""
        self.until(lambda: self.read(sale, path) == value, seconds)

    def messages(self, sale: str) -> str:
        """What all conditions say; empty where there is no such resource."""
        return self.read(sale, ".status.conditions[*].message")

    def read(self, sale: str, path: str) -> str:
        return self.kubectl("get", f"fs/{sale}", "--ignore-not-found", f"--output=jsonpath={{{path}}}")

    def condition(self, sale: str, type_: str) -> tuple[str, str]:
        """Status and reason; empty where it has not been told."""
        at = f'.status.conditions[?(@.type=="{type_}")]'
        return self.read(sale, f"{at}.status"), self.read(sale, f"{at}.reason")

    def reasons(self, sale: str) -> list[str]:
        """The reasons of the events about a sale."""
        selector = f"--field-selector=involvedObject.name={sale}"
        return [event["reason"] for event in self.kubectl.get("events", selector)["items"]]

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
