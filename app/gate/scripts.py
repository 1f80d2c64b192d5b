"""The Lua scripts. They are loaded once, and again if a server has lost them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.gate.cluster import on_server_of, servers

Argument = str | int


@cache
def source(name: str) -> str:
    """Return the text of `lua/<name>.lua`."""
    return (files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")


@cache
def digest(name: str) -> str:
    """Return the digest by which EVALSHA calls the script; it is the same on every server."""
    return sha1(source(name).encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """The scripts by name. Each runs on the server that has its keys."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._loading = asyncio.Lock()

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """Run the script `name` on the server that has `keys`, and return its reply."""

        async def call(server: "Redis") -> Any:
            return await server.evalsha(digest(name), len(keys), *keys, *arguments)

        return await self.evaluate(name, keys, call)

    async def evaluate(self, name: str, keys: Sequence[str], call: Callable[["Redis"], Awaitable[Any]]) -> Any:
        """Return the result of `call`, which calls the script `name`.

        If the server has lost the script (restart, failover, SCRIPT FLUSH), load it there and call again.
        """

        async def call_or_load(server: "Redis") -> Any:
            try:
                return await call(server)
            except NoScriptError:
                await self._load(server, name)
                return await call(server)

        return await on_server_of(self._redis, keys[0], call_or_load)

    async def load(self, *names: str) -> None:
        """Load the scripts on every server."""
        for server in await servers(self._redis):
            await self._load(server, *names)

    async def _load(self, server: "Redis", *names: str) -> None:
        """Load the scripts on `server` unless it has them all.

        Only one caller at a time does so: a hundred calls that meet NOSCRIPT must not load the script a hundred times.
        """
        async with self._loading:
            if not all(await server.script_exists(*map(digest, names))):
                for name in names:
                    await server.script_load(source(name))
