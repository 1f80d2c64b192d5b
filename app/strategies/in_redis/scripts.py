"""The Lua scripts of this folder, by name."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis

from app.gate.cluster import on_server_of


class Script:
    """The script `lua/<name>.lua`, called on the server that has its keys.

    redis-py loads it into a server that lacks it.
    """

    def __init__(self, redis: "Redis", name: str) -> None:
        self._redis = redis
        self._script = redis.register_script((files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8"))

    async def __call__(self, *, keys: Sequence[str], args: Sequence[Any]) -> Any:
        return await on_server_of(self._redis, keys[0], lambda server: self._script(keys, args, client=server))
