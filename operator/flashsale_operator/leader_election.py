"""Leader election among the operators of a namespace: the holder of the Lease acts, and renews it.

The election and its lock are those of the official client. What they lack is added here: a leader stops acting before
another may start, however long a request hangs; the Lease is released at the end; and no clock is believed but this
process's own monotonic one. The Lease only saves work and noise. Two operators that act at the same time do no harm,
because of the epoch and the ledger's row locks.
"""

import asyncio
import math
import sys
import time
from datetime import UTC, datetime

import structlog
from kubernetes.aio.client import V1Lease, V1LeaseSpec
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection as OfficialElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from app.errors import AtomicTicketsError
from flashsale_operator.kube_client import KubeClient, KubeConflict
from flashsale_operator.settings import OperatorSettings

RETRY_SECONDS = 1.0  # between two attempts, until the Lease is acquired or after a renewal failed
UNKNOWN = "unknown"  # stands for what a Lease does not say

log = structlog.get_logger()


class OperatorLease(LeaseLock):
    """The official lock on a Lease, which also counts how often its holder changed, and can be released."""

    def election_record(self, lease: V1Lease) -> LeaderElectionRecord:
        """Return what the Lease says. A Lease with a holder is complete, since the election takes others at once."""
        record: LeaderElectionRecord = super().election_record(lease)
        if record.holder_identity:
            for name, value in vars(record).items():
                setattr(record, name, value or UNKNOWN)
        return record

    def update_lease(
        self, leader_election_record: LeaderElectionRecord, current_spec: V1LeaseSpec | None = None
    ) -> V1LeaseSpec:
        """Return the Lease to write. The official lock writes local time and calls it UTC."""
        spec, now = current_spec or V1LeaseSpec(), datetime.now(UTC)
        if spec.holder_identity != leader_election_record.holder_identity:
            spec.acquire_time = now
            spec.lease_transitions = (spec.lease_transitions or 0) + 1
        spec.holder_identity = leader_election_record.holder_identity
        spec.lease_duration_seconds = math.ceil(float(leader_election_record.lease_duration or 1))
        spec.renew_time = now
        return spec

    async def release(self) -> None:
        """Give up the Lease if this process holds it."""
        lease = await self.api_instance.read_namespaced_lease(self.name, self.namespace)
        if lease.spec and lease.spec.holder_identity == self.identity:
            lease.spec.holder_identity = ""
            await self.api_instance.replace_namespaced_lease(self.name, self.namespace, lease)


class LeaderElection(OfficialElection):
    """Acquires and renews the Lease. `held` is cleared before another process may acquire it; `lost` is its opposite.

    The clocks of other machines are not trusted: another holder counts as gone if the Lease has not changed for
    `lease_seconds` of this process's own clock.
    """

    def __init__(self, kube: KubeClient, settings: OperatorSettings, identity: str) -> None:
        self.held = asyncio.Event()
        self.lost = asyncio.Event()
        self.lost.set()
        self._settings = settings
        self._deadline = 0.0  # of the next renewal, on the event loop's clock
        self._why_lost = ""
        self._lock = lock = OperatorLease(settings.lease, settings.namespace, identity, kube)
        super().__init__(
            Config(
                lock, settings.lease_seconds, settings.renew_deadline_seconds, RETRY_SECONDS, self._start, self._stop
            )
        )

    @property
    def observed_time_milliseconds(self) -> int:
        """Return 0 if the Lease has not changed for its duration by the monotonic clock, else a time far ahead.

        The official election compares this with the wall clock.
        """
        return 0 if time.monotonic() - self._observed_at > self._settings.lease_seconds else sys.maxsize

    @observed_time_milliseconds.setter
    def observed_time_milliseconds(self, _: int) -> None:
        self._observed_at = time.monotonic()

    async def run(self) -> None:
        """Acquire and renew the Lease until cancelled. Whatever ends this, `held` is cleared."""
        try:
            if not self._settings.lease:
                await self._start()
                await asyncio.Event().wait()
            while True:
                await super().run()
        finally:
            await self._stop()

    async def renew_loop(self) -> None:
        """Renew the Lease until another process holds it, or until it was not renewed in time."""
        renewed = True
        try:
            async with asyncio.timeout_at(self._deadline) as limit:
                while (holder := self.observed_record and self.observed_record.holder_identity) == self._lock.identity:
                    await asyncio.sleep(self._settings.retry_period_seconds if renewed else RETRY_SECONDS)
                    renewed = await self.try_acquire_or_renew()
                    limit.reschedule(self._deadline)
            self._why_lost = f"held by {holder or 'nobody'}"
        except TimeoutError:
            self._why_lost = "not renewed in time"

    async def try_acquire_or_renew(self) -> bool:
        """Try once, for at most the retry period. Return whether this process holds the Lease now."""
        sent_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._settings.retry_period_seconds):
                renewed = await super().try_acquire_or_renew()
        except KubeConflict:
            log.info("another operator changed the lease first")
            return False
        except (AtomicTicketsError, TimeoutError) as error:
            log.warning("lease not renewed", error=str(error) or "no answer in time")
            return False
        if renewed:
            # Counted from the request, not from the answer: the others count from when the Lease changed.
            self._deadline = sent_at + self._settings.renew_deadline_seconds
        return renewed

    async def release(self) -> None:
        """Give up the Lease, so that another operator can acquire it at once. Call this after `run` has ended."""
        if self._settings.lease:
            try:
                await self._lock.release()
            except AtomicTicketsError as error:
                log.warning("lease not released; it will expire", error=error.detail)

    async def _start(self) -> None:
        log.info("became leader", lease=self._settings.lease, identity=self._lock.identity)
        self._why_lost = "stopping"
        self.held.set()
        self.lost.clear()

    async def _stop(self) -> None:
        if self.held.is_set():
            log.warning("stopped leading", reason=self._why_lost)
        self.held.clear()
        self.lost.set()
