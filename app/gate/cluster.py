"""A client of a Redis Cluster. Each command goes to the primary that has its key, over that server's own connections.

redis-py's cluster client (8.1) is not used. It takes no class of connections, so that calls could not be cancelled
safely, and no run id would be read at the handshake. If all its connections to a server are busy, a call fails instead
of waiting. CLUSTERDOWN from one server closes the connections to all, also to those that sell.

A redirection (MOVED) is followed once, since the server that sends it has done nothing. A command that was under way
when a server went away has an unknown outcome, as with a single server. While a slot is being moved, commands on its
sales fail (ASK, TRYAGAIN), because a script needs all keys of a sale on one server. Afterwards the run id of the new
server shows that the sale has moved.

After a failure only the sales of the server that failed wait until the layout has been read again. When all sales did,
one silent primary of six slowed those on the others by 35 % (measured).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import ClusterDownError, MovedError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

Address = tuple[str, int]
Connect = Callable[[Address], "Redis"]
Reply = TypeVar("Reply")

REFRESH_INTERVAL_SECONDS = 0.1  # the shortest time between two reads of the layout because of servers that failed
REFRESH_TIMEOUT_SECONDS = 2.0  # of one read of the layout, including the wait for another caller's

WITHOUT_KEY = ("INFO", "CONFIG", "SCRIPT", "CLUSTER", "PING")


class ClusterRedis(Redis):
    """A client of the primaries of the cluster to which `seeds` belong.

    Commands without a key are not accepted: the caller sends them to each of the `primaries`.
    """

    def __init__(self, seeds: Sequence[Address], connect: Connect) -> None:
        self._connect = connect
        self._seeds = {seed: connect(seed) for seed in seeds}
        self._nodes: dict[Address, Redis] = {}
        self._by_slot: list[Redis | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._failed_at: dict[Redis, float] = {}  # of each server whose last call failed: when it did
        self._refreshed_at = 0.0
        self._refresh_lock = asyncio.Lock()
        super().__init__(connection_pool=next(iter(self._seeds.values())).connection_pool)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await self.on_server_of(_key(args), lambda server: server.execute_command(*args, **options))  # type: ignore[no-untyped-call]  # redis-py does not type it

    async def on_server_of(self, key: str, call: Callable[["Redis"], Awaitable[Reply]]) -> Reply:
        """Return the result of `call` on the server that has `key`, following one redirection."""
        server = await self.server_of(key)
        try:
            return await self._ask(server, call)
        except MovedError:
            await self._refresh_layout(since=asyncio.get_running_loop().time(), first=server)
            return await self._ask(await self.server_of(key), call)

    async def server_of(self, key: str) -> "Redis":
        """Return the primary that has `key` in the last known layout. Raise ConnectionError if there is none.

        The layout is read again first if that server has failed since it was read.
        """
        slot, now = key_slot(key.encode()), asyncio.get_running_loop().time()
        if self._in_doubt(self._by_slot[slot]) and now - self._refreshed_at >= REFRESH_INTERVAL_SECONDS:
            await self._refresh_layout(since=now)
        server = self._by_slot[slot]
        if server is None:
            raise RedisConnectionError("No server of the cluster has the key's slot.")
        return server

    async def primaries(self) -> list["Redis"]:
        """Return each server that has a slot."""
        await self._refresh_layout(since=asyncio.get_running_loop().time())
        return list(self._nodes.values())

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: ARG002  the library's signature
        for server in {**self._seeds, **self._nodes}.values():
            await server.aclose()

    async def _ask(self, server: "Redis", call: Callable[["Redis"], Awaitable[Reply]]) -> Reply:
        """Return the result of `call` on `server`, and remember whether the server failed."""
        try:
            reply = await call(server)
        except (RedisConnectionError, RedisTimeoutError, ClusterDownError, OSError):
            self._failed_at[server] = asyncio.get_running_loop().time()
            raise
        self._failed_at.pop(server, None)
        return reply

    def _in_doubt(self, server: "Redis | None") -> bool:
        """Return whether the layout may be wrong about the slots of `server`, or about a slot without a server."""
        return server is None or self._failed_at.get(server, float("-inf")) >= self._refreshed_at

    def _by_health(self) -> list["Redis"]:
        """Return the servers to ask for the layout, those whose last call failed last; the others in any order."""
        known = list({**self._seeds, **self._nodes}.values())
        return sorted(random.sample(known, len(known)), key=self._failed_at.__contains__)

    async def _refresh_layout(self, *, since: float, first: "Redis | None" = None) -> None:
        """Read the layout of the cluster, unless another caller has read it after `since`.

        `since` is a time of the event loop's clock. `first` is the server to ask first. Raise ConnectionError if no
        server answers.
        """
        async with asyncio.timeout(REFRESH_TIMEOUT_SECONDS), self._refresh_lock:
            if self._refreshed_at > since:
                return
            failure: Exception | None = None
            for server in ([first] if first else []) + self._by_health():
                try:
                    slots = await self._ask(server, lambda server: server.execute_command("CLUSTER SLOTS"))  # type: ignore[no-untyped-call]  # untyped in redis-py
                except (RedisError, OSError, TimeoutError) as error:
                    failure = error
                else:
                    await self._apply_layout(slots, asked_host=server.connection_pool.connection_kwargs["host"])
                    return
            raise RedisConnectionError("No server of the cluster answers.") from failure

    async def _apply_layout(self, slots: list[Any], *, asked_host: str) -> None:
        """Replace the known layout by an answer to CLUSTER SLOTS, and close the clients of servers without a slot.

        A server that does not know its own host leaves it out of its answer; `asked_host` is that host.
        """
        nodes: dict[Address, Redis] = {}
        by_slot: list[Redis | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for start, end, (host, port, *_), *_ in slots:
            address = str(host or asked_host), int(port)
            old = nodes.get(address) or self._nodes.get(address) or self._seeds.get(address)
            nodes[address] = old or self._connect(address)
            by_slot[start : end + 1] = [nodes[address]] * (end + 1 - start)
        removed = [server for address, server in self._nodes.items() if address not in nodes]
        self._nodes, self._by_slot = nodes, by_slot
        self._refreshed_at = asyncio.get_running_loop().time()
        known = [*nodes.values(), *self._seeds.values()]
        self._failed_at = {server: at for server, at in self._failed_at.items() if server in known}
        for server in removed:
            await server.aclose()


def _key(command: Sequence[Any]) -> str:
    """Return the key of a command, or the first of its keys, since all keys of a sale are in one slot.

    Raise TypeError if the command has no key.
    """
    name = str(command[0])
    if name.startswith(WITHOUT_KEY):
        raise TypeError(f"{name} has no key; ask each of the primaries")
    match name:
        case "EVALSHA":
            return str(command[3])
        case "XREADGROUP":
            return str(command[command.index(b"STREAMS") + 1])
        case _:
            return str(command[1])


async def on_server_of(redis: "Redis", key: str, call: Callable[["Redis"], Awaitable[Reply]]) -> Reply:
    """Return the result of `call`, which runs all of its commands on the server that has `key`."""
    return await (redis.on_server_of(key, call) if isinstance(redis, ClusterRedis) else call(redis))


async def server_of(redis: "Redis", key: str) -> "Redis":
    """Return the server that has `key` in the last known layout."""
    return await redis.server_of(key) if isinstance(redis, ClusterRedis) else redis


async def servers(redis: "Redis") -> list["Redis"]:
    """Return all servers that may decide purchases."""
    return await redis.primaries() if isinstance(redis, ClusterRedis) else [redis]
