"""How many purchases of a load are traced. Of a race all of them: half a pair shows nothing."""

from app.strategies.registry import STRATEGIES


def trace_ratio_of(strategy: str, asked: float | None) -> float | None:
    """What was asked for; else 1 where the strategy may oversell, and None, the service's own choice, elsewhere."""
    if asked is not None:
        return asked
    return 1.0 if races(strategy) else None


def races(strategy: str) -> bool:
    """Whether it promises no exactness. One that this release doesn't know is taken at its word."""
    known = STRATEGIES.get(strategy)
    return known is not None and not known.promises_exactness
