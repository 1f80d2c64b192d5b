"""A lock that is a key with an end: whoever sets it holds it, until he deletes it or its time is up.

Its time may be up while its holder still works (a pause, a slow statement). He isn't told; a second one holds it then.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis

from app.gate.availability import stock_server_reachable
from app.gate.cluster import ask
from app.gate.replies import GateUnavailable
from app.strategies.contention import Conflict
from app.strategies.in_redis.keys import LIFE_SECONDS, RedisKeys
from app.strategies.in_redis.scripts import Script

LOCK_MS = 2000  # forty times what a purchase with the default pause takes

log = structlog.get_logger()


class SaleLock:
    """The locks of all sales. Raises GateUnavailable where Redis is away."""

    def __init__(self, redis: "Redis", prefix: str, lock_ms: int = LOCK_MS) -> None:
        self._redis = redis
        self._prefix = prefix
        self._lock_ms = lock_ms
        self._unlock = Script(redis, "unlock")

    @asynccontextmanager
    async def held(self, sale: str) -> AsyncIterator[None]:
        """Takes the lock, and gives it back. Raises Conflict where another holds it."""
        key, word = RedisKeys(self._prefix, sale).lock, secrets.token_hex(8)
        with stock_server_reachable():
            if not await self._redis.set(key, word, nx=True, px=self._lock_ms):
                raise Conflict("locked")
        try:
            yield
        finally:
            await self._release(key, word)

    async def token(self, sale: str) -> int:
        """A number that is higher than any before; whoever holds the lock takes one."""
        key = RedisKeys(self._prefix, sale).lock_token

        async def next_token(server: "Redis") -> int:
            async with server.pipeline(transaction=False) as pipe:
                pipe.incr(key)
                pipe.expire(key, LIFE_SECONDS)
                token, _ = await pipe.execute()
            return int(token)

        with stock_server_reachable():
            return await ask(self._redis, key, next_token)

    async def skip_tokens(self, sale: str, tokens: int) -> None:
        """For a Redis that has forgotten which were used. Two callers skip twice: higher is all that counts."""
        with stock_server_reachable():
            await self._redis.incrby(RedisKeys(self._prefix, sale).lock_token, tokens)

    async def _release(self, key: str, word: str) -> None:
        """A lock that can't be given back ends by itself; what was done under it stands."""
        try:
            with stock_server_reachable():
                await self._unlock(keys=[key], args=[word])
        except GateUnavailable as error:
            log.warning("a lock was not given back; it ends by itself", key=key, error=error.detail)
