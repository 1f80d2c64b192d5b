"""`function`: As `atomic`, but the code that decides is a Redis Function instead of a script.

How it works: The text of `reserve.lua` is registered as a library (FUNCTION LOAD) and called by FCALL. The keys, the
stream, the drain and the reconciliation are those of `atomic`.
Guarantees: Those of `atomic`. In addition the server keeps the code with the data, so no buyer meets NOSCRIPT after a
restart, a failover to a replica or SCRIPT FLUSH.
What breaks it: Whatever breaks `atomic`. In addition, a server whose memory is full refuses even to repeat the answer
to a key that has won (503), because the header of a library turns on a check that plain scripts do not have.
Who uses it: Teams that release server code under an owner, since a library stays on the server until it is deleted.
Source: https://redis.io/docs/latest/develop/programmability/functions-intro/
"""

from dataclasses import replace
from typing import ClassVar, Self

from app.gate.functions import FunctionGate
from app.sales.model import Sale
from app.strategies.atomic import AtomicStrategy
from app.strategies.dependencies import StrategyDependencies


class FunctionStrategy(AtomicStrategy):
    """The `atomic` strategy, called by FCALL."""

    name: ClassVar[str] = "function"

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        gate = FunctionGate.of(dependencies.redis, dependencies.gate_settings)
        return cls(replace(dependencies, gate=gate))

    async def prepare(self, sale: Sale) -> None:
        """Load the library before the first purchase arrives, then prepare as `atomic` does."""
        await self._gate.load_scripts()
        await super().prepare(sale)
