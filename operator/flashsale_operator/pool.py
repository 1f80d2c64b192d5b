"""Scale the worker Deployment to the size that all sales together ask for."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from kubernetes.aio.client import V1ObjectMeta, V1ObjectReference

from app.errors import AtomicTicketsError
from app.telemetry.names import CHANGED
from app.telemetry.spans import span
from flashsale_operator.event_recorder import post_event
from flashsale_operator.events import EventRecord
from flashsale_operator.kube import KubeApi
from flashsale_operator.kube_client import KubeConflict, KubeMissing
from flashsale_operator.observed import ObservedWorkers
from flashsale_operator.scaling import DesiredWorkers, ScaleDownStabilizer, pool_size
from flashsale_operator.settings import OperatorSettings

READ_SECONDS = 10.0  # between two reads at an unchanged size; another desired size is applied at once

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Scale:
    """The Deployment as it was read. `version` is its resource version."""

    replicas: int
    ready: int
    version: str
    uid: str


class WorkerPool:
    """The worker Deployment, and the workers that each sale last asked for."""

    def __init__(self, kube: KubeApi, settings: OperatorSettings) -> None:
        self._kube = kube
        self._settings = settings
        self._stabilizer = ScaleDownStabilizer(settings.stabilization_seconds)
        self._desired: dict[str, DesiredWorkers] = {}
        self._observed = ObservedWorkers(scaled=bool(settings.workers), known=not settings.workers)
        self._size: int | None = None  # as last read or written
        self._read_at = 0.0  # monotonic seconds

    def observed_for(self, sale: str) -> ObservedWorkers:
        """Return the pool as the status of this sale shows it."""
        desired = self._desired.get(sale)
        return replace(self._observed, desired=desired.workers if desired else 0)

    async def follow(self, desired: Sequence[DesiredWorkers]) -> None:
        """Scale the pool to what `desired` asks for. A failure is not raised: `ObservedWorkers.problem` reports it."""
        self._desired = {each.sale: each for each in desired}
        if not self._settings.workers:
            return
        now = time.monotonic()
        if self._size is None:
            try:
                self._stabilizer.settle(min((await self._read()).replicas, self._settings.max_workers), now)
            except AtomicTicketsError as error:
                self._observed = ObservedWorkers(problem=_problem(error))
                return
        target = pool_size(desired, self._settings.min_workers, self._settings.max_workers)
        size = self._stabilizer.settle(target.size, now)
        if size == self._size and now - self._read_at < READ_SECONDS:
            return
        try:
            ready = await self._scale_to(size, desired)
        except KubeConflict:
            return  # the Deployment was changed meanwhile: the next poll reads it again
        except AtomicTicketsError as error:
            problem = _problem(error)
            if problem != self._observed.problem:
                log.warning("the workers can't be scaled", deployment=self._settings.workers, error=problem)
            self._observed = ObservedWorkers(problem=problem)
            return
        self._size, self._read_at = size, now
        self._observed = ObservedWorkers(pool=size, ready=ready, capped=target.capped)

    async def _scale_to(self, size: int, desired: Sequence[DesiredWorkers]) -> int:
        """Scale the Deployment to `size`, unless it has that size. Return how many of its pods are ready."""
        found = await self._read()
        if found.replicas == size:
            return found.ready
        attributes: dict[str, str | int] = {
            "k8s.deployment.name": self._settings.workers,
            "atomictickets.workers.before": found.replicas,
            "atomictickets.workers.after": size,
        }
        with span("scale", attributes, expected=(KubeConflict,)) as scaling:
            await self._kube.set_scale(self._settings.workers, size, found.version)
            scaling.set_attribute(CHANGED, value=True)
            log.info("workers scaled", deployment=self._settings.workers, before=found.replicas, after=size)
            await self._post_event(found, size, desired)
        return found.ready

    async def _read(self) -> _Scale:
        scale = await self._kube.scale(self._settings.workers)
        ready = await self._kube.ready_replicas(self._settings.workers)
        metadata = scale.metadata or V1ObjectMeta()
        replicas = scale.spec.replicas if scale.spec else None
        return _Scale(replicas or 0, ready, metadata.resource_version or "", metadata.uid or "")

    async def _post_event(self, found: _Scale, size: int, desired: Iterable[DesiredWorkers]) -> None:
        """Post an event about the Deployment. Its occurrence is the resource version that was scaled."""
        first = max(desired, key=lambda each: each.workers, default=None)
        most = f", mostly for {first.sale}" if first is not None and first.workers else ""
        record = EventRecord(
            "ScaledUp" if size > found.replicas else "ScaledDown",
            f"Scaled the workers from {found.replicas} to {size}{most}.",
            found.version,
        )
        name = self._settings.workers
        involved = V1ObjectReference(
            api_version="apps/v1", kind="Deployment", name=name, namespace=self._kube.namespace, uid=found.uid
        )
        await post_event(self._kube, record, involved, None, datetime.now(UTC))


def _problem(error: AtomicTicketsError) -> str:
    """Return the problem without details that differ between attempts, so that the status is written only once."""
    return "The worker Deployment does not exist." if isinstance(error, KubeMissing) else error.detail
