"""The operator as a process of its own, with what it serves."""

import sys
from pathlib import Path

import httpx2

from app.lab.stack.process import ChildProcess
from tests.support.project import PROJECT

TURNS = "atomictickets_operator_reconcile_seconds_count"
TURN_SECONDS = 60.0  # what takes one second alone; the machine may have other things to do

HTTP = httpx2.Client(timeout=10, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))
"""One for all questions: to make a client takes 20 ms, for certificates that plain HTTP has no use for."""


class OperatorProcess(ChildProcess):
    """`kopf run` as a pod starts it."""

    def __init__(
        self, name: str, *, module: str, namespace: str, log: Path, environment: dict[str, str], ports: tuple[int, int]
    ) -> None:
        """`ports`: of the probe and the metrics."""
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
        """The status that the liveness probe gets; 0 if nobody listens."""
        try:
            return HTTP.get(self.health).status_code
        except httpx2.TransportError:
            return 0

    def metric(self, name: str) -> float:
        """The value of one line of the exposition; 0 if nobody listens yet."""
        try:
            exposition = HTTP.get(self.metrics).text
        except httpx2.TransportError:
            return 0
        (line,) = (line for line in exposition.splitlines() if line.startswith(f"{name} "))
        return float(line.rpartition(" ")[2])

    def turn(self, turns: int, *, seconds: float = TURN_SECONDS) -> None:
        """Wait until it has taken so many more turns of sales."""
        last = self.metric(TURNS) + turns
        self.wait_ready(lambda: self.metric(TURNS) >= last, seconds=seconds)
