"""The common part of the strategies that sell in Postgres: one transaction per purchase, with the same steps.

    read the sale -> replay? open? limit? -> take the tickets -> insert the booking -> commit

A strategy defines how tickets are taken. A process that dies before the commit has taken nothing. For a process that
dies after the commit, before it answers the buyer, there is the idempotency key: the same key finds the booking.
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
from app.ledger.purchases import SaleState, book, read, refusal
from app.sales.attempt import AttemptSink, Hazard, NullAttemptSink
from app.sales.model import Purchase, ReservationId, Sale
from app.sales.outcomes import Outcome, Reserved, SoldOut
from app.sales.strategy import AcceptedIn, Snapshot
from app.strategies.contention import Conflict, Contention, retried
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.attempts import attempts_of

Isolation = Literal["AUTOCOMMIT", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
# Serialization failure and deadlock: https://www.postgresql.org/docs/18/mvcc-serialization-failure-handling.html
LOST_RACES = ("40001", "40P01")


@dataclass(slots=True)  # created for every purchase; see app.sales.model.Purchase
class Taken:
    """Tickets taken from the counter, not committed yet.

    `ticket`: the number of the first ticket, from 1.
    `remaining`, `row_version`: the values written to the inventory, if the strategy leaves evidence of them.
    """

    ticket: int
    remaining: int = 0
    row_version: str = ""


class LedgerStrategy:
    """A strategy that sells in one transaction of Postgres. The database's clock judges whether the sale is open.

    `locking`: a clause for the statement that reads sale and counter (alias `i`).
    `locks_customer`: whether a lock per customer keeps the limit, because nothing else makes the purchases of one
    customer wait for each other.
    `hazard`: the race that this strategy permits; if it is set, attempts are recorded.
    `dealt`: SQL for the tickets that left `inventory.remaining` (alias `i`) and are unsold.
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

    def __init__(self, engine: AsyncEngine, attempts: AttemptSink | None = None) -> None:
        self._engine = engine.execution_options(isolation_level=self.isolation)
        self._attempts = attempts or NullAttemptSink()

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        return cls(dependencies.engine, dependencies.attempts)

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        """Take the tickets, uncommitted. Raise Conflict if the whole transaction should be tried again."""
        raise NotImplementedError

    async def buy(self, purchase: Purchase) -> Outcome:
        """Decide one purchase.

        Raise Contention if every try lost a race; nothing was taken. Raise LedgerUnavailable if the ledger is away; if
        the answer to the commit was lost, the outcome is unknown.
        """
        return await retried(self.name, lambda: self.attempt(purchase))

    async def prepare(self, sale: Sale) -> None:
        """Do nothing: the stock that this strategy sells from is in the ledger itself."""

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        statement = text(f"""
            SELECT round, epoch, stock, remaining + ({self.dealt}) AS remaining, 0 AS backlog
            FROM inventory i WHERE sale = :sale AND round = :round
        """)  # noqa: S608  our own SQL, no user input
        with ledger_reachable():
            async with self._engine.connect() as connection:
                row = (await connection.execute(statement, {"sale": sale.name, "round": sale.round})).mappings().first()
        return None if row is None else Snapshot(**row)

    async def is_pending(self, reservation: ReservationId) -> bool:  # noqa: ARG002  the protocol's signature
        """Return False: a purchase is answered after its booking is committed."""
        return False

    async def close(self) -> None:
        """Do nothing: no work outlives a purchase."""

    async def read_sale(self, connection: AsyncConnection, purchase: Purchase) -> SaleState:
        """Read the sale and its counter."""
        return await read(connection, purchase.sale, self.locking)

    async def complete(
        self, connection: AsyncConnection, purchase: Purchase, state: SaleState, taken: Taken
    ) -> Reserved:
        """Book the taken tickets and commit. Raise Conflict if the same key was booked in the meantime."""
        reserved = await book(connection, purchase, state.round, taken.ticket)
        if reserved is None:
            raise Conflict("key")  # rolled back; the next attempt finds the booking, and answers with it
        await connection.commit()
        return reserved

    async def attempt(self, purchase: Purchase) -> Outcome:
        """Make one attempt at the purchase, on a connection of its own. Raise Conflict if it should be repeated."""
        with ledger_reachable(), lost_races_translated():
            async with self._engine.connect() as connection:
                return await self.sell(connection, purchase)

    async def sell(self, connection: AsyncConnection, purchase: Purchase) -> Outcome:
        """Run the steps of one purchase on the connection, and record its attempts if the strategy races."""
        state = await self.read_sale(connection, purchase)
        outcome = await refusal(connection, purchase, state, lock_customer=self.locks_customer)
        if outcome is not None:
            return outcome
        await failpoint("after_stock_read")
        taken = await self.take(connection, purchase, state)
        if isinstance(taken, SoldOut):
            return taken
        reserved = await self.complete(connection, purchase, state, taken)
        if self.hazard is not None:
            wrote = (taken.remaining, taken.row_version)
            for attempt in attempts_of(purchase, state, reserved, strategy=self.name, hazard=self.hazard, wrote=wrote):
                self._attempts.record(attempt)
        return reserved


async def think(state: SaleState) -> None:
    """Pause between read and write, for the sale's `think_ms`. A real service does other work there."""
    await asyncio.sleep(state.think_ms / 1000)


@contextmanager
def lost_races_translated() -> Iterator[None]:
    """Translate the database errors of a lost race.

    Raise Conflict if the server gave the transaction up in favor of another; nothing was taken, even if the commit
    failed so. Raise Contention if the time to wait for a lock was up: another try would wait as long.
    """
    try:
        yield
    except DBAPIError as error:
        sqlstate = getattr(error.orig, "sqlstate", None)
        if sqlstate == LOCK_NOT_AVAILABLE:
            raise Contention(
                "Too many purchases of this sale wait for a lock; nothing was taken. Retry with the same key."
            ) from error
        if sqlstate in LOST_RACES:
            raise Conflict(sqlstate) from error
        raise
