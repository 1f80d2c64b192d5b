"""What one purchase read and wrote under a strategy that races: the evidence from which witnesses are found."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Hazard(StrEnum):
    """What it is when two attempts that wrote had read the same version of the same thing."""

    LOST_UPDATE = "lost-update"  # both wrote an absolute value: one of the two is gone
    STALE_GUARD = "stale-guard"  # one value let two decrements pass
    WRITE_SKEW = "write-skew"  # both counted the customer's tickets, neither saw the other's
    EXPIRED_LOCK = "expired-lock"  # both believed that they held the lock


@dataclass(slots=True, kw_only=True)  # made for every purchase: see app.sales.model.Purchase
class Attempt:
    """The window of one purchase: from its read to the end of its write.

    `guards`: what the version belongs to, `stock` or `customer:<name>`. `version_read`, `version_written`: of the
    row (`xmin`) or of whatever the strategy has in its place. Values are tickets left, or held by the customer. Times
    are seconds since 1970 of this machine's clock; `wrote_at` is that of the commit, None where nothing was committed.
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
        """`stock` or `customer`: what a trace or a stranger may be told, without the customer's name."""
        return self.guards.partition(":")[0]


class Attempts(Protocol):
    """Where a process leaves its attempts. Never waits: what can't be kept is counted and dropped."""

    def record(self, attempt: Attempt) -> None: ...


class NoAttempts:
    """For a process that sells and keeps no evidence."""

    def record(self, attempt: Attempt) -> None:
        """Keeps nothing."""


@dataclass(slots=True, kw_only=True)
class RecordedAttempt(Attempt):
    """An attempt as the ledger keeps it.

    `id`: 16 hex digits, made where it was recorded, so that a batch sent twice is kept once. `number`: from 1 on in its
    round, in the order in which attempts became visible to other processes; 0 until it is kept. `trace_id`, `span_id`:
    of its window's span, in hexadecimal; None where the request was not sampled.
    """

    id: str
    pod: str
    process: str
    trace_id: str | None = None
    span_id: str | None = None
    number: int = 0


@dataclass(slots=True, kw_only=True)
class Witness:
    """Two attempts that read the same version of the same thing and both committed a write: the race itself.

    The writers of a version are a chain: each is paired with the one before it, so that `k` of them make `k - 1` pairs
    and none is in more than two.
    """

    hazard: Hazard
    first: RecordedAttempt
    second: RecordedAttempt
