"""`python -m app.blasts.runner`: carries out the blasts that users request from the API, up to four at a time.

The state of a blast is kept in the ledger, so any API process can return it. If a runner is killed, the heartbeat in
the blast's row stops, and another runner marks the blast as aborted. Load is sent only to the address of the service.

Blasts that were queued together start together, so that two strategies can be compared.

On BLAST_RUNNER_PROBE_PORT the runner answers whether it takes blasts (`/readyz`) and that it is alive (`/healthz`).
"""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from app.blasts.collisions import BlastEvidence
from app.blasts.load.plan import LoadPlan
from app.blasts.load.runner import Load
from app.blasts.load.tracing import GENERATOR
from app.blasts.progress import BlastReports
from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.gate.connection import make_redis
from app.ledger.availability import LedgerUnavailable
from app.ledger.blasts import Blast, BlastRepository
from app.ledger.engine import make_engine
from app.ledger.schema import installation_id
from app.live.stream import LiveStream
from app.probe import serve_probes
from app.settings import ApiSettings, GateSettings, LedgerSettings, ProbeSettings, StoreSettings, TraceSettings
from app.telemetry.logs import configure_logs
from app.telemetry.tracing import tracing

IDLE_SECONDS = 0.2
BATCHING_SECONDS = 0.1  # time to wait for other blasts that are queued together with the first one
AT_ONCE = 4
REPORT_SECONDS = 0.2  # progress and heartbeat are written 5 times a second, whatever the load does
STALE_SECONDS = 10.0  # 50 missed heartbeats
AWAY_SECONDS = 1.0  # pause before a ledger that is away is asked again
FINISH_TRIES = 10  # afterwards the row becomes stale and is marked as aborted
BLAST_SECONDS = 120.0

log = structlog.get_logger()


