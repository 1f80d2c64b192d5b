"""The installation that a race is run against: one on embedded servers of its own, or one that runs already."""

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Self, cast

import psutil
from redis.asyncio import Redis

from app.client import SaleClient
from app.failpoints import FailpointController
from app.lab.stack.connections import refuse_too_many
from app.lab.stack.home import LabHome
from app.lab.stack.installation import Installation
from app.lab.stack.process import ProcessFailed
from app.lab.stack.restarts import RestartPolicy
from app.lab.stack.servers.valkey import ValkeyServer
from app.lab.stack.supervisor import READY_SECONDS, ManagedProcess, Say
from app.lab.stack.waiting import poll
from app.settings import AdminSettings, GivenStores, LedgerSettings

# For the scenarios in which something breaks: repairs follow at once, and a busy machine is not taken for an outage.
SCENARIO_ENVIRONMENT = {
    "RECONCILE_INTERVAL_SECONDS": "0.2",
    "RECONCILE_GRACE_SECONDS": "1",
    "DRAIN_SWEEP_SECONDS": "0.2",
    "DRAIN_CLAIM_IDLE_SECONDS": "0.5",
    "GATE_CONNECT_TIMEOUT_SECONDS": "10",
    "GATE_COMMAND_TIMEOUT_SECONDS": "10",
}


@dataclass
class Target:
    """A service to race against, and the stores that the race may read.

    Without `database_url` there are no histories and no samples of the ledger; without `redis_url` there are no counts
    of Redis commands.

    `ledger_schema`: the schema of the database in which the service keeps its books
    """

    api_url: str
    admin_token: str | None = None
    database_url: str | None = None
    redis_url: str | None = None
    broker_url: str | None = None
    ledger_schema: str = field(default_factory=lambda: LedgerSettings().schema_name)

    @property
    def client(self) -> SaleClient:
        return SaleClient(self.api_url, self.admin_token)


class RestartAtOnce(RestartPolicy):
    """A policy that restarts a process at once, however often it dies: the scenarios kill processes on purpose."""

    def delay_after_death(self, now: float) -> float:  # noqa: ARG002  the policy's signature
        return 0.0


class OwnTarget(Target):
    """An installation for one race, any of whose processes may be killed. Enter and leave it in the main thread.

    `faults`: whether failpoints and shorter intervals are set, as the scenarios that break something need them.
    """

    def __init__(self, home: LabHome, say: Say, api_processes: int, workers: int, *, faults: bool) -> None:
        self._installation = Installation(home, say)
        self.supervisor = self._installation.supervisor
        self._sizes = {"api_processes": api_processes, "workers": workers}
        self.failpoints = FailpointController(home.directory / "failpoints")
        self._environment = SCENARIO_ENVIRONMENT | {"FAILPOINTS": str(home.directory / "failpoints")} if faults else {}
        self._processes: dict[str, ManagedProcess] = {}
        self._held: set[str] = set()
        self._replicas = 0
        super().__init__(api_url="", admin_token=AdminSettings().token)  # the API processes read the same setting

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            installation = stack.enter_context(self._installation)
            self.failpoints.clear()
            self.database_url, self.redis_url, self.broker_url = (
                installation.urls[name] for name in ("DATABASE_URL", "REDIS_URL", "BROKER_URL")
            )
            refuse_too_many(self.database_url, **self._sizes)
            plan = installation.plan(self._environment)
            self.api_url = plan.api_url
            processes = [process for process in plan.processes(**self._sizes) if process.name != "blast-runner"]
            for process in processes:
                process.restarts = RestartAtOnce()
            self.supervisor.start(processes)
            self._processes = {process.name: process for process in self.supervisor.processes}
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._installation.__exit__()

    async def wait_until_ready(self) -> None:
        """Wait until every process runs and is ready. Raise ProcessFailed if they are not all ready within 60 s."""
        deadline = time.monotonic() + READY_SECONDS
        for process in self._processes.values():
            if not await poll(process.is_ready, seconds=deadline - time.monotonic()):
                raise ProcessFailed(f"{process.name} was not ready after {READY_SECONDS:g} s.")

    def hold(self, names: Sequence[str]) -> None:
        """Kill these processes with SIGKILL, and do not restart them until `resume`."""
        for name in names:
            self._held.add(name)
            self._processes[name].restart_at = math.inf
            self._processes[name].server.kill()

    async def resume(self, names: Sequence[str]) -> None:
        """Restart these processes, and wait until all processes are ready. Raise ProcessFailed."""
        for name in names:
            (self._installation.home.directory / f"{name}.ready").unlink(missing_ok=True)
            self._processes[name].restart_at = 0.0
            self._held.discard(name)
        await self.wait_until_ready()

    def kill_holder_of(self, port: int) -> None:
        """Kill the API process that has a connection with this local port. Raise ProcessFailed if there is none."""
        for process in self._processes.values():
            if process.name.startswith("api-") and process.server.running:
                connections = psutil.Process(process.server.pid).net_connections("tcp")
                if any(connection.laddr and connection.laddr.port == port for connection in connections):
                    process.server.kill()
                    return
        raise ProcessFailed(f"No API process has a connection at port {port}.")

    async def recover(self) -> None:
        """Repair the installation after a scenario failed: clear all failpoints and resume all held processes."""
        self.failpoints.clear()
        await self.resume(list(self._held))

    @property
    def stock_server(self) -> ValkeyServer:
        return cast("ValkeyServer", self._processes["valkey"].server)

    def replica(self) -> ValkeyServer:
        """Return a new server, not started yet, that will replicate the stock server."""
        self._replicas += 1
        return ValkeyServer(
            self._installation.home.directory / f"valkey-{self._replicas}", replica_of=self.stock_server
        )

    async def fail_over(self, replica: ValkeyServer) -> None:
        """Kill the stock server, and let the promoted replica answer at its address.

        If this fails, the stock server stays held, and `recover` resumes it.
        """
        primary, process = self.stock_server, self._processes["valkey"]
        self.hold([process.name])
        async with Redis.from_url(replica.url) as client:
            await client.config_set("port", primary.port)
        replica.port = primary.port
        process.server, process.restart_at = replica, None
        self._held.discard(process.name)

    @property
    def workers(self) -> list[str]:
        return [name for name in self._processes if name.startswith("worker-")]


def given_target(api_url: str, stores: GivenStores) -> Target:
    """Return a service that runs already as a target, with those of its stores that may be read."""
    return Target(api_url, AdminSettings().token, stores.database_url or None, stores.redis_url or None)
