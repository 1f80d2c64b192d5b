"""The operator's loop: events and lists tell what is desired, the Lease says whether to act, the work queue acts."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.reconcile.ending import cancel_for_good
from app.sales.managed import is_managed
from flashsale_operator.kube import KubeApi
from flashsale_operator.leader_election import LeaderElection
from flashsale_operator.metrics import OperatorMetrics
from flashsale_operator.poll import Moved, Seen, poll
from flashsale_operator.pool import WorkerPool
from flashsale_operator.reconciler import FlashSaleReconciler
from flashsale_operator.requeue import backoff, jitter
from flashsale_operator.resource_cache import ResourceCache
from flashsale_operator.settings import OperatorSettings
from flashsale_operator.stores import Stores
from flashsale_operator.work_queue import WorkQueue

DISCOVERY_SECONDS = 1.0
MOST_POLL_PAUSE_SECONDS = 10.0  # while a store is away
STUCK_TURNS_SECONDS = 90.0  # three of the longest pauses between two tries of a turn
STUCK_LISTS_SECONDS = 300.0

log = structlog.get_logger()


class FlashSaleLoop:
    """Everything that runs, but Kopf."""

    def __init__(
        self,
        stores: Stores,
        kube: KubeApi,
        election: LeaderElection,
        meters: OperatorMetrics,
        settings: OperatorSettings,
    ) -> None:
        self._stores = stores
        self._kube = kube
        self._election = election
        self._settings = settings
        self._resources = ResourceCache()
        self._pool = WorkerPool(kube, settings)
        self._reconciler = FlashSaleReconciler(
            stores=stores,
            kube=kube,
            resources=self._resources,
            pool=self._pool,
            meters=meters,
            settings=settings,
        )
        self._queue = WorkQueue(self._reconciler.reconcile, settings.sales_at_once)
        self._acting = False
        self._heard_at = time.monotonic()
        self._last: Seen | None = None
        self._installation = ""

    def handle_event(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """One event of the watch. It decides nothing: it only wakes."""
        self._heard_at = time.monotonic()
        name, uid = body["metadata"]["name"], body["metadata"]["uid"]
        if kind == "DELETED":
            self._resources.remove(name, uid)
            self._wake(name)
        elif self._resources.upsert(body):
            self._wake(name)

    def stuck(self) -> str:
        """Why this process should be started anew, '' where it need not."""
        now = time.monotonic()
        if now - self._heard_at > STUCK_LISTS_SECONDS:
            return "neither a list nor an event of the resources for 300 s"
        if self._acting and now - self._queue.progressed_at > STUCK_TURNS_SECONDS:
            return "no sale has completed its turn for 90 s"
        return ""

    async def act_forever(self) -> None:
        """Acts while the Lease is held. Runs until it is cancelled."""
        self._installation = await self._stores.own(DISCOVERY_SECONDS)
        while True:
            await self._election.held.wait()
            self._begin()
            acting = [asyncio.create_task(self._queue.run()), asyncio.create_task(self._poll_forever())]
            lost = asyncio.create_task(self._election.lost.wait())
            try:
                await asyncio.wait((*acting, lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._acting = False
                lost.cancel()
                cancel_for_good(*acting)
                await asyncio.wait(acting)
            for task in acting:
                if not task.cancelled():
                    task.result()  # raises what it ended with: the probe fails, and the process starts anew

    async def list_forever(self) -> None:
        """Lists the resources now and then, whoever holds the Lease. Runs until it is cancelled."""
        failures = 0
        while True:
            try:
                await self._list()
                failures = 0
            except AtomicTicketsError as error:
                # Nothing is taken for deleted because a list failed, was forbidden, or the definition is gone.
                failures += 1
                log.warning("the resources are not listed", error=error.detail)
            pause = self._settings.resync_seconds
            await asyncio.sleep(backoff(failures, pause) if failures else jitter(pause))

    def _begin(self) -> None:
        self._queue.progressed_at = time.monotonic()
        self._acting, self._last = True, None
        for name in (*self._resources.known, *self._resources.deleted):
            self._wake(name)

    async def _poll_forever(self) -> None:
        failures = 0
        while True:
            try:
                await self._poll()
            except TemporarilyUnavailable as error:
                failures += 1
                if failures == 1:
                    log.warning("a store is away; backlogs are not seen", error=error.detail)
                await asyncio.sleep(backoff(failures, MOST_POLL_PAUSE_SECONDS))
                continue
            if failures:
                log.info("the stores are back", failed_polls=failures)
                for name in self._resources.known:
                    self._wake(name)
            failures = 0
            await asyncio.sleep(jitter(self._settings.poll_seconds))

    async def _poll(self) -> None:
        seen = await poll(self._stores, self._installation)
        for name, moved in seen.moved(self._last).items():
            self._wake(name, check=moved is Moved.CHANGED)
        self._last = seen
        await self._pool.follow(seen.desired(self._resources.known))

    async def _list(self) -> None:
        """What the ledger has is read before the list: whatever is older than the list and not in it is gone."""
        expected = self._resources.identities()
        if self._acting:
            expected |= await self._owners()
        bodies = await self._kube.flashsales()
        self._heard_at = time.monotonic()
        for name in self._resources.resync(bodies, expected):
            self._wake(name)
        if self._acting:
            await self._stores.reconciler.prune_old()

    async def _owners(self) -> set[tuple[str, str]]:
        """Names and uids that the ledger has sales of; those that it could tell, where it goes away meanwhile."""
        owners: set[tuple[str, str]] = set()
        after = ""
        try:
            while page := await self._stores.sales.active(after):
                owners |= {(sale.name, sale.owner_uid) for sale in page if is_managed(sale) and sale.owner_uid}
                after = page[-1].name
        except TemporarilyUnavailable as error:
            log.warning("deletions that nobody saw are looked for later", error=error.detail)
        return owners

    def _wake(self, name: str, *, check: bool = True) -> None:
        if check:
            self._reconciler.check_soon(name)
        self._queue.add(name)


async def until_served(kube: KubeApi) -> None:
    """Returns when the API server knows the resource: Kopf looks for it only once."""
    told = False
    while True:
        try:
            if await kube.serves_flashsales():
                return
            error = "its definition is not installed"
        except TemporarilyUnavailable as away:
            error = away.detail
        if not told:
            log.warning("waiting until FlashSale is served", error=error)
        told = True
        await asyncio.sleep(DISCOVERY_SECONDS)
