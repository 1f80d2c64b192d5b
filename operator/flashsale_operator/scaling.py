"""How many workers there should be. Pure: desired of sales in, one pool size out.

A sale desired by its measured backlog, which no prefetching hides: it is what the gate has accepted and the ledger has
not booked. The desired make one pool, since every worker drains every sale.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from app.sales.phase import Phase

WARM_UP = timedelta(seconds=60)  # before it opens a sale has its minimum: a pod takes that long to be pulled and ready


@dataclass(frozen=True, slots=True)
class Bounds:
    """`spec.workers` of one sale; an HTTP sale has these defaults."""

    minimum: int = 0
    maximum: int = 5
    backlog_per_worker: int = 500


@dataclass(frozen=True, slots=True)
class DesiredWorkers:
    """One sale's: `standby` while it sells whatever waits, `for_backlog` for what waits."""

    sale: str
    standby: int
    for_backlog: int

    @property
    def workers(self) -> int:
        return max(self.standby, self.for_backlog)


@dataclass(frozen=True, slots=True)
class Pool:
    """What all sales together want. `capped`: they want more than there may be."""

    wanted: int
    capped: bool


def desired_workers(
    sale: str, phase: Phase, backlog: int, bounds: Bounds, *, opens_at: datetime | None = None, now: datetime
) -> DesiredWorkers:
    """A backlog is drained in every phase, a paused sale's too: its buyers were promised their tickets."""
    waiting = ceil(backlog / bounds.backlog_per_worker)
    selling = phase in (Phase.OPEN, Phase.DRAINING) or (phase is Phase.SOLD_OUT and backlog > 0)
    warming = phase is Phase.SCHEDULED and opens_at is not None and now >= opens_at - WARM_UP
    standby = bounds.minimum if selling or warming else 0
    return DesiredWorkers(sale, standby, min(waiting, bounds.maximum))


def pool(desired: Iterable[DesiredWorkers], minimum: int, maximum: int) -> Pool:
    """Standbys are shared, backlogs add up: the sum of all standbys would hold the pool at its maximum."""
    desired = list(desired)
    standby = max((each.standby for each in desired), default=0)
    wanted = max(minimum, standby, sum(each.for_backlog for each in desired))
    return Pool(min(wanted, maximum), capped=wanted > maximum)


class ScaleDownStabilizer:
    """Up at once; down to the most that was wanted within the quiet time. So a backlog that comes and goes within it
    moves nothing."""

    def __init__(self, stabilization_seconds: float) -> None:
        self._stabilization_seconds = stabilization_seconds
        self._wanted: deque[tuple[float, int]] = deque()  # times rise, sizes fall: what is overtopped later is dropped

    def settle(self, wanted: int, now: float) -> int:
        """The size for now (monotonic seconds). The first size told counts as wanted: begin with what is there."""
        while self._wanted and self._wanted[-1][1] <= wanted:
            self._wanted.pop()
        self._wanted.append((now, wanted))
        while self._wanted[0][0] < now - self._stabilization_seconds:
            self._wanted.popleft()
        return self._wanted[0][1]
