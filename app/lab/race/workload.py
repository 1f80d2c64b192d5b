"""The stock and the crowd of a race, which are the same for all its strategies."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from app.errors import AtomicTicketsError
from app.strategies.dependencies import RegisteredStrategy
from app.strategies.registry import STRATEGIES

CROWD = "crowd"  # the name of the plain race in --scenario; its results are a table of figures, not scenes


class UnknownChoice(AtomicTicketsError):
    """A strategy or a scenario was named that does not exist or cannot be run."""

    status, slug, title = 422, "unknown-choice", "Unknown Choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A crowd, and the terms of the sale that it buys from.

    `stock`: tickets for sale
    `requests`, `concurrency`: purchases of the crowd, and how many are under way at once
    `think_ms`: pause between reading and writing, for strategies that have one
    `customer_limit`: tickets that one customer may have; None for no limit
    `customers`: customers who send the requests in turn; None if each request has a customer of its own
    `retries`: how often a buyer sends a purchase again if its outcome is unknown. After `contention` a buyer sends it
        again until `seconds` is over.
    `seconds`: time after which the crowd gives up
    """

    stock: int = 100
    requests: int = 1000
    concurrency: int = 100
    think_ms: int = 50
    customer_limit: int | None = None
    customers: int | None = None
    retries: int = 3
    seconds: float = 120.0

    def text(self) -> str:
        """Return a sentence that describes the crowd, for the head of a report."""
        return (
            f"{self.requests:,} buyers, {self.concurrency:,} at once, for {self.stock:,} tickets. Strategies that think"
            f" between reading and writing take {self.think_ms} ms for it (--think-ms)."
        )

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
    """A strategy that takes part in a race, with a sale of its own. `token` makes the sale's name unique."""

    strategy: type[RegisteredStrategy]
    token: str = field(default_factory=lambda: secrets.token_hex(6))

    @property
    def name(self) -> str:
        return self.strategy.name

    @property
    def sale(self) -> str:
        return f"race-{self.name}-{self.token}"


def chosen_strategies(names: list[str]) -> list[type[RegisteredStrategy]]:
    """Return the strategies with these names, or all if the list is empty. Raise UnknownChoice."""
    for name in names:
        if name not in STRATEGIES:
            raise UnknownChoice(f"There is no strategy {name!r}. Known: {', '.join(STRATEGIES)}.")
    return [STRATEGIES[name] for name in names or STRATEGIES]
