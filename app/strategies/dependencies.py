"""The connections and settings from which a process builds its strategies, and the protocol by which it does."""

from dataclasses import dataclass, field
from typing import Protocol, Self

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.hints import Hints
from app.gate.gate import Gate
from app.sales.attempt import AttemptSink, NullAttemptSink
from app.sales.strategy import Strategy
from app.settings import GateSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyDependencies:
    """Everything that a process has to sell with. A strategy takes what it needs."""

    engine: AsyncEngine
    redis: Redis
    gate: Gate
    hints: Hints
    broker_url: str
    gate_settings: GateSettings
    attempts: AttemptSink = field(default_factory=NullAttemptSink)


class RegisteredStrategy(Strategy, Protocol):
    """A strategy that a process can build from its dependencies alone."""

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self: ...
