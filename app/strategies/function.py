"""`function`: as `atomic`, but the code that decides is a Redis Function and not a script.

How it works: the text of `reserve.lua` is registered as a library (FUNCTION LOAD) and called by FCALL. Everything else
is `atomic`'s: the keys, the stream, the drain, the reconciliation.
Guarantees: those of `atomic`. Beyond them the server keeps the code with the data: no buyer meets NOSCRIPT after a
restart, a failover to a replica or SCRIPT FLUSH.
What breaks it: what breaks `atomic`. And a server whose memory is full refuses even the answer to a key that has won
(503), since a library's header turns on a check that plain scripts don't have.
Who uses it: who releases server code with an owner for it, since a library stays until somebody deletes it.
Source: https://redis.io/docs/latest/develop/programmability/functions-intro/
"""

from dataclasses import replace
from typing import ClassVar, Self

from app.gate.functions import FunctionGate
from app.sales.model import Sale
from app.strategies.atomic import AtomicStrategy
from app.strategies.dependencies import StrategyDependencies


class FunctionStrategy(AtomicStrategy):
    """The default of the platform, by another call."""

    name: ClassVar[str] = "function"

    @classmethod
    def build(cls, parts: StrategyDependencies) -> Self:
        return cls(replace(parts, gate=FunctionGate(parts.redis, parts.gate_settings.key_prefix)))

    async def prepare(self, sale: Sale) -> None:
        """Loads the library before the first buyer comes."""
        await self._gate.load_scripts()
        await super().prepare(sale)
