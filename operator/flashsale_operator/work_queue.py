"""A work queue with delays, keyed by the sale's name. It never runs two reconciliations of one sale at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from structlog.contextvars import bound_contextvars

from app.errors import AtomicTicketsError
from app.telemetry.spans import record_error, span
from flashsale_operator.requeue import backoff

MAX_SECONDS_AFTER_ERROR = 30.0
LOOP_SECONDS = 5.0  # the loop wakes at least this often, which the liveness probe relies on

Reconcile = Callable[[str], Awaitable[float | None]]
"""Reconciles the sale with this name. Returns the seconds until it is due again, or None if nothing is left to do."""

log = structlog.get_logger()


class WorkQueue:
    """Runs `reconcile` for at most `at_once` sales at a time. A sale that is added while it is reconciled is requeued.

    `progressed_at` (monotonic seconds) is when a reconciliation last ended, or when the queue was last seen idle.
    """

    def __init__(self, reconcile: Reconcile, at_once: int) -> None:
        self.progressed_at = time.monotonic()
        self._reconcile = reconcile
        self._at_once = at_once
        self._due: dict[str, float] = {}
        self._running: set[str] = set()
        self._failures: dict[str, int] = {}
        self._woken = asyncio.Event()

    def add(self, name: str, after_seconds: float = 0.0) -> None:
        """Queue the sale to be reconciled after so many seconds, unless it is already queued for an earlier time."""
        at = time.monotonic() + after_seconds
        self._due[name] = min(at, self._due.get(name, at))
        self._woken.set()

    async def run(self) -> None:
        """Run until cancelled. Cancelling also cancels the reconciliations in progress."""
        self._running.clear()
        async with asyncio.TaskGroup() as reconciliations:
            while True:
                self._woken.clear()
                for name in self._startable():
                    self._running.add(name)
                    reconciliations.create_task(self._process(name, self._due.pop(name)))
                if not self._running:
                    self.progressed_at = time.monotonic()
                try:
                    async with asyncio.timeout(self._pause()):
                        await self._woken.wait()
                except TimeoutError:
                    continue

    def _startable(self) -> list[str]:
        """Return the due sales that may start now, the longest waiting first."""
        now = time.monotonic()
        due = sorted((at, name) for name, at in self._due.items() if at <= now and name not in self._running)
        return [name for _, name in due[: self._at_once - len(self._running)]]

    def _pause(self) -> float:
        if len(self._running) >= self._at_once:
            return LOOP_SECONDS
        waiting = [at for name, at in self._due.items() if name not in self._running]
        return min(LOOP_SECONDS, max(0.0, min(waiting, default=float("inf")) - time.monotonic()))

    async def _process(self, name: str, due: float) -> None:
        with span("reconcile FlashSale", {"atomictickets.sale": name}), bound_contextvars(sale=name):
            delay = await self._try_reconcile(name, due)
        self.progressed_at = time.monotonic()
        self._running.discard(name)
        if delay is not None:
            self.add(name, delay)
        self._woken.set()

    async def _try_reconcile(self, name: str, due: float) -> float | None:
        """Return what the reconciliation returned, or the seconds until the next try if it failed."""
        try:
            delay = await self._reconcile(name)
        except asyncio.CancelledError:
            self._due.setdefault(name, due)  # the next run of the queue starts with this sale
            raise
        except Exception as error:  # one broken sale must not keep the others from being reconciled
            record_error(error)
            failures = self._failures[name] = self._failures.get(name, 0) + 1
            if failures == 1:
                unexpected = None if isinstance(error, AtomicTicketsError) else error
                log.warning("reconciliation failed; requeued", error=str(error), exc_info=unexpected)
            return backoff(failures, MAX_SECONDS_AFTER_ERROR)
        else:
            self._failures.pop(name, None)
            return delay
