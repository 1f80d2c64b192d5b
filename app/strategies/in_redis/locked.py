"""What the ways to sell under a lock in Redis have in common: one holder at a time reads, thinks, writes and books."""

from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable
from app.ledger.purchases import read, refusal
from app.races.attempt import Attempts
from app.races.barriers import reached
from app.sales.model import Purchase
from app.sales.outcomes import Outcome, SoldOut
from app.strategies.in_redis.lock import SaleLock
from app.strategies.protocol import Parts
from app.strategies.read_then_write import ReadThenWrite


class LockedStrategy(ReadThenWrite):
    """Who doesn't get the lock tries again, with all others; no connection to the ledger is held meanwhile."""

    def __init__(self, engine: AsyncEngine, lock: SaleLock, attempts: Attempts | None = None) -> None:
        super().__init__(engine, attempts)
        self.lock = lock

    @classmethod
    def build(cls, parts: Parts) -> Self:
        return cls(parts.engine, SaleLock(parts.redis, parts.gate_settings.key_prefix), parts.attempts)

    async def attempt(self, purchase: Purchase) -> Outcome:
        outcome = await self._without_lock(purchase)
        if outcome is not None:
            return outcome
        async with self.lock.held(purchase.sale):
            await reached("lock_held")
            return await super().attempt(purchase)

    async def _without_lock(self, purchase: Purchase) -> Outcome | None:
        """Most buyers of a flash sale come too late: what is committed tells them so. None: go on."""
        with ledger_reachable():
            async with self._engine.connect() as connection:
                seen = await read(connection, purchase.sale)
                outcome = await refusal(connection, purchase, seen)
        if outcome is None and purchase.quantity > seen.remaining:
            return SoldOut(seen.remaining)
        return outcome
