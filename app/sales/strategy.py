"""What every way to sell under contention must answer. Nothing outside this folder asks which one it talks to."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from app.sales.model import Purchase, ReservationId, Sale
from app.sales.outcomes import Outcome


class AcceptedIn(StrEnum):
    """Where an order is at the moment its buyer is told, and so what it survives."""

    LEDGER = "ledger"  # committed: the death of any process or server, as far as PostgreSQL's disk keeps its word
    STREAM = "stream"  # written with the decision: the death of any process; of the stock server as far as its AOF goes
    PROCESS = "process"  # on its way to the broker: not even the death of the API process


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the strategy's own counter says of a round, in tickets, at one instant. Never the judge: the ledger is.

    `available`: a purchase could be decided now (the counter exists and is not fenced). `returns`: how often tickets
    have come back to it in this epoch, by a cancellation or a repair.
    """

    round: int
    epoch: int
    stock: int
    remaining: int
    backlog: int
    available: bool = True
    returns: int = 0


class Strategy(Protocol):
    """One way to sell. Instances are made once per process and hold no state of a sale that a restart may not lose."""

    name: ClassVar[str]
    promises_exactness: ClassVar[bool]
    """False where it is expected to oversell: the ledger then books without its guard, and nothing is repaired."""
    sells_at_gate: ClassVar[bool]
    """Whether its stock is in the gate's keys, which the reconciliation measures, fences and recounts."""
    keeps_limit: ClassVar[bool]
    """Whether the limit per customer holds when purchases of one customer overlap."""
    accepted_in: ClassVar[AcceptedIn]

    async def buy(self, purchase: Purchase) -> Outcome:
        """Decides one purchase. Raises TemporarilyUnavailable where the outcome is unknown or nothing was taken.

        One of these is Contention: others were faster at every try. It is never told as sold out.
        """
        ...

    async def prepare(self, sale: Sale) -> None:
        """Makes the speed layer follow what the ledger has committed (created, reset, paused, ended). Idempotent."""
        ...

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        """Reads the counter, None where it is gone. Raises TemporarilyUnavailable where it can't be asked."""
        ...

    async def is_pending(self, reservation: ReservationId) -> bool:
        """Whether the order is accepted and not yet in the ledger."""
        ...

    async def close(self) -> None:
        """Finishes what is under way, before the process ends."""
        ...
