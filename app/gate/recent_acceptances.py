"""The acceptances that this process has sent to buyers lately.

They reveal an order that neither Redis nor the ledger has any more.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.gate.replies import Decision, FencingToken
from app.sales.acceptance import Acceptance
from app.sales.model import Purchase
from app.sales.outcomes import Reserved

KEPT_SECONDS = 60.0
KEPT_ORDERS = 20_000  # about 12 MB; 1 to 2 s of orders at full speed, and the drain needs less than 1 s


@dataclass(frozen=True, slots=True, eq=False)
class AcceptedBatch:
    """The acceptances of one call of the gate. `at` is in seconds of the process's monotonic clock."""

    at: float
    sale: str
    token: FencingToken
    accepted: Sequence[tuple[Purchase, Decision]]

    def __iter__(self) -> Iterator[Acceptance]:
        for purchase, decision in self.accepted:
            if isinstance(decision.outcome, Reserved):
                yield Acceptance(self.token.epoch, decision.number, decision.outcome.reservation, purchase)


class RecentAcceptances:
    """The newest acceptances of a process: at most `orders` of them, each for at most `seconds`."""

    def __init__(self, orders: int = KEPT_ORDERS, seconds: float = KEPT_SECONDS) -> None:
        self._ring: deque[AcceptedBatch] = deque()
        self._orders = 0
        self._max_orders = orders
        self._seconds = seconds

    def add(self, batch: AcceptedBatch) -> None:
        """Add a batch, and drop the oldest ones while there are too many orders."""
        self._ring.append(batch)
        self._orders += len(batch.accepted)
        while self._orders > self._max_orders:
            self._drop_oldest()

    def sales(self, now: float) -> dict[str, int]:
        """Drop the batches that are too old, and return the sales of the others with the newest epoch of each."""
        while self._ring and self._ring[0].at < now - self._seconds:
            self._drop_oldest()
        return {batch.sale: batch.token.epoch for batch in self._ring}

    def of(self, sale: str, before_epoch: int) -> list[AcceptedBatch]:
        """Return the batches of `sale` under an epoch older than `before_epoch`, oldest first."""
        return [batch for batch in self._ring if batch.sale == sale and batch.token.epoch < before_epoch]

    def forget(self, batches: Sequence[AcceptedBatch]) -> None:
        """Drop these batches, which the caller has stored elsewhere."""
        forgotten = set(batches)
        self._ring = deque(batch for batch in self._ring if batch not in forgotten)
        self._orders = sum(len(batch.accepted) for batch in self._ring)

    def _drop_oldest(self) -> None:
        self._orders -= len(self._ring.popleft().accepted)
