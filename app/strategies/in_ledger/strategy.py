"""What the ways to sell in Postgres have in common: one transaction for a purchase, and the same duties around it.

    read the sale -> replay? open? limit? -> take the tickets -> insert the booking -> commit

A strategy says how tickets are taken. Dying anywhere before the commit takes nothing; dying after it, before the buyer
is told, is what the idempotency key is for: the same key finds the booking.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.failpoints import failpoint
from app.ledger.availability import LOCK_NOT_AVAILABLE, ledger_reachable
from app.ledger.purchases import Seen, book, read, refusal
from app.sales.attempt import Attempts, Hazard, NoAttempts
from app.sales.model import Purchase, ReservationId, Sale
from app.sales.outcomes import Outcome, Reserved, SoldOut
from app.sales.strategy import AcceptedIn, Snapshot
from app.strategies.contention import Conflict, Contention, retried
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.attempts import windows

Isolation = Literal["AUTOCOMMIT", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
# Serialization failure, deadlock: https://www.postgresql.org/docs/18/mvcc-serialization-failure-handling.html
LOST_RACES = ("40001", "40P01")


@dataclass(slots=True)  # made for every purchase: see app.sales.model.Purchase
class Taken:
    """Tickets taken from the counter, not committed yet.

    `ticket`: the first one's number, from 1. `remaining`, `row_version`: what was written to the inventory, where the
    strategy leaves evidence of it.
    """

    ticket: int
    remaining: int = 0
    row_version: str = ""


class LedgerStrategy:
    """A way to sell in one transaction of Postgres; the window is judged by the database's clock.

    `locking`: a clause for the statement that reads sale and counter (alias `i`). `locks_customer`: the limit is kept
    by a lock per customer, where nothing else makes his purchases wait for each other. `hazard`: what a race does to
    it; its attempts are recorded. `dealt`: SQL for the tickets that left `inventory.remaining` (alias `i`) unsold.
    """

    name: ClassVar[str]
    promises_exactness: ClassVar[bool] = True
    sells_at_gate: ClassVar[bool] = False
    keeps_limit: ClassVar[bool] = True
    accepted_in: ClassVar[AcceptedIn] = AcceptedIn.LEDGER

    isolation: ClassVar[Isolation] = "READ COMMITTED"
    locking: ClassVar[str] = ""
    locks_customer: ClassVar[bool] = False
    hazard: ClassVar[Hazard | None] = None
    dealt: ClassVar[str] = "0"

    def __init__(self, engine: AsyncEngine, attempts: Attempts | None = None) -> None:
        self._engine = engine.execution_options(isolation_level=self.isolation)
        self._attempts = attempts or NoAttempts()

    @classmethod
    def build(cls, parts: StrategyDependencies) -> Self:
        return cls(parts.engine, parts.attempts)

    async def take(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> Taken | SoldOut:
        """Takes the tickets, uncommitted. Raises Conflict where the whole transaction should be tried again."""
        raise NotImplementedError

    async def buy(self, purchase: Purchase) -> Outcome:
        """Raises Contention (nothing was taken) or LedgerUnavailable (where the commit's answer was lost: unknown)."""
        return await retried(self.name, lambda: self.attempt(purchase))

    async def prepare(self, sale: Sale) -> None:
        """Nothing follows the ledger: what is sold from is part of it."""

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        statement = text(f"""
            SELECT round, epoch, stock, remaining + ({self.dealt}) AS remaining, 0 AS backlog
            FROM inventory i WHERE sale = :sale AND round = :round
        """)  # noqa: S608  our own text, no input
        with ledger_reachable():
            async with self._engine.connect() as connection:
                row = (await connection.execute(statement, {"sale": sale.name, "round": sale.round})).mappings().first()
        return None if row is None else Snapshot(**row)

    async def is_pending(self, reservation: ReservationId) -> bool:  # noqa: ARG002  the protocol's signature
        """Never: a purchase is answered after its booking is committed."""
        return False

    async def close(self) -> None:
        """Nothing is under way between two purchases."""

    async def look(self, connection: AsyncConnection, purchase: Purchase) -> Seen:
        """Reads the sale and its counter."""
        return await read(connection, purchase.sale, self.locking)

    async def complete(self, connection: AsyncConnection, purchase: Purchase, seen: Seen, taken: Taken) -> Reserved:
        """Books what was taken, and commits. Raises Conflict where the same key was booked meanwhile."""
        reserved = await book(connection, purchase, seen.round, taken.ticket)
        if reserved is None:
            raise Conflict("key")  # rolled back; the next attempt finds the booking, and answers with it
        await connection.commit()
        return reserved

    async def attempt(self, purchase: Purchase) -> Outcome:
        with ledger_reachable(), races_told():
            async with self._engine.connect() as connection:
                return await self.sell(connection, purchase)

    async def sell(self, connection: AsyncConnection, purchase: Purchase) -> Outcome:
        seen = await self.look(connection, purchase)
        outcome = await refusal(connection, purchase, seen, lock_customer=self.locks_customer)
        if outcome is not None:
            return outcome
        await failpoint("after_stock_read")
        taken = await self.take(connection, purchase, seen)
        if isinstance(taken, SoldOut):
            return taken
        reserved = await self.complete(connection, purchase, seen, taken)
        if self.hazard is not None:
            wrote = (taken.remaining, taken.row_version)
            for window in windows(purchase, seen, reserved, strategy=self.name, hazard=self.hazard, wrote=wrote):
                self._attempts.record(window)
        return reserved


async def think(seen: Seen) -> None:
    """The pause between read and write of the strategies that have one: what a real service does there."""
    await asyncio.sleep(seen.think_ms / 1000)


@contextmanager
def races_told() -> Iterator[None]:
    """Where the server gave a transaction up in favour of another, nothing was taken: even a commit that fails so.

    Raises Conflict; or Contention, where it has waited for a lock until its time was up: another try would as well.
    """
    try:
        yield
    except DBAPIError as error:
        sqlstate = getattr(error.orig, "sqlstate", None)
        if sqlstate == LOCK_NOT_AVAILABLE:
            raise Contention("Too many purchases of this sale wait for a lock; nothing was taken.") from error
        if sqlstate in LOST_RACES:
            raise Conflict(sqlstate) from error
        raise
