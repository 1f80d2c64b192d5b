"""The 95 % interval of a figure that was measured once in each round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean, stdev

MAX_ROUNDS = 30
# Student's t, two-sided 95 %, for 1, 2, ... 29 degrees of freedom.
T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval. The middle is the geometric mean, because the values are ratios."""

    low: float
    middle: float
    high: float


def interval_of(values: Sequence[float]) -> Interval | None:
    """Return the interval of these values, at most MAX_ROUNDS of them.

    Return None if there are fewer than two, or one of them is not above 0 and so has no logarithm.
    """
    if len(values) < 2 or min(values) <= 0:
        return None
    logs = [log(value) for value in values]
    middle = fmean(logs)
    reach = T_95[len(logs) - 2] * stdev(logs) / sqrt(len(logs))
    return Interval(exp(middle - reach), exp(middle), exp(middle + reach))


def paired(above: Mapping[int, float], below: Mapping[int, float]) -> list[float]:
    """Return the ratios of the rounds that both arms have, so that a slowdown of a whole round cancels out."""
    return [above[round_] / below[round_] for round_ in sorted(above.keys() & below.keys()) if below[round_]]
