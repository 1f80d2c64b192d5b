"""The operator as a process of its own, with its probe and metrics."""

import sys
from pathlib import Path

import httpx2

from app.lab.stack.process import ChildProcess
from tests.support.project import PROJECT

RECONCILIATIONS = "atomictickets_operator_reconcile_seconds_count"
WAIT_SECONDS = 60.0  # for reconciliations that take one second on an idle machine

HTTP = httpx2.Client(timeout=10, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))
"""One client for all requests. It takes 20 ms to make one, because it loads certificates, which plain HTTP ignores."""


class OperatorProcess(ChildProcess):
    """A process of `kopf run`, started as in a pod."""

    def __init__(
        self, name: str, *, module: str, namespace: str, log: Path, environment: dict[str, str], ports: tuple[int, int]
    ) -> None:
        """Prepare the process. `ports` are those of the probe and of the metrics."""
        health, metrics = ports
        self.health, self.metrics = f"http://127.0.0.1:{health}/healthz", f"http://127.0.0.1:{metrics}/metrics"
        super().__init__(
            name,
            [
                *(sys.executable, "-m", "kopf", "run", "-m", module, "--standalone"),
                *("--namespace", namespace, "--liveness", self.health),
            ],
            log=log,
            directory=PROJECT,
            environment=environment | {"OPERATOR_METRICS_PORT": str(metrics)},
        )

    def probe(self) -> int:
        """Return the HTTP status that the liveness probe gets, or 0 if there is no answer."""
        try:
            return HTTP.get(self.health).status_code
        except httpx2.TransportError:
            return 0

    def metric(self, name: str) -> float:
        """Return the value of one line of the exposition, or 0 if there is no answer yet."""
        try:
            exposition = HTTP.get(self.metrics).text
        except httpx2.TransportError:
            return 0
        (line,) = (line for line in exposition.splitlines() if line.startswith(f"{name} "))
        return float(line.rpartition(" ")[2])

    def until_reconciled(self, times: int) -> None:
        """Wait until the operator has reconciled sales this many more times."""
        last = self.metric(RECONCILIATIONS) + times
        self.wait_ready(lambda: self.metric(RECONCILIATIONS) >= last, seconds=WAIT_SECONDS)
