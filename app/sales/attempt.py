"""What one purchase read and wrote under a strategy that races: the evidence in which witnesses are found."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Hazard(StrEnum):
    """The kind of race between two attempts that wrote after they had read the same version of the same thing."""

    LOST_UPDATE = "lost-update"  # both wrote an absolute value, so one of the two is lost
    STALE_GUARD = "stale-guard"  # one value that was read let two decrements pass
    WRITE_SKEW = "write-skew"  # both counted the customer's tickets, and neither saw the other's purchase
    EXPIRED_LOCK = "expired-lock"  # both believed that they held the lock


@dataclass(slots=True, kw_only=True)  # created for every purchase; see app.sales.model.Purchase
class Attempt:
    """The window of one purchase: from its read to the end of its write.

    `guards`: the thing that the version belongs to, `stock` or `customer:<name>`.
    `version_read`, `version_written`: the version of the row (`xmin`), or of what the strategy uses in its place.
    `value_read`, `value_written`: tickets left, or tickets held by the customer.
    `read_at`, `wrote_at`: seconds since 1970 by this machine's clock. `wrote_at` is the time of the commit, or None if
    nothing was committed.
    """

    sale: str
    round: int
    strategy: str
    hazard: Hazard
    nonce: str
    quantity: int
    version_read: str
    value_read: int
    read_at: float
    guards: str = "stock"
    version_written: str | None = None
    value_written: int | None = None
    wrote_at: float | None = None
    reservation_id: str | None = None

    @property
    def guarded(self) -> str:
        """Return `stock` or `customer`: `guards` without the customer's name, for traces and public pages."""
        return self.guards.partition(":")[0]


class AttemptSink(Protocol):
    """The sink for a process's attempts. `record` never waits: it counts and drops an attempt that cannot be kept."""

    def record(self, attempt: Attempt) -> None: ...


class NullAttemptSink:
    """The sink of a process that sells and keeps no evidence."""

    def record(self, attempt: Attempt) -> None:
        """Drop the attempt."""


@dataclass(slots=True, kw_only=True)
class RecordedAttempt(Attempt):
    """An attempt as the ledger keeps it.

    `id`: 16 hex digits, made by the recording process, so that a batch that is sent twice is kept once.
    `pod`, `process`: the name of the pod or host, and the process id, of the recording process.
    `trace_id`, `span_id`: the ids of its window's span, in hexadecimal; None if the request was not sampled.
    `number`: from 1 in its round, in the order in which attempts became visible to other processes; 0 until it is kept.
    """

    id: str
    pod: str
    process: str
    trace_id: str | None = None
    span_id: str | None = None
    number: int = 0


@dataclass(slots=True, kw_only=True)
class Witness:
    """The race itself: two attempts that read the same version of the same thing and both committed a write.

    The writers of a version form a chain, in which each is paired with the one before it. So `k` writers make `k - 1`
    pairs, and no writer is in more than two.
    """

    hazard: Hazard
    first: RecordedAttempt
    second: RecordedAttempt
