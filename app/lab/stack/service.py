"""The processes of the service, started by the same commands as in a production installation."""

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
from urllib3.exceptions import HTTPError

from app.client import get
from app.lab.stack.home import LabHome
from app.lab.stack.process import ChildProcess
from app.lab.stack.supervisor import ManagedProcess

CELERY_WORKER = (
    *("-A", "worker.main", "worker", "--pool", "prefork", "--concurrency", "1", "--disable-prefetch"),
    *("--without-mingle", "--without-gossip"),  # workers do not need each other, and mingling costs 1 s at start
)


class ServicePlan:
    """The plan by which the processes of one installation are started.

    `host`, `port`: address of the API
    `environment`: the URLs of the stores, and other settings of the processes
    """

    def __init__(self, home: LabHome, host: str, port: int, environment: Mapping[str, str]) -> None:
        self._home = home
        self.host = host
        self.port = port
        self.api_url = url_of(host, port)
        self.environment = {
            **os.environ,
            **environment,
            "API_HOST": host,
            "API_PORT": str(port),
            "API_URL": self.api_url,
            "PROMETHEUS_MULTIPROC_DIR": str(home.metrics),
            "PYTHONUNBUFFERED": "1",
        }

    def migration(self) -> ChildProcess:
        """Return the process that migrates the ledger, and ends."""
        return self.module("migrate", "app.ledger.migrate")

    def processes(self, *, api_processes: int, workers: int) -> list[ManagedProcess]:
        """Return the processes in the order of their start. They stop in the opposite order, the API first."""
        return [
            self._background("reconcile", "app.reconciler"),
            *(self.worker(number) for number in range(1, workers + 1)),
            self._background("blast-runner", "app.blasts.runner"),
            *(self.api(f"api-{number}") for number in range(1, api_processes + 1)),
        ]

    def api(self, name: str, module: str = "app.serve", **environment: str) -> ManagedProcess:
        """Return an API process at the port of this plan. `module` is the program; a benchmark runs another one."""
        # The pod's name identifies the process, because all processes have the same host name here.
        process = self.module(name, module, **{"POD_NAME": name} | environment)

        def ready() -> bool:
            return listens(process, self.port) and is_ready(self.host, self.port)

        return ManagedProcess(name, process, address=self.api_url, ready=ready)

    def worker(self, number: int) -> ManagedProcess:
        name = f"worker-{number}"
        return self._background(name, "celery", *CELERY_WORKER, "-n", f"{name}@%h", variable="WORKER_READY_FILE")

    def _background(self, name: str, module: str, *arguments: str, variable: str | None = None) -> ManagedProcess:
        """Return a process without a port. When it is ready, it creates the file that `<NAME>_READY_FILE` names."""
        ready_file = self._home.directory / f"{name}.ready"
        ready_file.unlink(missing_ok=True)
        environment = {variable or f"{name.upper().replace('-', '_')}_READY_FILE": str(ready_file)}
        return ManagedProcess(name, self.module(name, module, *arguments, **environment), ready=ready_file.exists)

    def module(self, name: str, module: str, *arguments: str, **environment: str) -> ChildProcess:
        """Return the process that runs a Python module with these arguments and more environment variables."""
        # The process runs in the home, because `-m` searches the current directory first, which may have another app/.
        return ChildProcess(
            name,
            [sys.executable, "-m", module, *arguments],
            log=self._home.log(name),
            environment=self.environment | environment,
            directory=self._home.directory,
        )


def is_ready(host: str, port: int) -> bool:
    """Return whether /readyz answers that the process serves."""
    with contextlib.suppress(HTTPError):
        return get(f"{url_of(host, port)}/readyz", 2).status == 200
    return False


def listens(process: ChildProcess, port: int) -> bool:
    """Return whether this process itself listens at the port. With SO_REUSEPORT, another one may have answered."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        connections = psutil.Process(process.pid).net_connections("tcp")
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port for connection in connections
        )
    return False


def client_host(host: str) -> str:
    """Return the address at which a client on this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def url_of(host: str, port: int) -> str:
    address = client_host(host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def clear_metrics(directory: Path) -> None:
    """Remove the metrics of processes that have ended, which would be added to the new counters."""
    for leftover in directory.glob("*.db"):
        leftover.unlink()
