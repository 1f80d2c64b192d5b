"""Leader election among the operators of a namespace: the holder of the Lease acts, and renews it.

The election and its Lease are those of the official client. What it lacks is added here: a leader stops acting before
another may start, however long a request hangs; a step of this machine's clock changes nothing; a Lease is released at
the end. The Lease only saves work and noise. Two operators that act at the same time do no harm, because of the epoch
and the ledger's row locks.
"""

import asyncio
import time
from contextlib import suppress

import aiohttp
import structlog
from kubernetes.aio.client import V1LeaseSpec
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection as OfficialElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from app.errors import AtomicTicketsError
from flashsale_operator.kube import KubeClient, call
from flashsale_operator.settings import OperatorSettings

log = structlog.get_logger()


class CountedLease(LeaseLock):
    """The official Lease, which also counts how often its holder changed."""

    def update_lease(
        self, leader_election_record: LeaderElectionRecord, current_spec: V1LeaseSpec | None = None
    ) -> V1LeaseSpec:
        before = current_spec.holder_identity if current_spec else None
        spec = super().update_lease(leader_election_record, current_spec)
        if before != leader_election_record.holder_identity:
            spec.lease_transitions = (spec.lease_transitions or 0) + 1
        return spec


class LeaderElection(OfficialElection):
    """Acquires and renews the Lease. `held` is cleared before another process may acquire it; `lost` is its opposite.

    The clocks of other machines are not trusted: another holder counts as gone if the Lease has not changed for
    `lease_seconds` of this process's own clock.
    """

    def __init__(self, client: KubeClient, settings: OperatorSettings, identity: str) -> None:
        self.held = asyncio.Event()
        self.lost = asyncio.Event()
        self.lost.set()
        self._settings = settings
        self._identity = identity
        self._observed_at = 0.0
        self._sent_at = 0.0
        lock = CountedLease(settings.lease, settings.namespace, identity, client)
        super().__init__(
            Config(
                lock,
                lease_duration=settings.lease_seconds,
                renew_deadline=settings.renew_deadline_seconds,
                retry_period=settings.retry_period_seconds,
                onstarted_leading=self._start,
                onstopped_leading=self._stop,
            )
        )

    @property
    def observed_time_milliseconds(self) -> int:
        """The wall-clock time of the last change of the Lease, by the age that the monotonic clock gives it."""
        return int((time.time() - time.monotonic() + self._observed_at) * 1000)

    @observed_time_milliseconds.setter
    def observed_time_milliseconds(self, _: int) -> None:
        self._observed_at = time.monotonic()

    async def run(self) -> None:
        """Acquire and renew the Lease until cancelled."""
        if not self._settings.lease:
            await self._start()
            await asyncio.Event().wait()
        while True:
            await super().run()

    async def renew_loop(self) -> None:
        """Renew the Lease until another process holds it, or until it was not renewed in time.

        The deadline is counted from when the last renewal was sent, not answered: the others count from when the Lease
        changed.
        """
        deadline = self._settings.renew_deadline_seconds
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._sent_at + deadline) as limit:
                while self._is_holder():
                    await asyncio.sleep(self._settings.retry_period_seconds)
                    if await self.try_acquire_or_renew():
                        limit.reschedule(self._sent_at + deadline)

    async def try_acquire_or_renew(self) -> bool:
        """Try once, for at most the retry period. Return whether this process holds the Lease now."""
        sent_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._settings.retry_period_seconds):
                renewed = await super().try_acquire_or_renew()
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("lease not renewed", error=str(error) or type(error).__name__)
            return False
        if renewed:
            self._sent_at = sent_at
        return renewed

    async def release(self) -> None:
        """Give up the Lease, so that another operator can acquire it at once."""
        if not (self._settings.lease and self.held.is_set()):
            return
        await self._stop()
        lock = self.election_config.lock
        try:
            lease = await call(lock.api_instance.read_namespaced_lease, lock.name, lock.namespace)
            if lease.spec.holder_identity == lock.identity:
                lease.spec.holder_identity = ""
                await call(lock.api_instance.replace_namespaced_lease, lock.name, lock.namespace, lease)
        except AtomicTicketsError as error:
            log.warning("lease not released; it will expire", error=error.detail)

    def _is_holder(self) -> bool:
        return self.observed_record is not None and self.observed_record.holder_identity == self._identity

    async def _start(self) -> None:
        log.info("became leader", lease=self._settings.lease, identity=self._identity)
        self.held.set()
        self.lost.clear()

    async def _stop(self) -> None:
        log.warning("stopped leading", lease=self._settings.lease)
        self.held.clear()
        self.lost.set()
