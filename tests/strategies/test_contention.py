"""Tries are bounded and counted. A purchase that uses them up gets Contention, not sold out, and does not wait on."""

from collections.abc import Awaitable, Callable

import pytest

from app.strategies.contention import TRIES, Conflict, Contention, retried
from app.strategies.meters import RETRIES
from app.telemetry.metrics import Metrics


def losing(times: int) -> Callable[[], Awaitable[str]]:
    """Return an attempt that loses to others this many times, and then wins."""
    lost = iter(range(times))

    async def attempt() -> str:
        if next(lost, None) is not None:
            raise Conflict("version")
        return "won"

    return attempt


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that collects the upper bounds of the random pauses. No pause is really slept."""
    spans: list[float] = []

    def drawn(least: float, most: float) -> float:
        spans.append(most)
        return least

    monkeypatch.setattr("app.strategies.contention.random.uniform", drawn)
    return spans


def counted(strategy: str) -> float:
    return sum(
        sample.value
        for metric in RETRIES.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["strategy"] == strategy
    )


async def test_an_attempt_that_wins_at_once_does_not_pause(pauses: list[float]) -> None:
    assert await retried("at-once", losing(0)) == "won"
    assert (pauses, counted("at-once")) == ([], 0)


async def test_an_attempt_that_wins_at_last_has_paused_from_spans_that_double(pauses: list[float]) -> None:
    assert await retried("at-last", losing(TRIES - 1)) == "won"
    assert pauses == [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.25]
    assert counted("at-last") == TRIES - 1


async def test_an_attempt_that_never_wins_is_contention(pauses: list[float]) -> None:
    with pytest.raises(Contention) as raised:
        await retried("never", losing(TRIES))
    assert (raised.value.status, raised.value.slug, raised.value.retry_after_seconds) == (503, "contention", 1.0)
    assert (len(pauses), counted("never")) == (TRIES - 1, TRIES)


async def test_what_is_no_conflict_is_not_tried_again() -> None:
    async def attempt() -> str:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await retried("broken", attempt)
    assert counted("broken") == 0


@pytest.mark.usefixtures("pauses")
async def test_an_api_process_exposes_how_often_tries_failed() -> None:
    await retried("exposed", losing(2))
    exposition = Metrics(RETRIES).exposition([], sales_complete=True).decode()
    assert 'atomictickets_purchase_retries_total{reason="version",strategy="exposed"} 2.0' in exposition
