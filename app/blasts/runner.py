"""`python -m app.blasts.runner`: carries out the blasts that users asked the API for, a few side by side.

What it knows of a blast it keeps in the ledger, so any API process can answer for it, and a runner that was killed
leaves a row whose heartbeat stops: another one marks it aborted. Load goes to the service's own address only.

Blasts that were queued at the same moment start at the same moment: two ways to sell are compared by that.

On BLAST_RUNNER_PROBE_PORT it answers whether it takes blasts (`/readyz`), and that it is alive (`/healthz`).
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
BATCHING_SECONDS = 0.1  # after the first of a group was queued, for the others of it to come
AT_ONCE = 4
REPORT_SECONDS = 0.2  # progress and heartbeat: 5 times a second, whatever the load does
STALE_SECONDS = 10.0  # 50 heartbeats missed
AWAY_SECONDS = 1.0  # how long to leave a ledger alone that is away
FINISH_TRIES = 10  # afterwards the row goes stale and is marked aborted
BLAST_SECONDS = 120.0

log = structlog.get_logger()


class BlastRunner:
    """Takes queued blasts from the ledger until it is stopped."""

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
        """Ends the blasts under way as aborted, and takes no other."""
        self._stopping.set()

    async def await_schema(self, engine: AsyncEngine) -> None:
        """Returns when the ledger is one that this release can work with, or when it is to stop."""
        told = False
        while not self._stopping.is_set():
            try:
                await installation_id(engine)
            except TemporarilyUnavailable as error:
                if not told:
                    log.warning("waiting for the ledger", why=error.detail)
                told = True
                await self._pause(AWAY_SECONDS)
            else:
                return

    async def run(self) -> None:
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while not self._stopping.is_set():
                running = {each for each in running if not each.done()}
                try:
                    await self._blasts.abandon_stale(STALE_SECONDS)
                    taken = await self._take(AT_ONCE - len(running))
                except LedgerUnavailable as error:
                    log.warning("the ledger is away", error=error.detail)
                    await self._pause(AWAY_SECONDS)
                    continue
                running |= {tasks.create_task(self._carry_out(blast)) for blast in taken}
                await self._pause(IDLE_SECONDS)

    async def _take(self, most: int) -> list[Blast]:
        """Up to `most` queued blasts, and what is queued within a moment of the first."""
        taken: list[Blast] = []
        while len(taken) < most:
            try:
                blast = await self._blasts.claim(self._runner)
            except LedgerUnavailable:
                if not taken:
                    raise
                break  # those that are ours already must not wait for it
            if blast is None:
                break
            taken.append(blast)
            if len(taken) == 1:
                await self._pause(BATCHING_SECONDS)
        return taken

    async def _carry_out(self, blast: Blast) -> None:
        log.info("blast started", blast=blast.id, sale=blast.sale, requests=blast.requests)
        try:
            start = await self._evidence.before(blast)
            load = Load(replace(plan_of(blast, self._api_url), trace_ratio=start.trace_ratio))
            async with self._reports.of(blast, load):
                state = await self._attend(blast, load)
            told = load.result()
            witnesses = await self._evidence.since(start, told.accepted - told.replayed)
            result = told.summary() | {"witnesses": witnesses and witnesses.as_json()}
        except AtomicTicketsError as error:  # a plan out of bounds, or an API that can't be reached
            state, result = "aborted", {"failure": f"{error.title}: {error.detail}"}
        await self._finish(blast, state, result)
        await self._reports.tell(replace(blast, state=state, result=result, finished_at=datetime.now(UTC)))

    async def _attend(self, blast: Blast, load: Load) -> str:
        """Runs the load beside its reports. Returns the state that the blast ends in."""
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
        """Progress and heartbeat. Returns whether to stop: a user asked for it, or we were taken for dead."""
        try:
            await self._blasts.progress(blast.id, load.progress)
            return await self._blasts.should_stop(blast.id)
        except LedgerUnavailable as error:  # the load is bounded by itself; the next report may get through
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
    """The blast's id is its key prefix: no two blasts share an idempotency key."""
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
