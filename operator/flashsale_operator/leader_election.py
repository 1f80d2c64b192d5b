"""Leader election among the operators of a namespace: the holder of the Lease acts, and renews it.

If the holder stops renewing, another operator takes over. The Lease only saves work and noise. Two operators that act
at the same time do no harm, because of the epoch and the ledger's row locks.
"""

import asyncio
import time
from datetime import UTC, datetime

import structlog

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from flashsale_operator.kube import KubeApi, KubeConflict, Object
from flashsale_operator.settings import OperatorSettings

RETRY_SECONDS = 1.0

log = structlog.get_logger()


class LeaderElection:
    """Acquires and renews the Lease. `held` is cleared before another process may acquire it; `lost` is its opposite.

    The clocks of other machines are not trusted: another holder counts as gone if the Lease has not changed for
    `lease_seconds` of this process's own clock.
    """

    def __init__(self, kube: KubeApi, settings: OperatorSettings, identity: str) -> None:
        self.held = asyncio.Event()
        self.lost = asyncio.Event()
        self.lost.set()
        self._kube = kube
        self._settings = settings
        self._identity = identity
        # The Lease's resource version while another process holds it, and since when it has been this one.
        self._observed: tuple[str, float] = ("", 0.0)
        self._deadline: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Acquire and renew the Lease until cancelled."""
        if not self._settings.lease:
            self._hold()
            await asyncio.Event().wait()
        while True:
            sent_at = asyncio.get_running_loop().time()
            renewed = await self._try_renew()
            if renewed:
                self._hold()
                # Counted from the request, not from the answer: the others count from when the Lease changed.
                self._drop_at(sent_at + self._settings.renew_deadline_seconds)
            await asyncio.sleep(self._settings.retry_period_seconds if renewed else RETRY_SECONDS)

    async def release(self) -> None:
        """Give up the Lease, so that another operator can acquire it at once."""
        if self._settings.lease and self.held.is_set():
            self._drop("stopping")
            try:
                lease = await self._kube.lease(self._settings.lease)
                if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                    lease["spec"]["holderIdentity"] = ""
                    await self._kube.replace_lease(lease)
            except AtomicTicketsError as error:
                log.warning("lease not released; it will expire", error=error.detail)

    async def _try_renew(self) -> bool:
        try:
            async with asyncio.timeout(self._settings.retry_period_seconds):
                return await self._renew()
        except (TemporarilyUnavailable, TimeoutError) as error:
            log.warning("lease not renewed", error=str(error))
        except KubeConflict:
            log.info("another operator changed the lease first")
        except AtomicTicketsError as error:
            log.warning("lease refused", error=error.detail)
        return False

    async def _renew(self) -> bool:
        """Acquire or renew the Lease. Return whether this process holds it now."""
        lease = await self._kube.lease(self._settings.lease)
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity) and not self._expired(lease):
            self._drop(f"held by {holder}")
            return False
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        changed = holder != self._identity
        lease["spec"] = spec | {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._settings.lease_seconds)),
            "renewTime": now,
            "acquireTime": now if changed else spec.get("acquireTime", now),
            "leaseTransitions": spec.get("leaseTransitions", 0) + changed,
        }
        await self._kube.replace_lease(lease)
        return True

    def _expired(self, lease: Object) -> bool:
        """Return whether its holder has not renewed the Lease for `lease_seconds`."""
        version, since = self._observed
        if lease["metadata"]["resourceVersion"] != version:
            self._observed = (lease["metadata"]["resourceVersion"], time.monotonic())
            return False
        return time.monotonic() - since > self._settings.lease_seconds

    def _drop_at(self, moment: float) -> None:
        """Stop leading at `moment`, on the event loop's clock, unless the Lease is renewed before."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_at(moment, self._drop, "not renewed in time")

    def _hold(self) -> None:
        if not self.held.is_set():
            log.info("became leader", lease=self._settings.lease, identity=self._identity)
        self.held.set()
        self.lost.clear()

    def _drop(self, reason: str) -> None:
        if self.held.is_set():
            log.warning("stopped leading", reason=reason)
        self.held.clear()
        self.lost.set()
