"""A new sale for each measurement, and what is read of it besides its API: counters, sizes, the log's growth."""

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
    """Orders, of one ticket each: accepted so far, and of these not yet in the ledger. One read, one moment."""

    accepted: int
    backlog: int

    @property
    def persisted(self) -> int:
        return self.accepted - self.backlog


class Stage:
    """Sales of one run. `redis` reads what no API tells, and drops what a measurement left."""

    def __init__(self, rig: Rig, redis: "Redis") -> None:
        self.client = SaleClient(rig.group(API_1).url)
        self._redis = redis
        self._prefix = GateSettings().key_prefix

    async def create(self, arm: str, stock: int) -> str:
        """The name of a new sale that is open when this returns."""
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
        """Afterwards its orders are dropped, so that no later arm drains or carries them. The sale's hash stays: an API
        process that told buyers of it would take its absence for a loss, and work to keep receipts."""
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
        """Memory of everything the gate keeps of a sale; counted, not sampled."""
        keys = self._keys(sale)
        parts = {"orders": keys.orders, "answers": keys.answers(1), "customers": keys.customers(1), "sale": keys.sale}
        return {part: int(await self._redis.memory_usage(key, samples=0) or 0) for part, key in parts.items()}

    async def log_bytes(self) -> tuple[int, int]:
        """The size of the append-only file, and how often it was rewritten: growth counts only between rewrites."""
        info = await self._redis.info("persistence")
        return int(info["aof_current_size"]), int(info["aof_rewrites"])

    async def set_appendfsync(self, mode: str) -> None:
        await self._redis.config_set("appendfsync", mode)

    async def server_version(self) -> str:
        info = await self._redis.info("server")
        return str(info.get("valkey_version") or info["redis_version"])

    def _keys(self, sale: str) -> SaleKeys:
        return SaleKeys(self._prefix, sale)
