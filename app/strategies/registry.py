"""The ways to sell that this release knows. Another one is a module and a line here."""

from collections.abc import Mapping

from app.strategies.atomic import AtomicStrategy
from app.strategies.naive import NaiveStrategy
from app.strategies.protocol import Parts, RegisteredStrategy, Strategy

STRATEGIES: Mapping[str, type[RegisteredStrategy]] = {
    strategy.name: strategy
    for strategy in (
        NaiveStrategy,
        AtomicStrategy,
    )
}
"""By name, for who asks what a strategy promises and sells nothing."""


def build_strategies(parts: Parts) -> Mapping[str, Strategy]:
    """One instance of each, by name, for one process."""
    return {name: strategy.build(parts) for name, strategy in STRATEGIES.items()}


def strategy_names() -> tuple[str, ...]:
    return tuple(STRATEGIES)
