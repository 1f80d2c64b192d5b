"""Create a new sale for each measurement, and read its counters and sizes directly from the stock server."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from app.client import SaleClient
from app.gate.keys import SaleKeys
from app.lab.bench.rig import API_1, Rig
from app.settings import GateSettings

CUSTOMER_LIMIT = 4
PLENTY = 10_000_000  # more tickets than any round can sell


@dataclass(frozen=True, slots=True)
class Counters:
    """Numbers of orders with one ticket each, read at the same moment: accepted so far, and of those not booked yet."""

    accepted: int
    backlog: int


class Stage:
    """The sales of one run.

    `redis`: a connection to the stock server, to read values that the API does not return and to drop old orders
    """

    def __init__(self, rig: Rig, redis: Redis) -> None:
        self.client = SaleClient(rig.group(API_1).url)
        self._redis = redis
        self._prefix = GateSettings().key_prefix

    async def create(self, arm: str, stock: int) -> str:
        """Create a sale, which is open when this returns, and return its name."""
        name = f"{arm}-{secrets.token_hex(4)}"
        terms: Mapping[str, Any] = {
            "name": name,
            "strategy": "atomic",
            "stock": stock,
            "customer_limit": CUSTOMER_LIMIT,
        }
        await self.client.create(terms)
        return name

    @asynccontextmanager
    async def sale(self, arm: str, stock: int = PLENTY) -> AsyncIterator[str]:
        """Create a sale, and drop its orders afterwards, so that they do not burden later arms.

        The hash of the sale stays. If it were missing, the API processes that sold from it would assume a loss and
        write receipts.
        """
        name = await self.create(arm, stock)
        try:
            yield name
        finally:
            keys = self._keys(name)
            await self._redis.unlink(keys.orders, keys.answers(1), keys.customers(1))

    async def counters(self, sale: str) -> Counters:
        accepted, backlog = await self._redis.hmget(self._keys(sale).sale, ["accepted", "backlog"])
        return Counters(int(accepted or 0), int(backlog or 0))

    async def bytes_by_key(self, sale: str) -> dict[str, int]:
        """Return the memory of each key that the gate has for a sale, counted over all elements and not sampled."""
        keys = self._keys(sale)
        gate_keys = {
            "orders": keys.orders,
            "answers": keys.answers(1),
            "customers": keys.customers(1),
            "sale": keys.sale,
        }
        return {kind: int(await self._redis.memory_usage(key, samples=0) or 0) for kind, key in gate_keys.items()}

    async def log_bytes(self) -> tuple[int, int]:
        """Return the size of the append-only file, and the number of its rewrites, each of which changes the size."""
        info = await self._redis.info("persistence")
        return int(info["aof_current_size"]), int(info["aof_rewrites"])

    async def set_appendfsync(self, mode: str) -> None:
        await self._redis.config_set("appendfsync", mode)

    async def server_version(self) -> str:
        info = await self._redis.info("server")
        return str(info.get("valkey_version") or info["redis_version"])

    def _keys(self, sale: str) -> SaleKeys:
        return SaleKeys(self._prefix, sale)
