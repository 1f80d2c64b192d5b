"""The operator's reports on its FlashSales, kept on a real broker."""

from redis.asyncio import Redis

from app.gate.connection import make_redis
from app.live.resources import ResourceReports
from app.settings import GateSettings

STATUS = {"phase": "Open", "workers": {"desired": 2, "pool": 3, "ready": 1}}


async def test_a_status_is_kept_for_as_long_as_was_asked(broker: Redis, key_prefix: str) -> None:
    reports = ResourceReports(broker, key_prefix)
    assert await reports.status_of("drop") is None
    await reports.store("drop", STATUS, ttl_seconds=80)
    assert await reports.status_of("drop") == STATUS
    assert await reports.status_of("other") is None
    assert 0 < await broker.ttl(f"{key_prefix}:live:resource:drop") <= 80


async def test_a_broker_that_is_away_costs_the_report_alone(broker: Redis, key_prefix: str) -> None:
    """After a failure the broker is not used for a while, so that the operator's turns do not all wait for it."""
    away = make_redis("redis://127.0.0.1:1", "test", GateSettings())
    reports = ResourceReports(away, key_prefix)
    await reports.store("drop", STATUS, ttl_seconds=80)
    assert await reports.status_of("drop") is None
    reports._redis = broker  # noqa: SLF001  the broker comes back
    await reports.store("drop", STATUS, ttl_seconds=80)
    assert await reports.status_of("drop") is None
    reports._retry_at = 0.0  # noqa: SLF001  the pause is over
    await reports.store("drop", STATUS, ttl_seconds=80)
    assert await reports.status_of("drop") == STATUS
    await away.aclose()
