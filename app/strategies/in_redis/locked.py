"""The common part of the strategies under a lock in Redis: one holder at a time reads, pauses, writes and books."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.failpoints import failpoint
from app.ledger.purchases import read, refusal
from app.sales.attempt import AttemptSink
from app.sales.model import Purchase
from app.sales.outcomes import Outcome, SoldOut
from app.strategies.contention import Contention
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.read_then_write import ReadThenWrite
from app.strategies.in_redis.lock import SaleLock

# Purchases of one process and sale that ask for the lock at once. If hundreds asked, the holder would have no time to
# sell.
TURNS = 2
WAIT_SECONDS = 2.0


class LockedStrategy(ReadThenWrite):
    """A strategy whose purchases of one sale run under a lock in Redis.

    A purchase takes its connection to the ledger before it takes the lock, so no holder waits for a connection.
    """

    def __init__(self, engine: AsyncEngine, lock: SaleLock, attempts: AttemptSink | None = None) -> None:
        super().__init__(engine, attempts)
        self.lock = lock
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        return cls(
            dependencies.engine,
            SaleLock(dependencies.redis, dependencies.gate_settings.key_prefix),
            dependencies.attempts,
        )

    async def buy(self, purchase: Purchase) -> Outcome:
        async with self._turn(purchase.sale):
            return await super().buy(purchase)

    async def sell(self, connection: AsyncConnection, purchase: Purchase) -> Outcome:
        outcome = await self._without_lock(connection, purchase)
        if outcome is not None:
            return outcome
        async with self.lock.held(purchase.sale):
            await failpoint("lock_held")
            return await super().sell(connection, purchase)

    @asynccontextmanager
    async def _turn(self, sale: str) -> AsyncIterator[None]:
        """Wait for a turn of this process, first come first served. Raise Contention after WAIT_SECONDS."""
        turns = self._turns.setdefault(sale, asyncio.Semaphore(TURNS))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turns.acquire()
        except TimeoutError:
            raise Contention(
                "Too many purchases wait for the sale's lock; nothing was taken. Retry with the same key."
            ) from None
        try:
            yield
        finally:
            turns.release()

    async def _without_lock(self, connection: AsyncConnection, purchase: Purchase) -> Outcome | None:
        """Return the outcome if it needs no lock, or None if the purchase should go on to the lock.

        Most buyers of a flash sale come too late, which the committed data already shows.
        """
        state = await read(connection, purchase.sale)
        outcome = await refusal(connection, purchase, state)
        if outcome is None and purchase.quantity > state.remaining:
            return SoldOut(state.remaining)
        return outcome
