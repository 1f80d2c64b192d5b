"""The runtime of each pool child: one thread with one event loop, one engine and one Redis client, made after the fork.

Celery's own thread only waits for a task and hands its sale to the loop. The sweep runs in the loop from the child's
start, so that orders are booked even if the broker has been away since then. Before the first sweep the child checks
that its two stores belong together.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context

import structlog
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.drain import Drain, Drained
from app.drain.ownership import wait_for_own_stores
from app.drain.published import book_published
from app.drain.sweep import sweep_forever
from app.errors import TemporarilyUnavailable
from app.gate.connection import make_redis
from app.ledger.bookings import Booked
from app.ledger.engine import make_engine
from app.probe import serve_probes
from app.sales.order import Order
from app.settings import DrainSettings, GateSettings, LedgerSettings, ProbeSettings, StoreSettings

STOP_SECONDS = 8.0  # for the current batch: at most two statements of 3 s; Kubernetes kills the process after 30 s
POLL_SECONDS = 0.5

log = structlog.get_logger()


class Runtime:
    """The event loop of one pool child, in a thread of its own. `end_tracing` is called after the thread has ended."""

    def __init__(self, end_tracing: Callable[[], None]) -> None:
        self._end_tracing = end_tracing
        self._settings = DrainSettings()
        self._started: Future[tuple[asyncio.AbstractEventLoop, Drain, AsyncEngine]] = Future()
        self._owns_stores = threading.Event()
        # A thread starts with an empty context; the copy has the log fields of this process.
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="drain", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def drain(self, sale: str) -> Drained:
        """Give the sale a turn of `task_seconds` in the loop, and wait for it. Raise one of STORE_ERRORS if it fails.

        Raise TemporarilyUnavailable until the check of the stores has passed; the sweep that follows finds the orders.
        """
        loop, drain, _ = self._ready()
        turn = asyncio.run_coroutine_threadsafe(drain.sale(sale, self._settings.task_seconds), loop)
        return turn.result(self._settings.task_seconds + STOP_SECONDS)

    def book(self, order: Order) -> Booked:
        """Book one published order in the loop, and wait for it. Raise the same errors as `drain`, or UnknownRound."""
        loop, _, engine = self._ready()
        return asyncio.run_coroutine_threadsafe(book_published(engine, order), loop).result(STOP_SECONDS)

    def stop(self) -> None:
        """Finish the current batch, close the connections to the stores, and end the thread."""
        loop, drain, _ = self._started.result(STOP_SECONDS)
        loop.call_soon_threadsafe(drain.stopping.set)
        self._thread.join(STOP_SECONDS)
        self._end_tracing()

    def _ready(self) -> tuple[asyncio.AbstractEventLoop, Drain, AsyncEngine]:
        if not self._owns_stores.is_set():
            raise TemporarilyUnavailable("It isn't known yet whose stores these are; nothing is drained.")
        return self._started.result(STOP_SECONDS)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException:
            # A child without its loop would look alive and book nothing. Celery replaces a child that exits.
            log.exception("the drain's loop failed; this process ends")
            os._exit(1)

    async def _serve(self) -> None:
        stores, gate = StoreSettings(), GateSettings()
        engine = make_engine(stores.database_url, "worker", LedgerSettings())
        redis = make_redis(stores.redis_url, "worker", gate)
        drain = Drain(redis, engine, self._settings, key_prefix=gate.key_prefix)
        self._started.set_result((asyncio.get_running_loop(), drain, engine))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_end_with_the_parent(drain, os.getppid()))
                if port := ProbeSettings.of("WORKER_").probe_port:
                    probes = tasks.create_task(serve_probes(port, self._owns_stores.is_set))
                    tasks.create_task(_cancel_with(probes, drain.stopping))
                tasks.create_task(self._work(drain, engine))
        finally:
            await redis.aclose()
            await engine.dispose()

    async def _work(self, drain: Drain, engine: AsyncEngine) -> None:
        if await wait_for_own_stores(drain.redis, drain.key_prefix, engine, drain.stopping):
            self._owns_stores.set()
            _announce()
            await sweep_forever(drain, engine)


def _announce() -> None:
    """Log that the worker is ready, and create the file that WORKER_READY_FILE names."""
    if path := ProbeSettings.of("WORKER_").ready_file:
        path.touch()
    log.info("worker is ready")


async def _end_with_the_parent(drain: Drain, parent: int) -> None:
    """End this process when its parent is gone. Otherwise it would sweep forever, beyond anyone's control."""
    while not drain.stopping.is_set():
        if os.getppid() != parent:
            log.warning("the parent process is gone; this process ends")
            os._exit(1)
        with suppress(TimeoutError):
            await asyncio.wait_for(drain.stopping.wait(), POLL_SECONDS)


async def _cancel_with(task: asyncio.Task[None], stopping: asyncio.Event) -> None:
    """Cancel the task when `stopping` is set."""
    await stopping.wait()
    task.cancel()


_runtime: Runtime | None = None


def start(end_tracing: Callable[[], None]) -> None:
    """Start this process's runtime. Call it in a pool child, after the fork."""
    global _runtime  # noqa: PLW0603  Celery's signals and tasks share nothing but the process
    _runtime = Runtime(end_tracing)
    _runtime.start()


def running() -> Runtime:
    """Return this process's runtime. Raise RuntimeError if it was not started."""
    if _runtime is None:
        raise RuntimeError("No runtime is started outside a pool child. Run the worker with --pool prefork.")
    return _runtime


def stop() -> None:
    """Stop this process's runtime, if it was started."""
    if _runtime is not None:
        _runtime.stop()
