"""A number in Redis that keeps most of a crowd away from the lock of a row. The ledger decides, never this number."""

import structlog
from redis.asyncio import Redis

from app.gate.availability import stock_server_reachable
from app.gate.replies import GateUnavailable
from app.strategies.in_redis.keys import RedisKeys
from app.strategies.in_redis.scripts import Script

PREFILTER_MS = 1000  # tickets that a dead process took are hidden for at most this long

log = structlog.get_logger()


class Prefilter:
    """The prefilters of all sales."""

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self._prefix = prefix
        self._script = Script(redis, "admit")
        self._away = False

    async def admits(self, sale: str, round_: int, quantity: int, left: int) -> bool:
        """Return whether the purchase may go on to the ledger, which had `left` tickets a moment ago.

        Return True while Redis is away.
        """
        key = RedisKeys(self._prefix, sale).prefilter(round_)
        try:
            with stock_server_reachable():
                admitted = await self._script(keys=[key], args=[quantity, left, PREFILTER_MS])
        except GateUnavailable as error:
            if not self._away:
                log.warning("the prefilter is away; all purchases go to the ledger", sale=sale, error=error.detail)
            self._away = True
            return True
        self._away = False
        return bool(admitted)
