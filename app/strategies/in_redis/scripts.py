"""The Lua scripts of this folder, by name. redis-py teaches them to a server that doesn't know them."""

from importlib.resources import files

from redis.asyncio import Redis
from redis.commands.core import AsyncScript


def script(redis: "Redis", name: str) -> AsyncScript:
    """The text of `lua/<name>.lua`, ready to be called."""
    return redis.register_script((files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8"))
