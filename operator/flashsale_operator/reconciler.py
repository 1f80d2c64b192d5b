"""The reconciliation of one sale: observe it, repair it, report its status and events."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from kubernetes.aio.client import V1ObjectReference
from opentelemetry.trace import StatusCode, get_current_span
from structlog.contextvars import bind_contextvars

from app.settings import ReconcileSettings, SaleSettings
from app.telemetry.names import OUTCOME
from app.telemetry.spans import span, trace_id
from flashsale_operator.event_recorder import post_event
from flashsale_operator.events import EventRecord, events
from flashsale_operator.kube import KubeApi
from flashsale_operator.kube_client import KubeMissing, KubeRefused
from flashsale_operator.metrics import OperatorMetrics
from flashsale_operator.observed import Observed
from flashsale_operator.pool import WorkerPool
from flashsale_operator.requeue import backoff, jitter, requeue_after
from flashsale_operator.resource.models import GROUP, KIND, VERSION, FlashSale, FlashSaleStatus
from flashsale_operator.resource_cache import ResourceCache
from flashsale_operator.sale_sync import ResourceGone, SaleSync
from flashsale_operator.settings import OperatorSettings
from flashsale_operator.status import is_urgent, status_of
from flashsale_operator.stores import Stores

REPORT_MARGIN_SECONDS = 60  # beyond two intervals, because a reconciliation may be late
UNPROCESSABLE = 422  # the JSON patch's test of the uid failed, or the CRD's schema refuses the status

log = structlog.get_logger()


@dataclass(slots=True)
class _Memory:
    """What the process remembers of a sale. Losing it costs one extra check. Times are monotonic seconds.

    check_requested: by an event, a poll or an earlier failure.
    check_at: when the next check is due.
    written_at: when the status was last written.
    failures: reconciliations in a row that found a store away.
    """

    check_requested: bool = False
    check_at: float = 0.0
    written_at: float = 0.0
    failures: int = 0


class FlashSaleReconciler:
    """Reconciles all sales, with or without a resource."""

    def __init__(
        self,
        *,
        stores: Stores,
        kube: KubeApi,
        resources: ResourceCache,
        pool: WorkerPool,
        metrics: OperatorMetrics,
        settings: OperatorSettings,
    ) -> None:
        self._stores = stores
        self._kube = kube
        self._resources = resources
        self._pool = pool
        self._metrics = metrics
        self._settings = settings
        self._sync = SaleSync(stores, kube, SaleSettings())
        self._memory: dict[str, _Memory] = {}
        self._unmanaged_settings = ReconcileSettings()

    def check_soon(self, name: str) -> None:
        """Make the next reconciliation of this sale compare the gate with the ledger."""
        self._memory.setdefault(name, _Memory()).check_requested = True

    async def reconcile(self, name: str) -> float | None:
        """Reconcile one sale. Return the seconds until it is due again, or None if nothing is left to do.

        Raise TemporarilyUnavailable if a store or the API server is away.
        """
        get_current_span().set_attribute("k8s.namespace.name", self._kube.namespace)
        with self._metrics.measured():
            for uid in list(self._resources.deleted.get(name, ())):
                await self._sync.end(name, uid)
                self._resources.deleted[name].discard(uid)
            if not self._resources.deleted.get(name):
                self._resources.deleted.pop(name, None)
            flashsale = self._resources.known.get(name)
            if flashsale is None:
                return await self._without_resource(name)
            return await self._with_resource(name, flashsale)

    async def _without_resource(self, name: str) -> float | None:
        self._metrics.remove(name)
        sale = await self._stores.sales.get(name)
        if sale is None or sale.removed_at is not None:
            self._memory.pop(name, None)
            return None
        _bind_facts(round=sale.round, epoch=sale.epoch)
        await self._sync.sync_unmanaged(sale)
        return requeue_after(
            jitter(self._unmanaged_settings.interval_seconds), (sale.terms.closes_at,), datetime.now(UTC)
        )

    async def _with_resource(self, name: str, flashsale: FlashSale) -> float | None:
        memory = self._memory.setdefault(name, _Memory())
        interval = flashsale.spec.reconcile.interval_seconds
        metadata, status = flashsale.metadata, flashsale.status
        get_current_span().set_attribute("k8s.object.uid", metadata.uid)
        _bind_facts(generation=metadata.generation, round=status.round, epoch=status.epoch)
        check = memory.check_requested or time.monotonic() >= memory.check_at
        memory.check_requested = False  # a request from here on asks for another check
        try:
            observed = await self._sync.sync_managed(flashsale, self._pool.observed_for(name), check=check)
        except ResourceGone:
            self._resources.remove(name, flashsale.metadata.uid)
            return 0.0
        except BaseException:  # also if it was cancelled: the check is still due
            memory.check_requested |= check
            raise
        if observed.view is not None:
            _bind_facts(round=observed.view.round, epoch=observed.view.epoch)
        if observed.refusal is not None:
            get_current_span().set_attribute(OUTCOME, type(observed.refusal).__name__)
        if observed.gate_away or observed.ledger_away:
            get_current_span().set_status(StatusCode.ERROR, observed.gate_away or observed.ledger_away)
            memory.failures += 1
            memory.check_requested |= check
            self._metrics.count_failure("gate" if observed.gate_away else "ledger")
            if memory.failures > 1:  # one slow answer is not an outage
                await self._report(flashsale, observed, memory)
            return backoff(memory.failures, interval)
        memory.failures = 0
        if check:
            now = time.monotonic()
            confirmed_at = observed.check.confirmed_at if observed.check else None
            memory.check_at = now + jitter(interval)
            if confirmed_at is not None and confirmed_at > now:
                memory.check_at = min(memory.check_at, confirmed_at)
        write_delay = await self._report(flashsale, observed, memory)
        pause = max(0.0, min(memory.check_at - time.monotonic(), write_delay))
        return requeue_after(pause, (flashsale.spec.opens_at, flashsale.spec.closes_at), datetime.now(UTC))

    async def _report(self, flashsale: FlashSale, observed: Observed, memory: _Memory) -> float:
        """Post events and then write the status, if it changed.

        If the operator dies in between, the next one posts the same events, which are refused.

        A status in which only counters changed is written at most once per `poll_seconds`. Return the seconds until
        that is due, infinity if nothing is left to write, or 0 if the resource was deleted or replaced meanwhile.
        """
        name = flashsale.metadata.name
        known = self._resources.known.get(name)
        if known is None or known.metadata.uid != flashsale.metadata.uid:
            return 0.0
        before, now = known.status, datetime.now(UTC)
        after = status_of(before, observed, flashsale.metadata.generation, now, trace_id())
        self._metrics.record(name, after)
        ttl_seconds = 2 * flashsale.spec.reconcile.interval_seconds + REPORT_MARGIN_SECONDS
        await self._stores.reports.store(name, _json(after), ttl_seconds)
        if after == before:
            return float("inf")
        if not is_urgent(before, after):
            wait = memory.written_at + self._settings.poll_seconds - time.monotonic()
            if wait > 0:
                return wait
        await self._post_events(flashsale, after.round, list(events(before, after, observed)), now)
        await self._write_status(flashsale, after)
        memory.written_at = time.monotonic()
        return float("inf")

    async def _post_events(
        self, flashsale: FlashSale, round_: int | None, records: Sequence[EventRecord], now: datetime
    ) -> None:
        metadata = flashsale.metadata
        involved = V1ObjectReference(
            api_version=f"{GROUP}/{VERSION}",
            kind=KIND,
            name=metadata.name,
            namespace=metadata.namespace,
            uid=metadata.uid,
        )
        for record in records:
            log.info(record.message, reason=record.reason, round=round_)
            await post_event(self._kube, record, involved, round_, now)

    async def _write_status(self, flashsale: FlashSale, status: FlashSaleStatus) -> None:
        name, uid = flashsale.metadata.name, flashsale.metadata.uid
        try:
            with span("write status", expected=(KubeMissing,)):
                self._resources.upsert(await self._kube.replace_status(name, uid, _json(status)))
        except KubeMissing:
            log.info("resource deleted before its status was written")
        except KubeRefused as error:
            if error.code != UNPROCESSABLE:
                raise
            log.warning("status refused", error=error.detail)


def _json(status: FlashSaleStatus) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def _bind_facts(**facts: int | None) -> None:
    """Add facts to the span and to further log lines of this reconciliation, which runs in a task of its own."""
    known = {name: value for name, value in facts.items() if value is not None}
    bind_contextvars(**known)
    get_current_span().set_attributes({f"atomictickets.{name}": value for name, value in known.items()})
