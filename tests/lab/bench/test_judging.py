"""How a threshold is judged: on the unfavourable end of an interval."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from app.lab.bench.interval import MAX_ROUNDS, T_95, interval_of, paired
from app.lab.bench.judging import at_least, at_most, never_above


@pytest.mark.parametrize(
    ("values", "judgement"),
    [
        ((0.95, 0.96, 0.95, 0.97), "PASS"),
        ((0.70, 1.30, 0.80, 1.25), "FAIL"),  # the middle is above the threshold, but the interval's low end is not
        ((0.85, 0.86, 0.85, 0.84), "FAIL"),
        ((0.95, 0.0, 0.95, 0.97), "FAIL"),  # nothing was measured in one round: not a reason to lose all others
        ((0.95,), "NOT MEASURED"),
        ((0.0,), "NOT MEASURED"),
        ((), "NOT MEASURED"),
    ],
)
def test_at_least_looks_at_the_low_end(values: Sequence[float], judgement: str) -> None:
    assert at_least(values, 0.9)[0] == judgement


@pytest.mark.parametrize(
    ("values", "judgement"),
    [((2.0, 2.1, 2.2), "PASS"), ((1.5, 3.9, 2.0), "FAIL"), ((3.1, 3.1, 3.2), "FAIL"), ((2.0,), "NOT MEASURED")],
)
def test_at_most_looks_at_the_high_end(values: Sequence[float], judgement: str) -> None:
    assert at_most(values, 3.0)[0] == judgement


def test_the_worst_time_decides_what_must_hold_each_time() -> None:
    assert never_above([1.0, 10.0], 10.0, "s")[0] == "PASS"
    assert never_above([1.0, 10.1], 10.0, "s")[0] == "FAIL"


def test_the_interval_is_that_of_students_t() -> None:
    """The logarithms are 0, 1, 2: mean 1, standard error 1 / sqrt(3), t 4.303 for two degrees of freedom."""
    found = interval_of([1.0, 2.718281828, 7.389056099])
    assert found is not None
    assert (found.low, found.middle, found.high) == pytest.approx((0.2266, 2.7183, 32.605), rel=1e-3)


def test_the_table_of_t_covers_every_number_of_rounds() -> None:
    assert len(T_95) == MAX_ROUNDS - 1
    assert all(fewer > more for fewer, more in pairwise(T_95))


def test_ratios_are_taken_within_rounds() -> None:
    """A round in which the whole machine was twice as slow changes no ratio."""
    assert paired({1: 90.0, 2: 45.0, 3: 90.0}, {1: 100.0, 2: 50.0, 4: 100.0}) == [0.9, 0.9]
