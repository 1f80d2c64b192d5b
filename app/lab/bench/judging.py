"""Judge thresholds by the unfavourable end of an interval, never by its middle."""

from collections.abc import Sequence
from typing import Literal

from app.lab.bench.interval import Interval, interval_of

Judgement = Literal["PASS", "FAIL", "NOT MEASURED"]
Finding = tuple[Judgement, str]


def at_least(values: Sequence[float], least: float) -> Finding:
    """Return PASS only if the whole interval is at or above `least`, and a text with the figures."""
    if len(values) > 1 and min(values) <= 0:  # such as a share of nothing: it has no logarithm
        return "FAIL", f"{min(values):.3f} in the worst of {len(values)} rounds"
    found = interval_of(values)
    return too_few(values) if found is None else (passed(found.low >= least), described(found, values))


def at_most(values: Sequence[float], most: float) -> Finding:
    """Return PASS only if the whole interval is at or below `most`, and a text with the figures."""
    found = interval_of(values)
    return too_few(values) if found is None else (passed(found.high <= most), described(found, values))


def never_above(values: Sequence[float], most: float, unit: str) -> Finding:
    """Return PASS only if the highest value is at or below `most`. For values that must hold every time."""
    if not values:
        return too_few(values)
    return passed(max(values) <= most), f"{max(values):.1f} {unit} at most, measured {len(values)} times"


def passed(holds: bool) -> Judgement:
    return "PASS" if holds else "FAIL"


def described(found: Interval, values: Sequence[float]) -> str:
    return f"{found.middle:.3f}, 95 % {found.low:.3f} to {found.high:.3f}, {len(values)} rounds"


def too_few(values: Sequence[float]) -> Finding:
    return "NOT MEASURED", f"{len(values)} rounds counted"
