"""How many workers there should be. Pure functions: from what each sale asks for to the size of one pool.

A sale asks for workers by its measured backlog, which is what the gate has accepted and the ledger has not booked; so
no prefetching hides it. There is one pool for all sales, because every worker drains every sale.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from app.sales.phase import Phase
from flashsale_operator.resource.models import WorkersSpec

WARM_UP = timedelta(seconds=60)  # a sale asks for its minimum so long before it opens: a pod takes that long to start


@dataclass(frozen=True, slots=True)
class DesiredWorkers:
    """The workers that one sale asks for: `standby` even without a backlog, and `for_backlog` to drain its backlog."""

    sale: str
    standby: int
    for_backlog: int

    @property
    def workers(self) -> int:
        return max(self.standby, self.for_backlog)


@dataclass(frozen=True, slots=True)
class PoolSize:
    """The size for all sales together. `capped`: they ask for more than the maximum."""

    size: int
    capped: bool


def desired_workers(
    sale: str, phase: Phase, backlog: int, spec: WorkersSpec, *, opens_at: datetime | None = None, now: datetime
) -> DesiredWorkers:
    """Return the workers that one sale asks for.

    A backlog is drained in every phase, also while the sale is paused: its buyers were promised their tickets.
    """
    for_backlog = min(ceil(backlog / spec.backlog_per_worker), spec.max)
    selling = phase in (Phase.OPEN, Phase.DRAINING) or (phase is Phase.SOLD_OUT and backlog > 0)
    warming = phase is Phase.SCHEDULED and opens_at is not None and now >= opens_at - WARM_UP
    standby = spec.min if selling or warming else 0
    return DesiredWorkers(sale, standby, for_backlog)


def pool_size(desired: Iterable[DesiredWorkers], minimum: int, maximum: int) -> PoolSize:
    """Return the size of the pool: backlogs add up, and standby workers are shared.

    Adding up the standby workers too would hold the pool at its maximum.
    """
    desired = list(desired)
    standby = max((each.standby for each in desired), default=0)
    size = max(minimum, standby, sum(each.for_backlog for each in desired))
    return PoolSize(min(size, maximum), capped=size > maximum)


class ScaleDownStabilizer:
    """Delays scaling down, as the stabilization window of a HorizontalPodAutoscaler does.

    The size rises at once, and falls to the largest size that was desired within the window. A backlog that comes and
    goes within the window does not change the size.
    """

    def __init__(self, stabilization_seconds: float) -> None:
        self._stabilization_seconds = stabilization_seconds
        self._desired: deque[tuple[float, int]] = deque()  # times rise, sizes fall: a larger size drops those before it

    def settle(self, desired: int, now: float) -> int:
        """Return the size for `now` (monotonic seconds). The first call should pass the present number of replicas."""
        while self._desired and self._desired[-1][1] <= desired:
            self._desired.pop()
        self._desired.append((now, desired))
        while self._desired[0][0] < now - self._stabilization_seconds:
            self._desired.popleft()
        return self._desired[0][1]
