"""What a process checks of the stock server before it sells anything: that it keeps its word, and whose it is."""

from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from app.errors import TemporarilyUnavailable
from app.gate.cluster import servers
from app.gate.keys import instance_key
from app.gate.replies import GateUnavailable

log = structlog.get_logger()


class ForeignStores(TemporarilyUnavailable):
    """Redis and Postgres belong to two installations: each would sell the other's tickets."""


@dataclass(frozen=True, slots=True)
class Durability:
    """What the server's configuration promises. None: a managed service doesn't tell."""

    appendonly: bool
    appendfsync: str | None
    maxmemory_policy: str

    def doubts(self) -> list[str]:
        """What an accepted order may not survive; empty where it survives the death of any process."""
        found = []
        if not self.appendonly:
            found.append("appendonly is off: a restart of the stock server forgets every order not yet booked")
        elif self.appendfsync is None:
            found.append("appendfsync can't be read here: make sure that it is 'always'")
        elif self.appendfsync != "always":
            found.append(f"appendfsync is {self.appendfsync!r}, not 'always': a crash may forget accepted orders")
        if self.maxmemory_policy != "noeviction":
            found.append(f"maxmemory-policy is {self.maxmemory_policy!r}, not 'noeviction': a full server drops sales")
        return found


async def read_durability(redis: "Redis") -> Durability:
    """Reads the configuration, or what INFO tells where CONFIG is refused. Raises GateUnavailable."""
    try:
        try:
            config = await redis.config_get("appendonly", "appendfsync", "maxmemory-policy")
        except ResponseError:
            info = await redis.info("everything")
            return Durability(bool(info.get("aof_enabled")), None, str(info.get("maxmemory_policy", "unknown")))
    except (RedisError, OSError, TimeoutError) as error:
        raise GateUnavailable(f"The stock server can't be reached: {error}") from error
    return Durability(config["appendonly"] == "yes", config["appendfsync"], str(config["maxmemory-policy"]))


async def durability_doubts(redis: "Redis") -> list[str]:
    """What an accepted order may not survive on any of the servers. Raises GateUnavailable."""
    try:
        found = [doubt for server in await servers(redis) for doubt in (await read_durability(server)).doubts()]
    except (RedisError, OSError, TimeoutError) as error:
        raise GateUnavailable(f"The stock server can't be reached: {error}") from error
    return list(dict.fromkeys(found))  # servers of a cluster are mostly alike


async def claim(redis: "Redis", prefix: str, installation: str) -> None:
    """Marks the keys under `prefix` as those of `installation`. Raises ForeignStores where they are another's.

    It reads first: a server that is full refuses even a SET that would change nothing.
    """
    try:
        owner = await redis.get(instance_key(prefix)) or await redis.set(
            instance_key(prefix), installation, nx=True, get=True
        )
    except (RedisError, OSError, TimeoutError) as error:
        raise GateUnavailable(f"The stock server can't be reached: {error}") from error
    if owner not in (None, installation):
        raise ForeignStores(
            f"The stock server's keys under {prefix!r} belong to installation {owner!r}, the ledger to "
            f"{installation!r}. Correct REDIS_URL, DATABASE_URL or GATE_KEY_PREFIX."
        )
