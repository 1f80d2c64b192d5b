"""The measured installation: embedded stores, and groups of API processes that are idle until the turn of an arm."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from app.lab.stack.home import LabHome
from app.lab.stack.installation import Installation
from app.lab.stack.process import ProcessFailed
from app.lab.stack.servers.ports import LOOPBACK, free_port
from app.lab.stack.service import ServicePlan, listens
from app.lab.stack.supervisor import READY_SECONDS, ManagedProcess, Say
from app.lab.stack.waiting import poll

FLOOR_MODULE = "app.lab.bench.floor_app"
CONSTANT_MODULE = "app.lab.bench.constant_gate_app"
API_MODULE = "app.serve"
ALTERNATING_MODULE = "app.lab.bench.alternating_app"
COLLECTOR_MODULE = "app.lab.bench.collector_app"


@dataclass(frozen=True, slots=True)
class Group:
    """A group of processes of one kind that share a port. `traced`: share of the requests whose spans are exported."""

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
class RunningGroup:
    """A running group. `collector_port`: port to which it sends its spans."""

    url: str
    processes: list[psutil.Process] = field(default_factory=list)
    collector_port: int = 0


class Rig(Installation):
    """The stores of a benchmark, and the processes that its arms measure. Enter and leave it in the main thread."""

    def __init__(self, home: LabHome, say: Say) -> None:
        super().__init__(home, say)
        self._running: dict[str, RunningGroup] = {}
        self._workers_started = 0

    def start_groups(self, groups: Iterable[Group]) -> None:
        """Start the API process that every run has, and these groups. Raise ProcessFailed."""
        for group in {API_1: None} | dict.fromkeys(groups):
            collector_port, plan = free_port(), self._untraced_plan()
            tracing = tracing_of(group, collector_port)
            members = [
                plan.api(f"{group.name}-{number + 1}", group.module, **tracing) for number in range(group.processes)
            ]
            self.supervisor.start(members)
            processes = [psutil.Process(member.server.pid) for member in members]
            self._running[group.name] = RunningGroup(plan.api_url, processes, collector_port)

    @property
    def data_directories(self) -> dict[str, Path]:
        """Return the directory of the data of each store."""
        home = self.home.directory
        return {"valkey": home / "valkey", "postgres": (home / "postgres").resolve()}

    def group(self, group: Group) -> RunningGroup:
        return self._running[group.name]

    @property
    def stock_server(self) -> psutil.Process:
        return next(
            psutil.Process(process.server.pid) for process in self.supervisor.processes if process.name == "valkey"
        )

    @asynccontextmanager
    async def workers(self, count: int) -> AsyncIterator[list[psutil.Process]]:
        """Run Celery workers, as in the lab, while the block runs."""
        numbers = range(self._workers_started + 1, self._workers_started + count + 1)
        self._workers_started += count
        plan = self._untraced_plan()
        with self._started([plan.worker(number) for number in numbers]) as workers:
            for worker in workers:
                await until_ready(worker)
            yield [psutil.Process(worker.server.pid) for worker in workers]

    @asynccontextmanager
    async def collector(self, group: RunningGroup) -> AsyncIterator[ManagedProcess]:
        """Run a collector for the spans of one group while the block runs. An arm may kill it before."""
        plan = self._untraced_plan()
        port = group.collector_port
        process = plan.module("collector", COLLECTOR_MODULE, str(port))
        with self._started([ManagedProcess("collector", process, ready=partial(listens, process, port))]) as (
            collector,
        ):
            await until_ready(collector)
            yield collector

    @contextmanager
    def _started(self, processes: list[ManagedProcess]) -> Iterator[list[ManagedProcess]]:
        try:
            for process in processes:
                process.server.start()
                self.registry.record(process.name, process.server.pid)
            yield processes
        finally:
            for process in processes:
                process.server.ask_to_stop()
            for process in processes:
                process.server.stop()

    def _untraced_plan(self) -> ServicePlan:
        """Return a plan without the tracing settings of the user's shell. Each arm sets its own."""
        plan = self.plan()
        plan.environment = untraced(plan.environment)
        return plan


async def until_ready(process: ManagedProcess) -> None:
    """Wait until the process is ready.

    Raise ProcessFailed, with the end of its log, if it ends before or is not ready in time.
    """
    if not await poll(process.is_ready, seconds=READY_SECONDS, unless=lambda: not process.server.running):
        exit_code = process.server.exit_code
        why = f"was not ready after {READY_SECONDS:g} s" if exit_code is None else f"ended with exit code {exit_code}"
        raise ProcessFailed(f"{process.name} {why}:\n{process.server.log_tail()}")


def untraced(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without its tracing settings."""
    return {name: value for name, value in environment.items() if not name.startswith("OTEL_")}


def tracing_of(group: Group, collector_port: int) -> dict[str, str]:
    """Return the tracing settings of a group, which are empty if it is not traced."""
    if not group.traced:
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:{collector_port}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(group.traced),
    }
