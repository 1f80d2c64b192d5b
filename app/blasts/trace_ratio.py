"""Decide which share of a load's purchases is traced.

If the strategy races, all purchases are traced, because a collision is shown by the traces of two purchases.
"""

from app.strategies.registry import STRATEGIES


def trace_ratio_of(strategy: str, requested: float | None) -> float | None:
    """Return the ratio that was requested or, if there is none, 1 for a strategy that races.

    For all others return None, so that the service decides.
    """
    if requested is not None:
        return requested
    return 1.0 if races(strategy) else None


def races(strategy: str) -> bool:
    """Return whether the strategy races, which means that it does not promise exactness. Unknown ones do not race."""
    known = STRATEGIES.get(strategy)
    return known is not None and not known.promises_exactness
