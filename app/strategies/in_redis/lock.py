"""A lock that is a Redis key with an expiry.

The purchase that sets the key holds the lock until it deletes the key or the key expires. The key may expire while the
holder still works (a pause, a slow statement). The holder does not notice, and a second purchase then holds the lock
too.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis

from app.gate.availability import stock_server_reachable
from app.gate.cluster import on_server_of
from app.gate.replies import GateUnavailable
from app.strategies.contention import Conflict
from app.strategies.in_redis.keys import LIFE_SECONDS, RedisKeys
from app.strategies.in_redis.scripts import Script

LOCK_MS = 2000  # forty times the duration of a purchase with the default pause

log = structlog.get_logger()


class SaleLock:
    """The locks of all sales. Calls raise GateUnavailable if Redis is away."""

    def __init__(self, redis: "Redis", prefix: str, lock_ms: int = LOCK_MS) -> None:
        self._redis = redis
        self._prefix = prefix
        self._lock_ms = lock_ms
        self._unlock = Script(redis, "unlock")

    @asynccontextmanager
    async def held(self, sale: str) -> AsyncIterator[None]:
        """Take the lock, and release it afterwards. Raise Conflict if another purchase holds it."""
        key, value = RedisKeys(self._prefix, sale).lock, secrets.token_hex(8)
        with stock_server_reachable():
            if not await self._redis.set(key, value, nx=True, px=self._lock_ms):
                raise Conflict("locked")
        try:
            yield
        finally:
            await self._release(key, value)

    async def token(self, sale: str) -> int:
        """Return a number higher than all before. Each holder of the lock takes one."""
        key = RedisKeys(self._prefix, sale).lock_token

        async def next_token(server: "Redis") -> int:
            async with server.pipeline(transaction=False) as pipe:
                pipe.incr(key)
                pipe.expire(key, LIFE_SECONDS)
                token, _ = await pipe.execute()
            return int(token)

        with stock_server_reachable():
            return await on_server_of(self._redis, key, next_token)

    async def skip_tokens(self, sale: str, tokens: int) -> None:
        """Skip tokens that were used before Redis lost its data.

        If two callers skip at once, more are skipped than needed, which does no harm: a token only has to be higher.
        """
        with stock_server_reachable():
            await self._redis.incrby(RedisKeys(self._prefix, sale).lock_token, tokens)

    async def _release(self, key: str, value: str) -> None:
        """Delete the lock if it is still the caller's.

        If Redis is away, the lock expires by itself, and the work done under it stays valid.
        """
        try:
            with stock_server_reachable():
                await self._unlock(keys=[key], args=[value])
        except GateUnavailable as error:
            log.warning("a lock was not given back; it ends by itself", key=key, error=error.detail)
