"""How a process reaches the stock server: bounded waits, bounded connections, and no retries behind our back."""

from typing import Any
from urllib.parse import urlsplit

import redis.asyncio as redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.settings import GateSettings


async def _greet(connection: AbstractConnection) -> None:
    """Connects as usual, then asks who is there: the scripts compare it with the server that a sale was seeded on.

    So a restart or a failover is noticed by the very first purchase over a new connection, before it is decided.
    """
    await connection.on_connect()
    await connection.send_command("INFO", "server")
    connection.run_id = _run_id(await connection.read_response())  # type: ignore[attr-defined]  # our own attribute


def _run_id(info: Any) -> str:
    """The run id in an answer to INFO; '' where a managed service hides it."""
    text = info.decode() if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in ("run_id", "txt:run_id"):
            return value.strip()
    return ""


def make_redis(url: str, process: str, settings: GateSettings) -> redis.Redis:
    """A client whose every wait ends. redis-py's own defaults are 10 retries and 5 s: a buyer would wait a minute."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=settings.max_connections,
        timeout=settings.command_timeout_seconds,
        socket_connect_timeout=settings.connect_timeout_seconds,
        socket_timeout=settings.command_timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        encoding_errors="backslashreplace",  # a stray byte in a stream must not stop the reading of all that follows
        client_name=f"atomictickets.{process}",
        redis_connect_func=_greet,
        protocol=2,
    )
    return redis.Redis.from_pool(pool)


def address(url: str) -> str:
    """`host:port/db` of a URL, without its password: for logs and messages."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}{parts.path}"
