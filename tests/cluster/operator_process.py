"""The operator as a process of its own, with what it serves: started afresh, or forked from one that is warm."""

import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import connection
from pathlib import Path
from typing import Any

import httpx2
import kopf.cli

from app.lab.process import ChildProcess, ProcessFailed
from app.lab.servers.ports import free_port
from tests.fixtures.servers import PROJECT

TURNS = "atomictickets_operator_reconcile_seconds_count"
TURN_SECONDS = 60.0  # what takes one second alone; the machine may have other things to do

HTTP = httpx2.Client(timeout=10, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))
"""One for all questions: to make a client takes 20 ms, for certificates that plain HTTP has no use for."""

FORKS = multiprocessing.get_context("forkserver")
"""A start imports for 2 s of CPU. The server does that once for all operators of the tests' process."""
FORKS.set_forkserver_preload(["pytest", "kopf.cli", "flashsale_operator.main"])


class OperatorProcess(ChildProcess):
    """`kopf run` as a pod starts it. `arguments` are those of `kopf`."""

    def __init__(
        self, name: str, *, module: str, namespace: str, log: Path, environment: dict[str, str], ports: tuple[int, int]
    ) -> None:
        """`ports`: of the probe and the metrics."""
        health, metrics = ports
        self.health, self.metrics = f"http://127.0.0.1:{health}/healthz", f"http://127.0.0.1:{metrics}/metrics"
        self.arguments = [
            *("run", "-m", module, "--standalone", "--namespace", namespace, "--liveness", self.health),
        ]
        self.environment = environment | {"OPERATOR_METRICS_PORT": str(metrics)}
        super().__init__(
            name,
            [sys.executable, "-m", "kopf", *self.arguments],
            log=log,
            directory=PROJECT,
            environment=self.environment,
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


class ForkedOperator(OperatorProcess):
    """The same command, in a process that has everything imported."""

    _process: Any = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ProcessFailed(f"{self.name} was not started")
        return int(self._process.pid)

    @property
    def running(self) -> bool:
        return self._process is not None and bool(self._process.is_alive())

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.exitcode

    def start(self) -> None:
        self.log.touch()
        self._process = FORKS.Process(target=_run, args=(self.arguments, self.environment, self.log))
        self._process.start()

    def ask_to_stop(self) -> None:
        if self.running:
            self._process.terminate()

    def stop(self, *, seconds: float = 10) -> bool:
        self.ask_to_stop()
        self._process.join(seconds)
        graceful = not self.running
        self.kill()
        return graceful

    def kill(self) -> None:
        if self.running:
            self._process.kill()
            self._process.join()


def free_ports() -> tuple[int, int]:
    return free_port(), free_port()


def _run(arguments: list[str], environment: dict[str, str], log: Path) -> None:
    """What the forked process does. It ends with the one that asked for it, however that ends."""
    with log.open("ab") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(PROJECT)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    kopf.cli.main(arguments, prog_name="kopf")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)
