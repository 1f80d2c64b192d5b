"""Checks of the stock server before a process sells anything: its durability, and the installation that owns it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from app.errors import TemporarilyUnavailable
from app.gate.cluster import servers
from app.gate.keys import instance_key
from app.gate.replies import GateUnavailable


class ForeignStores(TemporarilyUnavailable):
    """Redis and Postgres belong to two installations, each of which would sell the other's tickets."""


@dataclass(frozen=True, slots=True)
class Durability:
    """The durability settings of a server. `appendfsync` is None if a managed service hides it."""

    appendonly: bool
    appendfsync: str | None
    maxmemory_policy: str

    def doubts(self) -> list[str]:
        """Return the ways in which an accepted order may be lost. Empty: orders survive the death of any process."""
        found = []
        if not self.appendonly:
            found.append("appendonly is off: a restart of the stock server loses every order not booked yet")
        elif self.appendfsync is None:
            found.append("appendfsync can't be read here: make sure that it is 'always'")
        elif self.appendfsync != "always":
            found.append(f"appendfsync is {self.appendfsync!r}, not 'always': a crash may lose accepted orders")
        if self.maxmemory_policy != "noeviction":
            found.append(f"maxmemory-policy is {self.maxmemory_policy!r}, not 'noeviction': a full server evicts sales")
        return found


@contextmanager
def _answering() -> Iterator[None]:
    """Raise GateUnavailable in place of an error of Redis or of the connection."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise GateUnavailable(f"The stock server can't be reached: {error}") from error


async def read_durability(redis: "Redis") -> Durability:
    """Read the settings from CONFIG, or from INFO if CONFIG is refused. Raise GateUnavailable if the server is away."""
    with _answering():
        try:
            config = await redis.config_get("appendonly", "appendfsync", "maxmemory-policy")
        except ResponseError:
            info = await redis.info("everything")
            return Durability(bool(info.get("aof_enabled")), None, str(info.get("maxmemory_policy", "unknown")))
    return Durability(config["appendonly"] == "yes", config["appendfsync"], str(config["maxmemory-policy"]))


async def durability_doubts(redis: "Redis") -> list[str]:
    """Return the ways in which an accepted order may be lost on any of the servers.

    Raise GateUnavailable if one of them is away.
    """
    with _answering():
        found = [doubt for server in await servers(redis) for doubt in (await read_durability(server)).doubts()]
    return list(dict.fromkeys(found))  # the servers of a cluster mostly have the same settings


async def claim(redis: "Redis", prefix: str, installation: str) -> None:
    """Mark the keys under `prefix` as those of `installation`.

    Raise ForeignStores if they belong to another installation, or GateUnavailable if the server is away.
    The key is read first, because a full server refuses even a SET that would change nothing.
    """
    key = instance_key(prefix)
    with _answering():
        owner = await redis.get(key) or await redis.set(key, installation, nx=True, get=True)
    if owner not in (None, installation):
        raise ForeignStores(
            f"The stock server's keys under {prefix!r} belong to installation {owner!r}, the ledger to "
            f"{installation!r}. Correct REDIS_URL, DATABASE_URL or GATE_KEY_PREFIX."
        )
