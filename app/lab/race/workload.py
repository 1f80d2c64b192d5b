"""What all strategies of one race have before them: the same stock, and the same crowd."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from app.errors import AtomicTicketsError
from app.strategies.dependencies import RegisteredStrategy
from app.strategies.registry import STRATEGIES

CROWD = "crowd"  # the plain race beside the scenarios; its figures are a table of their own


class UnknownChoice(AtomicTicketsError):
    status, slug, title = 422, "unknown-choice", "Unknown Choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """`customers`: how many take turns; None: every request is a customer of its own.

    `retries`: how often a buyer asks again whose answer is unknown. All insist where a sale is contended.
    """

    stock: int = 100
    requests: int = 1000
    concurrency: int = 100
    think_ms: int = 50
    customer_limit: int | None = None
    customers: int | None = None
    retries: int = 3
    seconds: float = 120.0

    def as_json(self) -> dict[str, Any]:
        return {
            "stock": self.stock,
            "requests": self.requests,
            "concurrency": self.concurrency,
            "think_ms": self.think_ms,
            "customer_limit": self.customer_limit,
        }


@dataclass(frozen=True, slots=True)
class Contestant:
    """One strategy, with a sale of its own."""

    strategy: type[RegisteredStrategy]
    token: str = field(default_factory=lambda: secrets.token_hex(6))

    @property
    def name(self) -> str:
        return self.strategy.name

    @property
    def sale(self) -> str:
        return f"race-{self.name}-{self.token}"


def chosen(names: list[str]) -> list[type[RegisteredStrategy]]:
    """All where nothing is named. Raises UnknownChoice."""
    for name in names:
        if name not in STRATEGIES:
            raise UnknownChoice(f"There is no strategy {name!r}. Known: {', '.join(STRATEGIES)}.")
    return [STRATEGIES[name] for name in names or STRATEGIES]
