"""The Lua scripts, loaded once, and healed where the server has forgotten them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.gate.cluster import ask, servers

Argument = str | int


@cache
def source(name: str) -> str:
    """The text of `lua/<name>.lua`."""
    return (files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")


@cache
def digest(name: str) -> str:
    """What EVALSHA calls the script; the same on every server."""
    return sha1(source(name).encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """Runs scripts by name, each on the server that has its keys."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._loading = asyncio.Lock()

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        async def evaluate(server: "Redis") -> Any:
            return await server.evalsha(digest(name), len(keys), *keys, *arguments)

        return await self.evaluated(name, keys, evaluate)

    async def evaluated(self, name: str, keys: Sequence[str], evaluate: Callable[["Redis"], Awaitable[Any]]) -> Any:
        """Runs `name`; a server that doesn't know it (restart, failover, SCRIPT FLUSH) is taught it first."""

        async def taught(server: "Redis") -> Any:
            try:
                return await evaluate(server)
            except NoScriptError:
                await self._teach(server, name)
                return await evaluate(server)

        return await ask(self._redis, keys[0], taught)

    async def load(self, *names: str) -> None:
        """Teaches every server."""
        for server in await servers(self._redis):
            await self._teach(server, *names)

    async def _teach(self, server: "Redis", *names: str) -> None:
        """One caller at a time: a crowd that meets NOSCRIPT must not load a hundred times."""
        async with self._loading:
            if not all(await server.script_exists(*map(digest, names))):
                for name in names:
                    await server.script_load(source(name))
