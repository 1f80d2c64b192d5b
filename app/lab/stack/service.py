"""The processes of the service itself: the same commands that a production installation runs."""

import contextlib
import http.client
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from app.lab.stack.home import LabHome
from app.lab.stack.process import ChildProcess
from app.lab.stack.supervisor import ManagedProcess

CELERY_WORKER = (
    *("-A", "worker.main", "worker", "--pool", "prefork", "--concurrency", "1", "--disable-prefetch"),
    *("--without-mingle", "--without-gossip"),  # workers need nothing of each other; mingling costs 1 s at start
)


class ServicePlan:
    """Builds the parts from the stores' URLs and the address of the API."""

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
        return self.module("migrate", "app.ledger.migrate")

    def parts(self, *, api_processes: int, workers: int) -> list[ManagedProcess]:
        """In the order of their start; they stop in the opposite order, the API first."""
        return [
            self._loop("reconcile", "app.reconciler"),
            *(self.worker(number) for number in range(1, workers + 1)),
            self._loop("blast-runner", "app.blasts.runner"),
            *(self.api(f"api-{number}") for number in range(1, api_processes + 1)),
        ]

    def api(self, name: str, module: str = "app.serve", **environment: str) -> ManagedProcess:
        """One process at the port of this plan; `module`: what it runs in place of the service."""
        process = self.module(name, module, **{"POD_NAME": name} | environment)  # all have the same host name here

        def ready() -> bool:
            return listens(process, self.port) and is_ready(self.host, self.port)

        return ManagedProcess(name, process, address=self.api_url, ready=ready)

    def worker(self, number: int) -> ManagedProcess:
        name = f"worker-{number}"
        return self._loop(name, "celery", *CELERY_WORKER, "-n", f"{name}@%h", variable="WORKER_READY_FILE")

    def _loop(self, name: str, module: str, *arguments: str, variable: str | None = None) -> ManagedProcess:
        """A process without a port. It makes the file that `<NAME>_READY_FILE` names once it works."""
        ready_file = self._home.directory / f"{name}.ready"
        ready_file.unlink(missing_ok=True)
        environment = {variable or f"{name.upper().replace('-', '_')}_READY_FILE": str(ready_file)}
        return ManagedProcess(name, self.module(name, module, *arguments, **environment), ready=ready_file.exists)

    def module(self, name: str, module: str, *arguments: str, **environment: str) -> ChildProcess:
        # In the home, not the current directory: `-m` looks there first, and a user's own app/ would be taken for ours.
        return ChildProcess(
            name,
            [sys.executable, "-m", module, *arguments],
            log=self._home.log(name),
            environment=self.environment | environment,
            directory=self._home.directory,
        )


def is_ready(host: str, port: int) -> bool:
    """Return whether /readyz answers that the process serves."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def listens(process: ChildProcess, port: int) -> bool:
    """Whether this very process accepts there: with SO_REUSEPORT an answer may come from any of its siblings."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        connections = psutil.Process(process.pid).net_connections("tcp")
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)
    return False


def reachable(host: str) -> str:
    """The address under which a client on this machine finds a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def url_of(host: str, port: int) -> str:
    address = reachable(host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def clear_metrics(directory: Path) -> None:
    """Files of dead processes would be summed into this start's counters."""
    for leftover in directory.glob("*.db"):
        leftover.unlink()
