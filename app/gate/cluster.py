"""A Redis Cluster as one client. Each command goes to the primary that has its key, over that server's own connections.

The library's cluster client is not used: it sends again by itself what may have been carried out, and it can't tell
which server's run a connection leads to.

A redirection (MOVED) is followed once: the server that sends it has done nothing. What was on its way when a server
went away has an unknown outcome, as with one server. While a slot is being moved its sales can't be asked (ASK,
TRYAGAIN: a script needs all of a sale's keys in one place); afterwards another server's run id tells of the move.
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

LOOK_SECONDS = 0.1  # at most so often is a cluster that has lost a server asked how it is made up
LEARN_SECONDS = 2.0

WITHOUT_KEY = ("INFO", "CONFIG", "SCRIPT", "CLUSTER", "PING")


class ClusterRedis(Redis):
    """Speaks to the primaries of the cluster that `seeds` belong to. What has no key is asked of each primary."""

    def __init__(self, seeds: Sequence[Address], connect: Connect) -> None:
        self._connect = connect
        self._seeds = {seed: connect(seed) for seed in seeds}
        self._nodes: dict[Address, Redis] = {}
        self._by_slot: list[Redis | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._stale = True
        self._learned_at = 0.0
        self._learning = asyncio.Lock()
        super().__init__(connection_pool=next(iter(self._seeds.values())).connection_pool)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await self.ask(_key(args), lambda server: server.execute_command(*args, **options))  # type: ignore[no-untyped-call]  # redis-py types it not

    async def ask(self, key: str, call: Callable[["Redis"], Awaitable[Reply]]) -> Reply:
        """What `call` comes to on the server that has `key`."""
        try:
            server = await self.server_of(key)
            try:
                return await call(server)
            except MovedError:
                await self._learn(since=asyncio.get_running_loop().time(), first=server)
                return await call(await self.server_of(key))
        except (RedisConnectionError, RedisTimeoutError, ClusterDownError, OSError):
            self._stale = True  # the next caller asks who has taken over
            raise

    async def server_of(self, key: str) -> "Redis":
        """The primary that has `key`, as far as is known."""
        now = asyncio.get_running_loop().time()
        if self._stale and now - self._learned_at >= LOOK_SECONDS:
            await self._learn(since=now)
        server = self._by_slot[key_slot(key.encode())]
        if server is None:
            self._stale = True
            raise RedisConnectionError("No server of the cluster has the key's slot.")
        return server

    async def primaries(self) -> list["Redis"]:
        """Each server that has a slot."""
        await self._learn(since=asyncio.get_running_loop().time())
        return list(self._nodes.values())

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: ARG002  the library's signature
        for server in {**self._seeds, **self._nodes}.values():
            await server.aclose()

    async def _learn(self, *, since: float, first: "Redis | None" = None) -> None:
        """Asks how the cluster is made up, unless that was learned after `since` while this caller waited."""
        async with asyncio.timeout(LEARN_SECONDS), self._learning:
            if self._learned_at > since:
                return
            known = [*self._nodes.values(), *self._seeds.values()]
            failure: Exception | None = None
            for server in ([first] if first else []) + random.sample(known, len(known)):
                try:
                    slots = await server.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
                except (RedisError, OSError, TimeoutError) as error:
                    failure = error
                else:
                    await self._take(slots, asked=server.connection_pool.connection_kwargs["host"])
                    return
            raise RedisConnectionError("No server of the cluster answers.") from failure

    async def _take(self, slots: list[Any], *, asked: str) -> None:
        """Makes the answer to CLUSTER SLOTS what is known. Servers that have no slot any more are let go.

        A server that doesn't know its own host leaves it out: it is the one that was asked for it.
        """
        nodes: dict[Address, Redis] = {}
        by_slot: list[Redis | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for start, end, (host, port, *_), *_ in slots:
            address = str(host or asked), int(port)
            known = nodes.get(address) or self._nodes.get(address) or self._seeds.get(address)
            nodes[address] = known or self._connect(address)
            by_slot[start : end + 1] = [nodes[address]] * (end + 1 - start)
        gone = [server for address, server in self._nodes.items() if address not in nodes]
        self._nodes, self._by_slot = nodes, by_slot
        self._stale, self._learned_at = False, asyncio.get_running_loop().time()
        for server in gone:
            await server.aclose()


def _key(command: Sequence[Any]) -> str:
    """The key of a command, or the first of several: all keys of a sale are in one slot."""
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


async def ask(redis: "Redis", key: str, call: Callable[["Redis"], Awaitable[Reply]]) -> Reply:
    """What `call` comes to on the server that has `key`. Its commands are carried out there, one after another."""
    return await (redis.ask(key, call) if isinstance(redis, ClusterRedis) else call(redis))


async def server_of(redis: "Redis", key: str) -> "Redis":
    """The server that has `key`, as far as is known."""
    return await redis.server_of(key) if isinstance(redis, ClusterRedis) else redis


async def servers(redis: "Redis") -> list["Redis"]:
    """All that may decide purchases."""
    return await redis.primaries() if isinstance(redis, ClusterRedis) else [redis]
