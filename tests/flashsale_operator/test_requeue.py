"""The time until a sale is reconciled again, and when the process counts as stuck and must be restarted."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from app.settings import InvalidSettings
from flashsale_operator.leader_election import LeaderElection
from flashsale_operator.loop import STUCK_WATCH_SECONDS, FlashSaleLoop
from flashsale_operator.metrics import OperatorMetrics
from flashsale_operator.requeue import JITTER, backoff, requeue_after
from flashsale_operator.settings import OperatorSettings
from flashsale_operator.stores import Stores
from tests.flashsale_operator.stand_in_kube import StandInKube

NOW = datetime(2026, 12, 1, 18, tzinfo=UTC)


def test_the_next_reconciliation_is_when_the_sale_opens_or_closes_if_that_is_sooner() -> None:
    assert requeue_after(10, (None, None), NOW) == 10
    assert requeue_after(10, (NOW - timedelta(seconds=1), NOW), NOW) == 10
    assert requeue_after(10, (NOW + timedelta(seconds=60), None), NOW) == 10
    assert 3 < requeue_after(10, (NOW + timedelta(seconds=3), NOW + timedelta(seconds=5)), NOW) < 3.1


def test_retries_become_rarer_up_to_the_interval_and_are_jittered() -> None:
    assert all(0.5 * (1 - JITTER) <= backoff(1, 10) <= 0.5 * (1 + JITTER) for _ in range(50))
    assert all(10 * (1 - JITTER) <= backoff(1000, 10) <= 10 * (1 + JITTER) for _ in range(50))
    assert len({backoff(3, 10) for _ in range(50)}) > 40


@pytest.mark.parametrize(("retry_period", "renew_deadline", "lease"), [(5, 5, 15), (5, 15, 15), (5, 20, 15)])
def test_a_holder_stops_before_another_may_start(retry_period: float, renew_deadline: float, lease: float) -> None:
    with pytest.raises(InvalidSettings, match="must hold"):
        OperatorSettings(retry_period_seconds=retry_period, renew_deadline_seconds=renew_deadline, lease_seconds=lease)


async def test_an_operator_without_list_or_watch_events_is_stuck(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = OperatorSettings()
    kube = StandInKube()
    loop = FlashSaleLoop(
        Stores.open(1), kube, LeaderElection(kube, settings, "me"), OperatorMetrics(lambda: 0), settings
    )
    began = time.monotonic()
    assert loop.stuck() == ""
    monkeypatch.setattr(time, "monotonic", lambda: began + STUCK_WATCH_SECONDS + 60)
    assert "300 s" in loop.stuck()
    loop.handle_event("DELETED", {"metadata": {"name": "drop", "uid": "1"}})
    assert loop.stuck() == ""