class BlastRunner:
    """A runner that takes queued blasts from the ledger until it is stopped."""

    def __init__(
        self, blasts: BlastRepository, reports: BlastReports, evidence: BlastEvidence, api_url: str, runner: str
    ) -> None:
        self._blasts = blasts
        self._reports = reports
        self._evidence = evidence
        self._api_url = api_url
        self._runner = runner
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Abort the running blasts, and take no others."""
        self._stopping.set()

    async def await_schema(self, engine: AsyncEngine) -> None:
        """Wait until the ledger has a schema that this release can work with, or until the runner is stopped."""
        logged = False
        while not self._stopping.is_set():
            try:
                await installation_id(engine)
            except TemporarilyUnavailable as error:
                if not logged:
                    log.warning("waiting for the ledger", reason=error.detail)
                logged = True
                await self._pause(AWAY_SECONDS)
            else:
                return

    async def run(self) -> None:
        """Take and carry out blasts until the runner is stopped."""
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while not self._stopping.is_set():
                running = {task for task in running if not task.done()}
                try:
                    await self._blasts.abandon_stale(STALE_SECONDS)
                    claimed = await self._claim(AT_ONCE - len(running))
                except LedgerUnavailable as error:
                    log.warning("the ledger is away", error=error.detail)
                    await self._pause(AWAY_SECONDS)
                    continue
                running |= {tasks.create_task(self._carry_out(blast)) for blast in claimed}
                await self._pause(IDLE_SECONDS)

    async def _claim(self, limit: int) -> list[Blast]:
        """Claim up to `limit` queued blasts. After the first one, wait 0.1 s for those that are queued with it.

        Raise LedgerUnavailable if the ledger is away and no blast was claimed.
        """
        claimed: list[Blast] = []
        while len(claimed) < limit:
            try:
                blast = await self._blasts.claim(self._runner)
            except LedgerUnavailable:
                if not claimed:
                    raise
                break  # the blasts that are claimed already must not wait for the ledger
            if blast is None:
                break
            claimed.append(blast)
            if len(claimed) == 1:
                await self._pause(BATCHING_SECONDS)
        return claimed

    async def _carry_out(self, blast: Blast) -> None:
        log.info("blast started", blast=blast.id, sale=blast.sale, requests=blast.requests)
        try:
            start = await self._evidence.before(blast)
            load = Load(replace(plan_of(blast, self._api_url), trace_ratio=start.trace_ratio))
            async with self._reports.of(blast, load):
                state = await self._run_load(blast, load)
            figures = load.result()
            witnesses = await self._evidence.since(start, figures.accepted - figures.replayed)
            result = figures.summary() | {"witnesses": witnesses and witnesses.as_json()}
        except AtomicTicketsError as error:  # for example an invalid plan, or an API that cannot be reached
            state, result = "aborted", {"failure": f"{error.title}: {error.detail}"}
        await self._finish(blast, state, result)
        await self._reports.publish(replace(blast, state=state, result=result, finished_at=datetime.now(UTC)))

    async def _run_load(self, blast: Blast, load: Load) -> str:
        """Run the load, write its progress, and return the state in which the blast ends.

        The state is `finished`, `aborted` (the runner was stopped) or `cancelled` (see `_report`).
        """
        running = asyncio.create_task(load.run())
        stopping = asyncio.create_task(self._stopping.wait())
        state = "finished"
        try:
            while not running.done():
                await asyncio.wait({running, stopping}, timeout=REPORT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if stopping.done():
                    state = "aborted"
                elif await self._report(blast, load):
                    state = "cancelled"
                if state != "finished":
                    running.cancel()
                    await asyncio.wait({running})
            if not running.cancelled():
                running.result()
        finally:
            running.cancel()
            stopping.cancel()
        return state

    async def _report(self, blast: Blast, load: Load) -> bool:
        """Write progress and heartbeat. Return whether to stop.

        A blast stops if a user cancelled it, or if another runner marked it as abandoned.
        """
        try:
            await self._blasts.progress(blast.id, load.progress)
            return await self._blasts.should_stop(blast.id)
        except LedgerUnavailable as error:  # the load goes on, and the next report may succeed
            log.warning("the progress of a blast was not noted", blast=blast.id, error=error.detail)
            return False

    async def _finish(self, blast: Blast, state: str, result: dict[str, Any]) -> None:
        for _ in range(FINISH_TRIES):
            try:
                if not await self._blasts.finish(blast.id, state, result):
                    log.warning("a blast had been taken for abandoned", blast=blast.id)
            except LedgerUnavailable as error:
                log.warning("the end of a blast was not noted", blast=blast.id, error=error.detail)
                await asyncio.sleep(AWAY_SECONDS)
            else:
                log.info("blast ended", blast=blast.id, state=state)
                return
        log.error("a blast stays running until it is taken for abandoned", blast=blast.id)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def plan_of(blast: Blast, api_url: str) -> LoadPlan:
    """Return the load of a blast. Its keys begin with the blast's id, so no two blasts share an idempotency key."""
    return LoadPlan(
        url=api_url,
        sale=blast.sale,
        requests=blast.requests,
        concurrency=blast.concurrency,
        customers=blast.customers,
        quantity=blast.quantity,
        retries=blast.retries,
        key_prefix=blast.id,
        seconds=BLAST_SECONDS,
    )


async def main() -> None:
    """Run the blast runner of this process until SIGTERM or SIGINT."""
    configure_logs(process="blast-runner")
    stores, gate = StoreSettings(), GateSettings()
    engine = make_engine(stores.database_url, "blast-runner", LedgerSettings())
    broker = make_redis(stores.broker_url, "blast-runner", gate)
    reports = BlastReports(LiveStream(broker, gate.key_prefix))
    evidence = BlastEvidence(engine, TraceSettings().trace_url)
    runner = f"{socket.gethostname()}.{os.getpid()}"
    blast_runner = BlastRunner(BlastRepository(engine), reports, evidence, ApiSettings().url, runner)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, blast_runner.stop)
    ready = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(_work(blast_runner, engine, ready))
            if port := ProbeSettings.of("BLAST_RUNNER_").probe_port:
                probes = tasks.create_task(serve_probes(port, ready.is_set))
                working.add_done_callback(lambda _: probes.cancel())
    finally:
        await broker.aclose()
        await engine.dispose()


async def _work(blast_runner: BlastRunner, engine: AsyncEngine, ready: asyncio.Event) -> None:
    await blast_runner.await_schema(engine)
    ready.set()
    log.info("blast runner ready", api_url=ApiSettings().url)
    if path := ProbeSettings.of("BLAST_RUNNER_").ready_file:
        await asyncio.to_thread(path.touch)
    await blast_runner.run()


if __name__ == "__main__":
    with tracing(GENERATOR):
        uvloop.run(main())
