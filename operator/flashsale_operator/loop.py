"""The operator's main loop.

The watch and the resync say what is desired, the poll says which sales changed, and all of them add sales to the work
queue. The queue runs only while this process holds the Lease.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog

from app.cancellation import cancel_until_done
from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.ledger.clock import ledger_now
from app.sales.managed import is_managed
from flashsale_operator.absence import AbsenceWatch
from flashsale_operator.kube import KubeApi
from flashsale_operator.leader_election import LeaderElection
from flashsale_operator.metrics import OperatorMetrics
from flashsale_operator.poll import Change, PollResult, poll
from flashsale_operator.pool import WorkerPool
from flashsale_operator.reconciler import FlashSaleReconciler
from flashsale_operator.requeue import backoff, jitter
from flashsale_operator.resource_cache import Owner, ResourceCache
from flashsale_operator.settings import OperatorSettings
from flashsale_operator.stores import Stores
from flashsale_operator.work_queue import WorkQueue

DISCOVERY_SECONDS = 1.0
MAX_POLL_PAUSE_SECONDS = 10.0  # while a store is away
STUCK_QUEUE_SECONDS = 90.0  # three times the longest backoff of the work queue
STUCK_WATCH_SECONDS = 300.0

log = structlog.get_logger()


class FlashSaleLoop:
    """All parts of the operator except Kopf: cache, work queue, poll, resync and worker pool."""

    def __init__(
        self,
        stores: Stores,
        kube: KubeApi,
        election: LeaderElection,
        metrics: OperatorMetrics,
        settings: OperatorSettings,
    ) -> None:
        self._stores = stores
        self._kube = kube
        self._election = election
        self._settings = settings
        self._resources = ResourceCache()
        self._absences = AbsenceWatch(self._resources, metrics, settings.absence_grace_seconds)
        self._pool = WorkerPool(kube, settings)
        self._reconciler = FlashSaleReconciler(
            stores=stores,
            kube=kube,
            resources=self._resources,
            pool=self._pool,
            metrics=metrics,
            settings=settings,
        )
        self._queue = WorkQueue(self._reconciler.reconcile, settings.sales_at_once)
        self._acting = False
        self._last_contact_at = time.monotonic()
        self._last_poll: PollResult | None = None
        self._installation = ""

    def handle_event(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """Store a watch event in the cache. Queue its sale if the user changed or deleted the resource."""
        self._last_contact_at = time.monotonic()
        name, uid = body["metadata"]["name"], body["metadata"]["uid"]
        if kind == "DELETED":
            self._resources.remove(name, uid)
            self._enqueue(name)
        elif self._resources.upsert(body):
            self._enqueue(name)

    def stuck(self) -> str:
        """Return why this process must be restarted, or '' if it need not be."""
        now = time.monotonic()
        if now - self._last_contact_at > STUCK_WATCH_SECONDS:
            return f"no list and no watch event of FlashSales for {STUCK_WATCH_SECONDS:.0f} s"
        if self._acting and now - self._queue.progressed_at > STUCK_QUEUE_SECONDS:
            return f"no reconciliation has completed for {STUCK_QUEUE_SECONDS:.0f} s"
        return ""

    async def lead_forever(self) -> None:
        """Reconcile while this process holds the Lease. Run until cancelled."""
        self._installation = await self._stores.claim(DISCOVERY_SECONDS)
        while True:
            await self._election.held.wait()
            self._start_leading()
            acting = [asyncio.create_task(self._queue.run()), asyncio.create_task(self._poll_forever())]
            lost = asyncio.create_task(self._election.lost.wait())
            try:
                await asyncio.wait((*acting, lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._acting = False
                self._absences.reset()
                lost.cancel()
                cancel_until_done(*acting)
                await asyncio.wait(acting)
            for task in acting:
                if not task.cancelled():
                    task.result()  # raises the error that ended the task, and the probe then fails

    async def resync_forever(self) -> None:
        """Resync periodically, whether or not this process holds the Lease. Run until cancelled."""
        failures = 0
        while True:
            try:
                await self._resync()
                failures = 0
            except AtomicTicketsError as error:
                # If the list fails or is forbidden, or the CRD is gone, no resource is taken for deleted.
                failures += 1
                self._absences.reset()
                log.warning("FlashSales not listed", error=error.detail)
            pause = self._settings.resync_seconds
            await asyncio.sleep(backoff(failures, pause) if failures else jitter(pause))

    def _start_leading(self) -> None:
        """Queue all known sales. Another process may have changed them, so the next poll queues all of them too."""
        self._queue.progressed_at = time.monotonic()
        self._acting, self._last_poll = True, None
        for name in (*self._resources.known, *self._resources.deleted):
            self._enqueue(name)

    async def _poll_forever(self) -> None:
        failures = 0
        while True:
            try:
                await self._poll()
            except TemporarilyUnavailable as error:
                failures += 1
                if failures == 1:
                    log.warning("a store is away; backlogs are not polled", error=error.detail)
                await asyncio.sleep(backoff(failures, MAX_POLL_PAUSE_SECONDS))
                continue
            if failures:
                log.info("the stores are back", failed_polls=failures)
                for name in self._resources.known:
                    self._enqueue(name)
            failures = 0
            await asyncio.sleep(jitter(self._settings.poll_seconds))

    async def _poll(self) -> None:
        result, last = await poll(self._stores, self._installation), self._last_poll
        if last is not None and last.incarnation != result.incarnation:
            log.warning("the ledger's server changed", before=last.incarnation, now=result.incarnation)
        await self._stores.drift_reconciler.stop_unknown_sales(result.incarnation)  # it looks once for each server
        for name, change in result.changes_since(last).items():
            self._enqueue(name, check=change is Change.STATE)
        self._last_poll = result
        await self._pool.follow(result.desired(self._resources.known))

    async def _resync(self) -> None:
        """Resync the cache with a complete list of the resources, and judge the sales that have none.

        The known resources and the ledger's sales are read before the list is requested, so that the list is never
        older than a sale that it is said to lack.
        """
        expected = self._resources.identities()
        ages = await self._ages() if self._acting else {}
        bodies = await self._kube.flashsales()
        self._last_contact_at = time.monotonic()
        for name in self._resources.resync(bodies, expected):
            self._enqueue(name)
        if self._acting:
            for name in self._absences.judge(ages, {body["metadata"]["name"] for body in bodies}):
                self._enqueue(name)
            await self._prune()

    async def _prune(self) -> None:
        try:
            await self._stores.drift_reconciler.prune_old()
        except TemporarilyUnavailable as error:
            log.warning("old rows not deleted, tried again at the next resync", error=error.detail)

    async def _ages(self) -> dict[Owner, float]:
        """Return the owner of each sale of a resource, and the sale's age in seconds by the ledger's clock.

        If the ledger goes away, return those read so far: the absences of the others then start again.
        """
        ages: dict[Owner, float] = {}
        after = ""
        try:
            now = await ledger_now(self._stores.engine)
            while page := await self._stores.sales.active(after):
                for sale in page:
                    if is_managed(sale) and sale.owner_uid:
                        ages[sale.name, sale.owner_uid] = (now - sale.created_at).total_seconds()
                after = page[-1].name
        except TemporarilyUnavailable as error:
            log.warning("missed deletions are looked for at the next resync", error=error.detail)
        return ages

    def _enqueue(self, name: str, *, check: bool = True) -> None:
        if check:
            self._reconciler.check_soon(name)
        self._queue.add(name)


async def until_served(kube: KubeApi) -> None:
    """Wait until the API server serves FlashSales: Kopf looks for the resource only once."""
    logged = False
    while True:
        try:
            if await kube.serves_flashsales():
                return
            error = "its CRD is not installed"
        except TemporarilyUnavailable as away:
            error = away.detail
        if not logged:
            log.warning("waiting until FlashSale is served", error=error)
        logged = True
        await asyncio.sleep(DISCOVERY_SECONDS)
