"""The facts about the stock server that a process checks before it sells anything."""

from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.gate import availability
from app.gate.availability import stock_server_reachable
from app.gate.connection import make_redis
from app.gate.keys import instance_key
from app.gate.replies import GateUnavailable
from app.gate.server import ForeignStores, claim, read_durability
from app.lab.stack.servers.valkey import ValkeyServer
from tests.support.patience import PATIENT_GATE


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = make_redis(redis_url, "test", PATIENT_GATE)
    yield redis
    await redis.aclose()


async def test_the_stock_server_of_the_lab_leaves_no_doubt(redis: Redis) -> None:
    assert (await read_durability(redis)).doubts() == []


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("appendfsync", "everysec", "everysec"),
        ("maxmemory-policy", "allkeys-lru", "allkeys-lru"),
        ("appendonly", "no", "off"),
    ],
)
async def test_a_server_that_may_lose_orders_is_reported(
    make_valkey: Callable[..., ValkeyServer], option: str, value: str, named: str
) -> None:
    redis = make_redis(make_valkey().url, "test", PATIENT_GATE)
    await redis.config_set(option, value)
    doubts = (await read_durability(redis)).doubts()
    assert len(doubts) == 1
    assert named in doubts[0]
    await redis.aclose()


async def test_if_config_is_refused_info_is_read(make_valkey: Callable[..., ValkeyServer]) -> None:
    redis = make_redis(make_valkey().url, "test", PATIENT_GATE)
    await redis.acl_setuser("default", enabled=True, commands=["-config"])
    durability = await read_durability(redis)
    assert (durability.appendonly, durability.maxmemory_policy) == (True, "noeviction")
    assert durability.doubts() == ["appendfsync can't be read here: make sure that it is 'always'"]
    await redis.aclose()


async def test_the_keys_belong_to_the_first_who_claims_them(redis: Redis, key_prefix: str) -> None:
    await claim(redis, key_prefix, "ours")
    await claim(redis, key_prefix, "ours")
    with pytest.raises(ForeignStores, match="'ours', the ledger to 'theirs'"):
        await claim(redis, key_prefix, "theirs")
    await redis.delete(instance_key(key_prefix))
    await claim(redis, key_prefix, "theirs")


async def test_a_server_that_is_away_is_no_foreigner() -> None:
    redis = make_redis("redis://127.0.0.1:1/0", "test", PATIENT_GATE)
    with pytest.raises(GateUnavailable):
        await claim(redis, "any", "ours")
    with pytest.raises(GateUnavailable):
        await read_durability(redis)
    await redis.aclose()


async def test_a_refusal_that_does_not_pass_is_logged_once(redis: Redis, key_prefix: str) -> None:
    await redis.set(instance_key(key_prefix), "ours")
    availability.logged_at.clear()  # forget what other tests logged in this process
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(GateUnavailable), stock_server_reachable():
                await redis.lpush(instance_key(key_prefix), "another type")
    assert [(log["log_level"], log["error"].split()[1]) for log in logs] == [("warning", "WRONGTYPE")]


async def test_a_refusal_that_passes_is_not_logged(make_valkey: Callable[..., ValkeyServer]) -> None:
    redis = make_redis(make_valkey().url, "test", PATIENT_GATE)
    await redis.config_set("maxmemory", 1)
    with capture_logs() as logs, pytest.raises(GateUnavailable), stock_server_reachable():
        await redis.set("any", "value")
    assert logs == []
    await redis.aclose()


async def test_a_full_server_still_reports_its_owner(make_valkey: Callable[..., ValkeyServer]) -> None:
    """A worker must be able to start with a full server, because it removes orders from it."""
    redis = make_redis(make_valkey().url, "test", PATIENT_GATE)
    await claim(redis, "any", "ours")
    await redis.config_set("maxmemory", 1)
    await claim(redis, "any", "ours")
    with pytest.raises(ForeignStores):
        await claim(redis, "any", "theirs")
    await redis.aclose()
