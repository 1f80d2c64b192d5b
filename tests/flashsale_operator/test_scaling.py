"""The workers that each sale wants, the size of the pool, and a simulation of a sale with bursts of backlog."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sales.phase import Phase
from flashsale_operator.resource.models import WorkersSpec
from flashsale_operator.scaling import DesiredWorkers, PoolSize, ScaleDownStabilizer, desired_workers, pool_size

NOW = datetime(2026, 12, 1, 18, tzinfo=UTC)
SPEC = WorkersSpec(min=2, max=5, backlog_per_worker=100)


@pytest.mark.parametrize(
    ("phase", "backlog", "opens_in", "expected"),
    [
        (Phase.OPEN, 0, None, (2, 0)),
        (Phase.OPEN, 1, None, (2, 1)),
        (Phase.OPEN, 300, None, (2, 3)),
        (Phase.OPEN, 301, None, (2, 4)),
        (Phase.OPEN, 100_000, None, (2, 5)),
        (Phase.SOLD_OUT, 0, None, (0, 0)),
        (Phase.SOLD_OUT, 1, None, (2, 1)),
        (Phase.DRAINING, 1, None, (2, 1)),
        (Phase.CLOSED, 0, None, (0, 0)),
        (Phase.PAUSED, 0, None, (0, 0)),
        (Phase.PAUSED, 250, None, (0, 3)),
        (Phase.DEGRADED, 0, None, (0, 0)),
        (Phase.SCHEDULED, 0, timedelta(seconds=61), (0, 0)),
        (Phase.SCHEDULED, 0, timedelta(seconds=60), (2, 0)),
    ],
)
def test_desired_workers(phase: Phase, backlog: int, opens_in: timedelta | None, expected: tuple[int, int]) -> None:
    opens_at = None if opens_in is None else NOW + opens_in
    assert desired_workers("drop", phase, backlog, SPEC, opens_at=opens_at, now=NOW) == DesiredWorkers(
        "drop", *expected
    )


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "expected"),
    [
        ([], 1, 10, PoolSize(1, capped=False)),
        ([], 0, 10, PoolSize(0, capped=False)),
        ([(2, 0)] * 100, 1, 10, PoolSize(2, capped=False)),
        ([(2, 3), (0, 4)], 1, 10, PoolSize(7, capped=False)),
        ([(2, 5), (0, 5), (0, 5)], 1, 10, PoolSize(10, capped=True)),
        ([(2, 5), (0, 5)], 1, 10, PoolSize(10, capped=False)),
        ([(0, 0)], 3, 2, PoolSize(2, capped=True)),
    ],
)
def test_pool_size(desired: list[tuple[int, int]], minimum: int, maximum: int, expected: PoolSize) -> None:
    assert (
        pool_size([DesiredWorkers(f"sale-{number}", *one) for number, one in enumerate(desired)], minimum, maximum)
        == expected
    )


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=20), st.integers(0, 9), st.integers(0, 40))
def test_the_pool_never_exceeds_its_maximum_and_says_when_it_would(
    desired: list[tuple[int, int]], minimum: int, maximum: int
) -> None:
    sized = pool_size([DesiredWorkers("sale", *one) for one in desired], minimum, maximum)
    assert sized.size <= maximum
    assert sized.capped or sized.size >= min(maximum, max([minimum, *(max(one) for one in desired)]))


def test_it_scales_up_at_once_and_down_after_the_stabilization_window() -> None:
    stabilizer = ScaleDownStabilizer(stabilization_seconds=60)
    sizes = [
        stabilizer.settle(wanted, now) for now, wanted in ((0, 1), (2, 5), (4, 2), (62, 2), (63, 2), (64, 1), (123, 1))
    ]
    assert sizes == [1, 5, 5, 5, 2, 2, 2]
    assert stabilizer.settle(1, 124) == 1


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9)), min_size=1, max_size=60))
def test_the_size_is_the_largest_of_the_stabilization_window(steps: list[tuple[int, int]]) -> None:
    stabilizer, now, asked = ScaleDownStabilizer(stabilization_seconds=60), 0, []
    for pause, wanted in steps:
        now += pause
        asked.append((now, wanted))
        assert stabilizer.settle(wanted, now) == max(size for at, size in asked if at >= now - 60)


def bursts(seconds: int, every: int, orders: int) -> Iterator[tuple[int, int]]:
    """Yield each second and its new orders, for a sale that gets `orders` once in every `every` seconds."""
    for now in range(seconds):
        yield now, orders if now % every == 0 else 0


def simulate(stabilization_seconds: float, *, every: int = 20, orders: int = 3000) -> list[int]:
    """Return the sizes of the pool over ten minutes, sampled every 2 s.

    A pod drains 100 orders/s, beginning 5 s after it was created.
    """
    stabilizer, backlog = ScaleDownStabilizer(stabilization_seconds), 0
    sizes: list[int] = []
    for now, arrived in bursts(600, every, orders):
        backlog += arrived
        ready = min(sizes[-3:]) if sizes else 1
        backlog = max(0, backlog - 100 * ready)
        if now % 2 == 0:
            asked = desired_workers(
                "drop", Phase.OPEN, backlog, WorkersSpec(min=0, max=5, backlog_per_worker=500), now=NOW
            )
            sizes.append(stabilizer.settle(pool_size([asked], 1, 10).size, now))
    return sizes


def changes(sizes: list[int]) -> int:
    return sum(1 for one, following in pairwise(sizes) if one != following)


def test_a_backlog_that_comes_and_goes_does_not_make_the_pool_flap() -> None:
    sizes = simulate(stabilization_seconds=60)
    assert changes(sizes) <= 2
    assert max(sizes) == 5


def test_without_a_stabilization_window_it_flaps() -> None:
    assert changes(simulate(stabilization_seconds=0)) > 60


def test_after_the_last_burst_the_pool_returns_to_its_minimum() -> None:
    assert simulate(stabilization_seconds=60, every=600)[-1] == 1
