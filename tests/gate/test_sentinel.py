"""The connections of a process to a primary behind Sentinels, after the Sentinels have named another primary."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import RedisError
from structlog.testing import capture_logs

from app.gate import connection
from app.gate.connection import make_redis
from app.settings import GateSettings
from tests.support.patience import PATIENT_GATE
from tests.support.sentinel import SentinelGroup
from tests.support.until import until

CONNECTIONS = 8
LOST_SECONDS = 2.0  # of a command on the lost primary; the others take milliseconds
ASK_SECONDS = 0.05


@pytest.fixture
def asked_only_at_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ASK_SECONDS", 3600.0)


async def split_under_open_connections(group: SentinelGroup) -> Redis:
    """Return a client whose open connections lead to a primary that is now cut off from its Sentinel."""
    redis = make_redis(group.url, "test", PATIENT_GATE)
    await asyncio.gather(*(redis.ping() for _ in range(CONNECTIONS)))
    group.split()
    return redis


async def port_of(redis: Redis) -> int:
    """Return the port of the server that a call reaches."""
    return int((await redis.info("server"))["tcp_port"])


@pytest.mark.usefixtures("asked_only_at_connects")
async def test_after_a_lost_primary_one_failed_call_moves_all_connections(
    make_sentinel_group: Callable[[], SentinelGroup],
) -> None:
    group = make_sentinel_group()
    settings = GateSettings(
        max_connections=CONNECTIONS, connect_timeout_seconds=10, command_timeout_seconds=LOST_SECONDS
    )
    redis = make_redis(group.url, "test", settings)
    pool = redis.connection_pool
    for each in [await pool.get_connection() for _ in range(CONNECTIONS)]:  # type: ignore[no-untyped-call]  # redis-py does not type it
        await pool.release(each)
    os.kill(group.primary.pid, signal.SIGSTOP)  # like a lost node it closes nothing and answers nothing
    await until(group.names_replica)
    with pytest.raises(RedisError):
        await redis.ping()
    await redis.ping()  # connects again, and so asks the Sentinels
    answers = await asyncio.gather(*(redis.ping() for _ in range(CONNECTIONS)), return_exceptions=True)
    assert answers == [True] * CONNECTIONS
    await redis.aclose()


@pytest.mark.usefixtures("asked_only_at_connects")
async def test_in_a_split_brain_no_connection_returns_to_the_old_primary(
    make_sentinel_group: Callable[[], SentinelGroup],
) -> None:
    group = make_sentinel_group()
    redis = make_redis(group.url, "test", PATIENT_GATE)
    with BlockingRedis.from_url(group.primary.url) as old_primary:
        in_use = asyncio.ensure_future(redis.blpop(["queue"]))
        await until(lambda: old_primary.info("clients")["blocked_clients"] == 1)
        group.split()
        await redis.ping()  # over a new connection
        old_primary.rpush("queue", "item")
        assert await in_use == ("queue", "item")  # its connection is the next one that the pool hands out
    assert await port_of(redis) == group.replica.port
    await redis.aclose()


@pytest.mark.usefixtures("asked_only_at_connects")
async def test_a_late_answer_does_not_lead_back_to_the_old_primary(
    make_sentinel_group: Callable[[], SentinelGroup], monkeypatch: pytest.MonkeyPatch
) -> None:
    group = make_sentinel_group()
    redis = make_redis(group.url, "test", PATIENT_GATE)
    discover, asked, delivered = Sentinel.discover_master, asyncio.Event(), asyncio.Event()

    async def first_answer_is_late(sentinel: Sentinel, name: str) -> Any:
        address = await discover(sentinel, name)
        if not asked.is_set():
            asked.set()
            await delivered.wait()
        return address

    monkeypatch.setattr(Sentinel, "discover_master", first_answer_is_late)
    late = asyncio.ensure_future(redis.ping())
    await asked.wait()
    group.split()
    await redis.ping()  # asks too, and is answered first
    delivered.set()
    await late  # connects to the old primary; its connection is the next one that the pool hands out
    assert await port_of(redis) == group.replica.port
    await redis.aclose()


async def test_open_connections_leave_a_primary_that_its_sentinel_has_replaced(
    make_sentinel_group: Callable[[], SentinelGroup], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old primary goes on and closes nothing, so that no call fails and no connection is opened again."""
    monkeypatch.setattr(connection, "ASK_SECONDS", ASK_SECONDS)
    group = make_sentinel_group()
    redis = await split_under_open_connections(group)

    async def moved() -> bool:
        return await port_of(redis) == group.replica.port

    await until(moved)
    assert [await port_of(redis) for _ in range(CONNECTIONS)] == [group.replica.port] * CONNECTIONS
    await redis.aclose()


@pytest.mark.usefixtures("asked_only_at_connects")
async def test_if_the_sentinels_were_asked_only_at_connects_open_connections_would_stay(
    make_sentinel_group: Callable[[], SentinelGroup],
) -> None:
    """The control."""
    group = make_sentinel_group()
    redis = await split_under_open_connections(group)
    for _ in range(3 * CONNECTIONS):
        assert await port_of(redis) == group.primary.port
        await asyncio.sleep(ASK_SECONDS)  # the time is tested: in it the pool above would have asked
    await redis.aclose()


async def test_connections_stay_while_no_sentinel_answers_and_one_line_says_so(
    make_sentinel_group: Callable[[], SentinelGroup], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ASK_SECONDS", ASK_SECONDS)
    group = make_sentinel_group()
    redis = make_redis(group.url, "test", PATIENT_GATE)
    await redis.ping()
    failed = 0

    async def unanswered(_sentinel: Sentinel, name: str) -> Any:
        nonlocal failed
        failed += 1
        raise MasterNotFoundError(name)

    with capture_logs() as lines:
        monkeypatch.setattr(Sentinel, "discover_master", unanswered)
        await until(lambda: failed > 2)
    assert await port_of(redis) == group.primary.port
    assert [line["event"] for line in lines] == ["no Sentinel names the primary; open connections stay"]
    await redis.aclose()
    asked = failed
    await asyncio.sleep(3 * ASK_SECONDS)  # the time is tested: a closed pool asks no more
    assert failed == asked
