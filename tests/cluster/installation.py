"""An installation in a namespace: real stores, the operator and the workers as processes, and the objects around them.

The Deployment of workers is scaled but its pods never run, because no node may take them. The orders are drained by
real Celery workers, which are processes of this machine.
"""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from app.lab.stack.process import ChildProcess
from app.lab.stack.servers.ports import free_port
from app.lab.stack.service import CELERY_WORKER
from tests.cluster.api_server import ApiServer
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.statuses import Status, until_status
from tests.support.project import PROJECT
from tests.support.until import block_until

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
            "spec": {
                "nodeSelector": {"kept-from": "nodes"},
                "containers": [{"name": "worker", "image": "nothing-runs-here:1"}],
            },
        },
    },
}
WAIT_SECONDS = 60.0  # for a condition that takes one second on an idle machine


class Installation:
    """An installation, whose processes are numbered in the order of their start. `stop` ends them all."""

    def __init__(self, api: ApiServer, home: Path, stores: dict[str, str]) -> None:
        self.api = api
        self.operators: list[OperatorProcess] = []
        self._home = home
        self._stores = stores
        self._processes: list[ChildProcess] = []

    def set_up(self, rules: list[dict[str, Any]] | None = None) -> None:
        """Create the account with its rights, the Lease and the Deployment, as the chart does."""
        account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.api.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ROLE["metadata"]["name"]}
        self.api.create(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}},
            ROLE if rules is None else ROLE | {"rules": rules},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": ACCOUNT},
                "roleRef": role,
                "subjects": [account],
            },
            {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}},
            DEPLOYMENT,
        )
        user = f"system:serviceaccount:{self.api.namespace}:{ACCOUNT}"
        # A new Role takes the API server a moment. No test takes both of these rights away.
        block_until(lambda: any(self.api.may(user, verb, "flashsale") for verb in ("get", "list")))

    def begin(self) -> "Installation":
        """Set it up, start one operator, and return the installation."""
        self.set_up()
        self.start_operator()
        return self

    def start_operator(self, module: str = "flashsale_operator.main", **environment: str) -> OperatorProcess:
        """Start one more operator, with the rights of the Role alone, and return at once.

        `environment` overrides the default settings.
        """
        number = len(self.operators) + 1
        settings = {
            "KUBECONFIG": str(self._kubeconfig()),
            "OPERATOR_NAMESPACE": self.api.namespace,
            "OPERATOR_IDENTITY": f"operator-{number}",
            "OPERATOR_LEASE": LEASE,
            "OPERATOR_WORKERS": WORKERS,
            "OPERATOR_LEASE_SECONDS": "6",
            "OPERATOR_RENEW_DEADLINE_SECONDS": "4",
            "OPERATOR_RETRY_PERIOD_SECONDS": "1",
            "OPERATOR_RESYNC_SECONDS": "3",
            "OPERATOR_ABSENCE_GRACE_SECONDS": "1",
            "OPERATOR_POLL_SECONDS": "0.5",
            "OPERATOR_STABILIZATION_SECONDS": "2",
        }
        operator = OperatorProcess(
            f"operator {number}",
            module=module,
            namespace=self.api.namespace,
            log=self._home / f"operator-{number}.log",
            environment=self._environment(**settings) | environment,
            ports=(free_port(), free_port()),
        )
        self.operators.append(operator)
        self._start(operator)
        return operator

    def start_worker(self, **environment: str) -> ChildProcess:
        """Start one more worker and return when it drains. `environment` overrides the default settings."""
        number = len(self._processes) + 1
        ready = self._home / f"worker-{number}.ready"
        worker = ChildProcess(
            f"worker {number}",
            [sys.executable, "-m", "celery", *CELERY_WORKER, "-n", f"worker-{number}-{self.api.namespace}@%h"],
            log=self._home / f"worker-{number}.log",
            directory=PROJECT,
            environment=self._environment(WORKER_READY_FILE=str(ready), DRAIN_SWEEP_SECONDS="0.1") | environment,
        )
        self._start(worker)
        worker.wait_ready(ready.exists, seconds=WAIT_SECONDS)
        return worker

    def until(self, holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Wait for the condition. If the last operator ends before it holds, its log is in the error's message."""
        self.operators[-1].wait_ready(holds, seconds=seconds)

    def until_phase(self, phase: str, sale: str = "drop") -> Status:
        return self.until_status(lambda status: status.get("phase") == phase, sale)

    def until_status(self, holds: Callable[[Status], bool], sale: str = "drop") -> Status:
        """Wait until the resource's status meets the condition, and return the status."""
        return until_status(self.until, partial(self.api.get, f"flashsale/{sale}"), holds)

    def sale(self, name: str = "drop") -> dict[str, Any]:
        """Return the resource, or {} if there is none."""
        return self.api.find(f"flashsale/{name}") or {}

    def status(self, sale: str = "drop") -> Status:
        """Return the resource's status, or {} if none was written yet or there is no such resource."""
        status: Status = self.sale(sale).get("status", {})
        return status

    def messages(self, sale: str) -> str:
        """Return the messages of all conditions, joined."""
        return " ".join(one["message"] for one in self.status(sale).get("conditions", ()))

    def reasons(self, involved: str = "drop") -> list[str]:
        """Return the reasons of the events about an object, in the order in which they were posted."""
        return [event["reason"] for event in self.events(involved)]

    def events(self, involved: str = "drop") -> list[dict[str, Any]]:
        found = self.api.all("event", fields=f"involvedObject.name={involved}")
        return sorted(found, key=lambda event: int(event["metadata"]["resourceVersion"]))

    def replicas(self) -> int:
        return int(self.api.get(f"deployment/{WORKERS}")["spec"]["replicas"])

    def holder(self) -> str:
        return str((self.api.get(f"lease/{LEASE}").get("spec") or {}).get("holderIdentity", ""))

    def stop(self) -> None:
        for process in self._processes:
            process.kill()

    def _start(self, process: ChildProcess) -> None:
        self._processes.append(process)
        process.start()

    def _environment(self, **settings: str) -> dict[str, str]:
        return os.environ | self._stores | settings

    def _kubeconfig(self) -> Path:
        """Write a kubeconfig for the operator's account: the server of the tests' own kubeconfig, with a token."""
        config = self.api.config | {
            "users": [self.api.config["users"][0] | {"user": {"token": self.api.token(ACCOUNT)}}]
        }
        path = self._home / "operator.kubeconfig"
        path.write_text(json.dumps(config))
        return path
