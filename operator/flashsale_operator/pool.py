"""Scales the worker Deployment to the size that all sales together ask for."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from app.errors import AtomicTicketsError
from app.telemetry.names import CHANGED
from app.telemetry.spans import span
from flashsale_operator.events import EventRecord, ObjectReference, body
from flashsale_operator.kube import KubeApi, KubeConflict, KubeMissing, Object
from flashsale_operator.observed import WorkersSeen
from flashsale_operator.scaling import DesiredWorkers, ScaleDownStabilizer, pool
from flashsale_operator.settings import OperatorSettings

LOOK_SECONDS = 10.0  # between two reads at an unchanged size; another desired size is applied at once

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Scale:
    """The Deployment as it was read."""

    replicas: int
    ready: int
    version: str
    uid: str


class WorkerPool:
    """The worker Deployment. `desired` has the workers that each sale last asked for."""

    def __init__(self, kube: KubeApi, settings: OperatorSettings) -> None:
        self.desired: dict[str, DesiredWorkers] = {}
        self._kube = kube
        self._settings = settings
        self._stabilizer = ScaleDownStabilizer(settings.stabilization_seconds)
        self._seen = WorkersSeen(scaled=bool(settings.workers), looked=not settings.workers)
        self._size = -1
        self._looked_at = 0.0

    def seen_by(self, sale: str) -> WorkersSeen:
        """Return the pool as the status of this sale shows it."""
        own = self.desired.get(sale)
        seen = self._seen
        return WorkersSeen(
            desired=own.workers if own else 0,
            pool=seen.pool,
            replicas=seen.replicas,
            ready=seen.ready,
            capped=seen.capped,
            scaled=seen.scaled,
            looked=seen.looked,
            problem=seen.problem,
        )

    async def follow(self, desired: Sequence[DesiredWorkers]) -> None:
        """Scale the pool to what `desired` asks for. A failure is not raised: `WorkersSeen.problem` reports it."""
        self.desired = {each.sale: each for each in desired}
        if not self._settings.workers:
            return
        now = time.monotonic()
        if self._size < 0:
            try:
                self._stabilizer.settle(min((await self._look()).replicas, self._settings.max_workers), now)
            except AtomicTicketsError as error:
                self._seen = WorkersSeen(problem=_problem(error))
                return
        wanted = pool(desired, self._settings.min_workers, self._settings.max_workers)
        size = self._stabilizer.settle(wanted.wanted, now)
        if size == self._size and now - self._looked_at < LOOK_SECONDS:
            return
        try:
            replicas, ready = await self._size_to(size, desired)
        except KubeConflict:
            return  # the Deployment was changed meanwhile: the next poll reads it again
        except AtomicTicketsError as error:
            problem = _problem(error)
            if problem != self._seen.problem:
                log.warning("the workers can't be scaled", deployment=self._settings.workers, error=problem)
            self._seen = WorkersSeen(problem=problem)
            return
        self._size, self._looked_at = size, now
        self._seen = WorkersSeen(pool=size, replicas=replicas, ready=ready, capped=wanted.capped)

    async def _size_to(self, size: int, desired: Sequence[DesiredWorkers]) -> tuple[int, int]:
        """Scale the Deployment to `size`. Return its replicas and how many of them are ready."""
        found = await self._look()
        if found.replicas == size:
            return size, found.ready
        asked: dict[str, str | int] = {
            "k8s.deployment.name": self._settings.workers,
            "atomictickets.workers.before": found.replicas,
            "atomictickets.workers.after": size,
        }
        with span("scale", asked, expected=(KubeConflict,)) as scaling:
            await self._kube.set_scale(self._settings.workers, size, found.version)
            scaling.set_attribute(CHANGED, value=True)
            log.info("workers scaled", deployment=self._settings.workers, before=found.replicas, after=size)
            await self._tell(found, size, desired)
        return size, found.ready

    async def _look(self) -> _Scale:
        scale = await self._kube.scale(self._settings.workers)
        deployment = await self._kube.deployment(self._settings.workers)
        metadata = scale["metadata"]
        ready = int((deployment.get("status") or {}).get("readyReplicas") or 0)
        return _Scale(int(scale["spec"].get("replicas") or 0), ready, metadata["resourceVersion"], metadata["uid"])

    async def _tell(self, found: _Scale, size: int, desired: Iterable[DesiredWorkers]) -> None:
        """Post an event about the Deployment. Its occurrence is the resource version that was scaled."""
        first = max(desired, key=lambda each: each.workers, default=None)
        most = f", mostly for {first.sale}" if first is not None and first.workers else ""
        record = EventRecord(
            "ScaledUp" if size > found.replicas else "ScaledDown",
            f"Scaled the workers from {found.replicas} to {size}{most}.",
            found.version,
        )
        name = self._settings.workers
        about = ObjectReference("apps/v1", "Deployment", name, self._kube.namespace, found.uid)
        await post(self._kube, body(record, about, None, datetime.now(UTC)))


def _problem(error: AtomicTicketsError) -> str:
    """Return the problem without details that differ between attempts, so that the status is written only once."""
    return "The worker Deployment does not exist." if isinstance(error, KubeMissing) else error.detail


async def post(kube: KubeApi, event: Object) -> None:
    """Post the event, unless it was posted before. A failure is only logged: nothing depends on an event."""
    try:
        with span("post event", {"k8s.event.reason": event["reason"]}, expected=(KubeConflict,)) as posting:
            await kube.create_event(event)
            posting.set_attribute(CHANGED, value=True)
    except KubeConflict:
        return
    except AtomicTicketsError as error:
        log.warning("event not posted", reason=event["reason"], error=error.detail)
