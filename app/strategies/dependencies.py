"""What a process gives its strategies to sell with, and how it builds one."""

from dataclasses import dataclass, field
from typing import Protocol, Self

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.hints import Hints
from app.gate.gate import Gate
from app.sales.attempt import Attempts, NoAttempts
from app.sales.strategy import Strategy
from app.settings import GateSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyDependencies:
    """What a process has to sell with. A strategy takes what it needs."""

    engine: AsyncEngine
    redis: Redis
    gate: Gate
    hints: Hints
    broker_url: str
    gate_settings: GateSettings
    attempts: Attempts = field(default_factory=NoAttempts)


class RegisteredStrategy(Strategy, Protocol):
    """One that a process can build by itself."""

    @classmethod
    def build(cls, parts: StrategyDependencies) -> Self: ...
