"""A gate that calls `reserve` as a function of the stock server. The function is made from the script's text.

Function libraries are persisted and replicated with the data, and scripts are not: the server keeps the function over a
restart, a failover and SCRIPT FLUSH. The function's name contains the text's digest, so two releases can sell side by
side.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.gate.cluster import servers
from app.gate.gate import Gate
from app.gate.scripts import digest, source

NOT_FOUND = "Function not found"


@cache
def function_name(script: str) -> str:
    """Return the name by which FCALL calls the script; it is the same on every server."""
    return f"{script}_{digest(script)}"


def library_name(script: str) -> str:
    return f"atomictickets_{function_name(script)}"


def library(script: str) -> str:
    """Return the library's text for FUNCTION LOAD."""
    return (
        f"#!lua name={library_name(script)}\n"
        f"redis.register_function('{function_name(script)}', function(KEYS, ARGV)\n{source(script)}\nend)\n"
    )


class FunctionGate(Gate):
    """A gate that decides purchases by FCALL and otherwise works as Gate."""

    command: ClassVar[str] = "FCALL"

    async def load_scripts(self) -> None:
        """Load the scripts on each server, and the function on each server that lacks it."""
        await super().load_scripts()
        for server in await self._call(servers(self._redis)):
            if not await self._call(server.function_list(library_name("reserve"))):
                await self._call(server.function_load(library("reserve"), replace=True))

    def _call_name(self, script: str) -> str:
        return function_name(script)

    async def _evaluate(
        self, server: "Redis", name: str, keys: Sequence[str], arguments: Sequence[str | int]
    ) -> tuple[Any, bool]:
        """Call the function. If the server lacks it, load it there and call again."""
        try:
            return await super()._evaluate(server, name, keys, arguments)
        except ResponseError as error:
            if NOT_FOUND not in str(error):
                raise
        await server.function_load(library(name), replace=True)
        return await super()._evaluate(server, name, keys, arguments)
