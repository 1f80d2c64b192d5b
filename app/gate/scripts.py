"""The Lua scripts, loaded once, and healed where the server has forgotten them."""

import asyncio
from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

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
    """Runs scripts by name on one server."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._loading = asyncio.Lock()

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """Runs `name`; a server that doesn't know it (restart, failover, SCRIPT FLUSH) is taught it first."""
        try:
            return await self._redis.evalsha(digest(name), len(keys), *keys, *arguments)
        except NoScriptError:
            await self.load(name)
            return await self._redis.evalsha(digest(name), len(keys), *keys, *arguments)

    async def load(self, *names: str) -> None:
        """Teaches the server, one caller at a time: a crowd that meets NOSCRIPT must not load a hundred times."""
        async with self._loading:
            if not all(await self._redis.script_exists(*map(digest, names))):
                for name in names:
                    await self._redis.script_load(source(name))
