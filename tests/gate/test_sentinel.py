"""The connections of a process to a primary behind Sentinels, after the Sentinels have named another primary."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

from app.gate.connection import make_redis
from app.settings import GateSettings
from tests.support.patience import PATIENT_GATE
from tests.support.sentinel import SentinelGroup
from tests.support.until import until

CONNECTIONS = 8
LOST_SECONDS = 2.0  # of a command on the lost primary; the others take milliseconds


async def test_after_a_lost_primary_one_failed_call_moves_all_connections(
    make_sentinel_group: Callable[[], SentinelGroup],
) -> None:
    group = make_sentinel_group()
    settings = GateSettings(
        max_connections=CONNECTIONS, connect_timeout_seconds=10, command_timeout_seconds=LOST_SECONDS
    )
    redis = make_redis(group.url, "test", settings)
    pool = redis.connection_pool
    for connection in [await pool.get_connection() for _ in range(CONNECTIONS)]:  # type: ignore[no-untyped-call]  # redis-py does not type it
        await pool.release(connection)
    os.kill(group.primary.pid, signal.SIGSTOP)  # like a lost node it closes nothing and answers nothing
    await until(group.names_replica)
    with pytest.raises(RedisError):
        await redis.ping()
    await redis.ping()  # connects again, and so asks the Sentinels
    answers = await asyncio.gather(*(redis.ping() for _ in range(CONNECTIONS)), return_exceptions=True)
    assert answers == [True] * CONNECTIONS
    await redis.aclose()


async def test_in_a_split_brain_no_connection_returns_to_the_old_primary(
    make_sentinel_group: Callable[[], SentinelGroup],
) -> None:
    group = make_sentinel_group()
    redis = make_redis(group.url, "test", PATIENT_GATE)
    with Redis.from_url(group.primary.url) as old_primary:
        in_use = asyncio.ensure_future(redis.blpop(["queue"]))
        await until(lambda: old_primary.info("clients")["blocked_clients"] == 1)
        group.split()
        await redis.ping()  # over a new connection
        old_primary.rpush("queue", "item")
        assert await in_use == ("queue", "item")  # its connection is the next one that the pool hands out
    assert (await redis.info("server"))["tcp_port"] == group.replica.port
    await redis.aclose()


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
    assert (await redis.info("server"))["tcp_port"] == group.replica.port
    await redis.aclose()
