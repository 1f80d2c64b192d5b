"""The protocol that every strategy implements. Callers outside `app.strategies` do not depend on a particular one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from app.sales.model import Purchase, ReservationId, Sale
from app.sales.outcomes import Outcome


class AcceptedIn(StrEnum):
    """The place of an order when its buyer is answered, which decides what failures it survives.

    `LEDGER`: committed. It survives the death of any process or server, as long as PostgreSQL's disk keeps its data.
    `STREAM`: written with the decision. It survives the death of any process, and of the stock server as far as its AOF
    goes.
    `PROCESS`: on its way to the broker. It does not even survive the death of the API process.
    """

    LEDGER = "ledger"
    STREAM = "stream"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The strategy's own counter of a round, in tickets, at one instant. It is never authoritative; the ledger is.

    `available`: whether a purchase could be decided now (the counter exists and is not fenced).
    `returns`: how often tickets came back to the counter in this epoch, by a cancellation or a repair.
    """

    round: int
    epoch: int
    stock: int
    remaining: int
    backlog: int
    available: bool = True
    returns: int = 0


class Strategy(Protocol):
    """One way to sell. A process creates one instance, which holds no state of a sale that a restart may not lose.

    `accepted_in`: where an order is stored when its buyer is answered.
    """

    name: ClassVar[str]
    promises_exactness: ClassVar[bool]
    """False if it is expected to oversell: the ledger then books without its guard, and nothing is repaired."""
    sells_at_gate: ClassVar[bool]
    """Whether its stock is in the gate's keys, which the reconciler measures, fences and recounts."""
    keeps_limit: ClassVar[bool]
    """Whether the limit per customer holds when purchases of one customer overlap."""
    accepted_in: ClassVar[AcceptedIn]

    async def buy(self, purchase: Purchase) -> Outcome:
        """Decide one purchase. Raise TemporarilyUnavailable if the outcome is unknown or nothing was taken.

        One such error is Contention: other purchases were faster at every try. It is never reported as sold out.
        """
        ...

    async def prepare(self, sale: Sale) -> None:
        """Make the store that sells follow what the ledger has committed (create, reset, pause, end). Idempotent."""
        ...

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        """Read the counter; None if it is gone. Raise TemporarilyUnavailable if its store is away."""
        ...

    async def is_pending(self, reservation: ReservationId) -> bool:
        """Return whether the order is accepted and not yet in the ledger."""
        ...

    async def close(self) -> None:
        """Finish the work under way before the process ends."""
        ...
