"""A whole installation for one test: its own stock server and broker, and the service's processes as the lab runs them.

A test may kill or stop any of them, and start it again.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import psutil
from httpx2 import AsyncClient, Limits, Response
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.blasts.load.plan import MAX_REQUESTS, LoadPlan
from app.blasts.load.process import run_in_process
from app.blasts.load.result import LoadResult
from app.blasts.load.runner import Load, run_load
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.lab.stack.home import LabHome
from app.lab.stack.registry import HOME_VARIABLE
from app.lab.stack.servers.ports import LOOPBACK, free_port
from app.lab.stack.servers.valkey import AppendFsync, ValkeyServer
from app.lab.stack.service import ServicePlan
from app.lab.stack.supervisor import ManagedProcess
from app.ledger.engine import make_engine
from app.settings import GateSettings, LedgerSettings
from tests.support.patience import PATIENT_GATE, PATIENT_LEDGER
from tests.support.until import until

START_SECONDS = 60  # of a process; the machine may be busy
STOP_SECONDS = 30
WELL_UNDER_WAY = 200  # purchases answered
PLENTY = 1_000_000  # tickets: more than any crowd of a test can buy
QUICK = {
    "RECONCILE_INTERVAL_SECONDS": "0.2",
    "RECONCILE_GRACE_SECONDS": "1",
    "DRAIN_SWEEP_SECONDS": "0.2",
    "DRAIN_CLAIM_IDLE_SECONDS": "0.5",
    "LEDGER_POOL_SIZE": "5",
}

View = dict[str, Any]


class Platform:
    """One installation. Its processes are `api-<n>`, `worker-<n>`, `reconcile`, and `blast-runner` if requested."""

    def __init__(
        self,
        home: LabHome,
        database_url: str,
        *,
        api: int = 1,
        workers: int = 1,
        appendfsync: AppendFsync = "always",
        blast_runner: bool = False,
        environment: Mapping[str, str] | None = None,
        redis_url: str | None = None,
    ) -> None:
        """Prepare the installation and start nothing yet.

        `redis_url`: an external stock server to use in place of its own; the caller starts and stops that one.
        """
        self.stock = ValkeyServer(home.directory / "stock", appendfsync=appendfsync)
        self.broker = ValkeyServer(home.directory / "broker", appendfsync="off")
        redis_url = redis_url or self.stock.url
        stores = {"REDIS_URL": redis_url, "BROKER_URL": self.broker.url, "DATABASE_URL": database_url}
        mark = {HOME_VARIABLE: str(home.directory)}
        plan = ServicePlan(home, LOOPBACK, free_port(), QUICK | dict(environment or {}) | stores | mark)
        processes = plan.processes(api_processes=api, workers=workers)
        self.url = plan.api_url
        self.redis = patient_redis(redis_url)
        self.gate = Gate(self.redis, GateSettings().key_prefix)
        schema = (environment or {}).get("LEDGER_SCHEMA_NAME", LedgerSettings().schema_name)
        self._patient_ledger = PATIENT_LEDGER.model_copy(update={"schema_name": schema})
        self.engine: AsyncEngine = make_engine(database_url, "test", self._patient_ledger, pool_size=1)
        self._home = home
        self._sessions: set[int] = set()
        self._processes = {each.name: each for each in processes if blast_runner or each.name != "blast-runner"}
        # A new connection for each request: none leads to a process that was killed, and every process gets some.
        self._client = AsyncClient(base_url=self.url, timeout=20, limits=Limits(max_keepalive_connections=0))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._processes)

    @property
    def pids(self) -> dict[str, int]:
        """Return the pids of the running processes by name."""
        return {name: process.server.pid for name, process in self._processes.items() if process.server.running}

    def log(self, name: str) -> str:
        return self._processes[name].server.log.read_text(errors="replace")

    def start(self, *names: str) -> None:
        """Start these processes together and return when all are ready."""
        for name in names:
            (self._home.directory / f"{name}.ready").unlink(missing_ok=True)
            self._processes[name].server.start()
            self._sessions.add(self._processes[name].server.pid)
        for name in names:
            process = self._processes[name]
            assert process.ready is not None
            process.server.wait_ready(process.ready, seconds=START_SECONDS)  # type: ignore[attr-defined]  # a ChildProcess
            if name.startswith("api-"):  # the API processes share a port: another one may have answered
                process.server.wait_ready(partial(has_logged_ready, process), seconds=START_SECONDS)  # type: ignore[attr-defined]  # same

    def stop(self, *names: str) -> None:
        """Send SIGTERM to these processes and return when they have ended by themselves."""
        for name in names:
            assert self._processes[name].server.stop(seconds=STOP_SECONDS), (  # type: ignore[call-arg]  # a ChildProcess
                f"{name} had to be killed; logs are in {self._home.logs}"
            )

    def kill(self, *names: str) -> None:
        """Send SIGKILL to these processes and return when they are gone."""
        for name in names:
            self._processes[name].server.kill()

    async def create_sale(self, name: str = "drop", *, stock: int, **terms: Any) -> str:
        """Create an open sale and return its name. Its strategy is atomic unless `terms` name another."""
        response = await self.ask("POST", "/sales", {"name": name, "strategy": "atomic", "stock": stock} | terms)
        assert response.status_code == 201, response.text
        return name

    async def create_sale_of_first_epoch(self, name: str = "drop", *, stock: int, **terms: Any) -> str:
        """Create the sale, and only then start the reconciler.

        A reconciler that is already running may find the sale before the gate is seeded, and begin a new epoch.
        """
        await self.create_sale(name, stock=stock, **terms)
        self.start("reconcile")
        return name

    async def buy(self, sale: str, customer: str, key: str, quantity: int = 1) -> Response:
        """Ask for tickets once and return the response, whatever its status."""
        order = {"sale": sale, "customer": customer, "quantity": quantity}
        return await self.ask("POST", "/buy-ticket", order, {"X-Idempotency-Key": key})

    async def buy_when_served(self, sale: str, customer: str, key: str) -> Response:
        """Buy one ticket, and repeat the request with the same key while the response is a 503.

        If a server has died, each connection to it fails once before it is replaced.
        """
        return await self._when_served(lambda: self.buy(sale, customer, key))

    async def blast(self, sale: str, requests: int, *, concurrency: int = 50, **plan: Any) -> LoadResult:
        """Send `requests` buyers. Each of them repeats a request with the same key until it has a definite answer."""
        send = run_in_process if "trace_ratio" in plan else run_load  # a process of its own exports the buyers' spans
        return await send(self._plan(sale, requests, concurrency=concurrency, **plan))

    def _plan(self, sale: str, requests: int, *, concurrency: int, **plan: Any) -> LoadPlan:
        chosen: dict[str, Any] = {"retries": 20, "seconds": 120.0, "reply_seconds": 10.0} | plan
        return LoadPlan(url=self.url, sale=sale, requests=requests, concurrency=concurrency, records=True, **chosen)

    @asynccontextmanager
    async def buyers(self, sale: str, **plan: Any) -> AsyncIterator[Load]:
        """Send a hundred buyers at a time until the block ends, so that its steps happen among purchases.

        The block begins when 200 purchases are answered and 100 are under way. A crowd of a fixed size could be served
        before the test's next step: 2,000 were, in one of twenty runs.
        """
        load = Load(self._plan(sale, MAX_REQUESTS, concurrency=100, **plan))
        running = asyncio.create_task(load.run())
        try:
            await until(lambda: running.done() or answered(load) >= WELL_UNDER_WAY)
            assert not running.done(), running
            yield load
            assert not running.done(), "the buyers ended before the step was done"
        finally:
            load.stop()
            await running

    async def view(self, sale: str) -> View:
        """Return the answer of GET /sales/{sale}. Repeat the request while the response is a 503."""
        response = await self._when_served(lambda: self.ask("GET", f"/sales/{sale}"))
        assert response.status_code == 200, response.text
        view: View = response.json()
        return view

    async def _when_served(self, request: Callable[[], Awaitable[Response]]) -> Response:
        """Repeat the request until its response is not a 503, and return that response."""
        responses: list[Response] = []

        async def served() -> bool:
            responses[:] = [await request()]
            return responses[0].status_code != 503

        await until(served)
        return responses[0]

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        return await self._client.request(method, path, json=body, headers=headers)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        """Return rows of the ledger."""
        async with self.engine.connect() as connection:
            return list((await connection.execute(text(statement), values)).all())

    async def read_ledger_at(self, database_url: str) -> None:
        """From now on the test reads this server: it would wait for a silent one for half a minute."""
        await self.engine.dispose()
        self.engine = make_engine(database_url, "test", self._patient_ledger, pool_size=1)

    async def accepted(self, sale: str) -> int:
        """Return how many orders the gate has accepted in this epoch, or 0 while it does not know the sale."""
        snapshot = await self.gate.snapshot(sale)
        return snapshot.accepted if snapshot else 0

    async def settled(self, sale: str) -> View:
        """Return the sale as soon as it is not degraded, its backlog is empty and its identity holds."""
        views: list[View] = []

        async def settled() -> bool:
            views[:] = [await self.view(sale)]
            identity = views[0]["identity"]
            return views[0]["phase"] != "Degraded" and identity["backlog"] == 0 and identity["holds"] is True

        try:
            await until(settled)
        except TimeoutError:
            raise AssertionError(f"the sale doesn't settle: {views}; logs are in {self._home.logs}") from None
        return views[0]

    async def close(self) -> None:
        """Stop everything, the API first, and assert that no process is left.

        Workers are killed, because Celery's child process (billiard) sleeps for a second before it ends. That workers
        end by themselves is tested in tests/worker.
        """
        processes = list(reversed(self._processes.values()))
        workers = [name for name in self._processes if name.startswith("worker-")]
        for process in processes:
            process.server.ask_to_stop()
        self.kill(*workers)
        ended_by_itself = {
            process.name: process.server.stop(seconds=STOP_SECONDS)  # type: ignore[call-arg]  # a ChildProcess
            for process in processes
            if process.name not in workers
        }
        self.stock.kill()
        self.broker.kill()
        await self._client.aclose()
        await self.redis.aclose()
        await self.engine.dispose()
        self._home.unlock()
        assert not [process for process in psutil.process_iter() if self._is_ours(process)]
        killed = [name for name, by_itself in ended_by_itself.items() if not by_itself]
        assert not killed, f"{killed} had to be killed; logs are in {self._home.logs}"

    def _is_ours(self, process: psutil.Process) -> bool:
        """Return whether the process is alive and belongs to this installation.

        It does if it is in a session of the installation's processes, or has their mark in its environment.
        """
        try:
            marked = process.environ().get(HOME_VARIABLE) == str(self._home.directory)
            ours = marked or os.getsid(process.pid) in self._sessions
            return ours and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess, psutil.AccessDenied):
            return False


def patient_redis(url: str) -> Redis:
    """Return a client that survives a restart of the server, which the service's own client does not.

    For a cluster, or behind Sentinels, return the service's own client with longer timeouts.
    """
    if "+" in url:
        return make_redis(url, "test", PATIENT_GATE)
    return Redis.from_url(url, decode_responses=True, retry=Retry(ConstantBackoff(0.05), 100))


def told(load: Load) -> set[str]:
    """Return the reservation ids that buyers were told so far."""
    return {each.reservation_id for each in load.result().records if each.reservation_id is not None}


def answered(load: Load) -> int:
    """Return how many purchases have their answer so far."""
    return sum(load.progress.values())


def has_logged_ready(process: ManagedProcess) -> bool:
    """Return whether the process has logged that it is ready."""
    return '"event": "ready"' in process.server.log_tail()
