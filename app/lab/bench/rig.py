"""What is measured: embedded stores of its own, and groups of API processes that stand idle until an arm's turn."""

import asyncio
import http.client
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from app.lab.stack.home import LabHome
from app.lab.stack.process import ChildProcess
from app.lab.stack.registry import ProcessRegistry
from app.lab.stack.servers.ports import LOOPBACK, free_port
from app.lab.stack.service import CELERY_WORKER, ServicePlan, clear_metrics, listens
from app.lab.stack.stores import Stores
from app.lab.stack.supervisor import ManagedProcess, Supervisor

READY_SECONDS = 60.0
FLOOR_MODULE = "app.lab.bench.floor_app"
CONSTANT_MODULE = "app.lab.bench.constant_gate_app"
API_MODULE = "app.serve"
ALTERNATING_MODULE = "app.lab.bench.alternating_app"
COLLECTOR_MODULE = "app.lab.bench.collector_app"


@dataclass(frozen=True, slots=True)
class Group:
    """`processes` of one kind that share a port. `traced`: the share of requests whose spans are exported."""

    name: str
    module: str
    processes: int
    traced: float = 0.0


FLOOR_1, FLOOR_2 = Group("floor", FLOOR_MODULE, 1), Group("floor-2", FLOOR_MODULE, 2)
CONSTANT = Group("constant", CONSTANT_MODULE, 1)
API_1, API_2 = Group("api", API_MODULE, 1), Group("api-2", API_MODULE, 2)
TRACED_100 = Group("traced-100", API_MODULE, 1, traced=1.0)
ALTERNATING = Group("alternating", ALTERNATING_MODULE, 1)
ALTERNATING_1 = Group("alternating-1", ALTERNATING_MODULE, 1, traced=0.01)
ALTERNATING_100 = Group("alternating-100", ALTERNATING_MODULE, 1, traced=1.0)


@dataclass(slots=True)
class Running:
    """A group that is up. `collector_port`: where it looks for its collector."""

    url: str
    processes: list[psutil.Process] = field(default_factory=list)
    collector_port: int = 0


class Rig:
    """Start and stop it from the main thread: the death of the thread that starts them ends the processes."""

    def __init__(self, home: LabHome, say: Callable[[str], None]) -> None:
        self._home = home
        self._registry = ProcessRegistry(home.registry)
        self._supervisor = Supervisor(self._registry, say)
        self._plans: dict[str, ServicePlan] = {}
        self._running: dict[str, Running] = {}
        self._workers_started = 0
        self.redis_url = ""
        self.data_directories: dict[str, Path] = {}

    def start(self, groups: Iterable[Group]) -> None:
        """Stores without data, the ledger's tables, and the groups. After any error call `stop`."""
        self._registry.end_left_behind()
        self._home.discard_data()
        clear_metrics(self._home.metrics)
        stores = Stores(self._home)  # never a server that somebody else depends on
        self._supervisor.start(stores.parts)
        self.redis_url = stores.urls["REDIS_URL"]
        self.data_directories = {
            "valkey": self._home.directory / "valkey",
            "postgres": (self._home.directory / "postgres").resolve(),
        }
        plans = {group: ServicePlan(self._home, LOOPBACK, free_port(), stores.urls) for group in (API_1, *groups)}
        self._supervisor.run_to_end("migrate", plans[API_1].migration())
        for group, plan in plans.items():
            collector_port = free_port()
            tracing = tracing_of(group, collector_port)
            parts = [self._api(group, plan, number, tracing) for number in range(1, group.processes + 1)]
            self._supervisor.start(parts)
            self._plans[group.name] = plan
            processes = [psutil.Process(part.server.pid) for part in parts]
            self._running[group.name] = Running(plan.api_url, processes, collector_port)

    def stop(self) -> None:
        self._supervisor.stop()
        self._home.discard_data()

    def group(self, group: Group) -> Running:
        return self._running[group.name]

    @property
    def stock_server(self) -> psutil.Process:
        return next(psutil.Process(part.server.pid) for part in self._supervisor.parts if part.name == "valkey")

    @asynccontextmanager
    async def workers(self, count: int, *, wait: bool = True) -> AsyncIterator[list[psutil.Process]]:
        """Celery workers as the lab runs them, for as long as an arm needs them."""
        started: list[ChildProcess] = []
        try:
            ready_files = [self._start_worker(started) for _ in range(count)]
            if wait:
                for worker, ready_file in zip(started, ready_files, strict=True):
                    await asyncio.to_thread(worker.wait_ready, ready_file.exists, seconds=READY_SECONDS)
            yield [psutil.Process(worker.pid) for worker in started]
        finally:
            for worker in started:
                worker.ask_to_stop()
            for worker in started:
                worker.stop()

    @asynccontextmanager
    async def collector(self, group: Running) -> AsyncIterator[ChildProcess]:
        """Takes the spans of one group, for as long as an arm needs it or until it is killed."""
        process = ChildProcess(
            "collector",
            [sys.executable, "-m", COLLECTOR_MODULE, str(group.collector_port)],
            log=self._home.log("collector"),
            environment=self._plans[API_1.name].environment,
            directory=self._home.directory,
        )
        process.start()
        self._registry.record("collector", process.pid)
        try:
            ready = partial(listens, process, group.collector_port)
            await asyncio.to_thread(process.wait_ready, ready, seconds=READY_SECONDS)
            yield process
        finally:
            process.stop()

    def _start_worker(self, started: list[ChildProcess]) -> Path:
        self._workers_started += 1
        name = f"worker-{self._workers_started}"
        ready_file = self._home.directory / f"{name}.ready"
        ready_file.unlink(missing_ok=True)
        worker = ChildProcess(
            name,
            [sys.executable, "-m", "celery", *CELERY_WORKER, "-n", f"{name}@%h"],
            log=self._home.log("worker"),
            environment=untraced(self._plans[API_1.name].environment) | {"WORKER_READY_FILE": str(ready_file)},
            directory=self._home.directory,
        )
        started.append(worker)
        worker.start()
        self._registry.record(name, worker.pid)
        return ready_file

    def _api(self, group: Group, plan: ServicePlan, number: int, tracing: Mapping[str, str]) -> ManagedProcess:
        name = f"{group.name}-{number}"
        process = ChildProcess(
            name,
            [sys.executable, "-m", group.module],
            log=self._home.log(name),
            environment=untraced(plan.environment) | dict(tracing),
            directory=self._home.directory,
        )
        return ManagedProcess(
            name, process, plan.api_url, ready=lambda: listens(process, plan.port) and is_ready(plan.port)
        )


def untraced(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what the user's own shell says of tracing: each arm says it for itself."""
    return {name: value for name, value in environment.items() if not name.startswith("OTEL_")}


def tracing_of(group: Group, collector_port: int) -> dict[str, str]:
    """What the environment says of tracing; nothing where it is off."""
    if not group.traced:
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:{collector_port}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(group.traced),
    }


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
