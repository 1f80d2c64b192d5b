"""The gate whose `reserve` is a function that the stock server keeps, made from the script's own text.

Libraries are persisted and replicated with the data, which scripts are not: neither a restart, nor a failover, nor
SCRIPT FLUSH makes the server forget it. Its name has the text's digest, so that two releases sell side by side.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.gate.cluster import servers
from app.gate.gate import Gate
from app.gate.scripts import digest, source

FORGOTTEN = "Function not found"


@cache
def function_name(script: str) -> str:
    """What FCALL calls the script; the same on every server."""
    return f"{script}_{digest(script)}"


def library_name(script: str) -> str:
    return f"atomictickets_{function_name(script)}"


def library(script: str) -> str:
    """What FUNCTION LOAD takes."""
    return (
        f"#!lua name={library_name(script)}\n"
        f"redis.register_function('{function_name(script)}', function(KEYS, ARGV)\n{source(script)}\nend)\n"
    )


class FunctionGate(Gate):
    """Decides by FCALL; all else is the gate's."""

    command: ClassVar[str] = "FCALL"

    async def load_scripts(self) -> None:
        """Teaches each server the scripts, and the function unless it has it."""
        await super().load_scripts()
        for server in await self._guarded(servers(self._redis)):
            if not await self._guarded(server.function_list(library_name("reserve"))):
                await self._guarded(server.function_load(library("reserve"), replace=True))

    def _called(self, script: str) -> str:
        return function_name(script)

    async def _evaluate(self, server: "Redis", name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        try:
            return await super()._evaluate(server, name, keys, arguments)
        except ResponseError as error:
            if FORGOTTEN not in str(error):
                raise
        await server.function_load(library(name), replace=True)
        return await super()._evaluate(server, name, keys, arguments)
