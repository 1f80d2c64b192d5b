"""Looks for orders in every sale by itself: what makes a lost hint, or a dead broker, a delay and not a loss."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.drain import Drain
from app.drain.failures import STORE_ERRORS
from app.gate.cluster import server_of
from app.gate.keys import SaleKeys

PAGE_SALES = 500
TURN_SECONDS = 0.5  # of one sale, while others may wait; a hint gives a busy one task_seconds
BACK_OFF_SECONDS = 0.25
MOST_BACK_OFF_SECONDS = 5.0

SALES = text("SELECT name FROM sales WHERE removed_at IS NULL AND name > :after ORDER BY name LIMIT :page")

log = structlog.get_logger()


async def sweep(drain: Drain, engine: AsyncEngine) -> bool:
    """Gives each sale that has orders a turn; True where one of them had more. Raises STORE_ERRORS.

    A sale whose turn fails doesn't keep the others from theirs; the first failure is raised when all had one.
    """
    more, failure = False, None
    async for name in _with_orders(drain, engine):
        if drain.stopping.is_set():
            break
        try:
            more |= (await drain.sale(name, TURN_SECONDS)).more
        except STORE_ERRORS as error:
            failure = failure or error
        except Exception:  # a defect that one sale's orders bring out must not stop the orders of all others
            log.exception("a sale could not be drained", sale=name)
    if failure:
        raise failure
    return more


async def sweep_forever(drain: Drain, engine: AsyncEngine) -> None:
    """Sweeps now and then every `sweep_seconds`, until `drain.stopping` is set; backs off while a store is away."""
    failures = 0
    while not drain.stopping.is_set():
        try:
            more = await sweep(drain, engine)
        except STORE_ERRORS as error:
            failures += 1
            if failures == 1:
                log.warning("a store is away; orders wait in the stream", error=f"{type(error).__name__}: {error}")
            pause = min(BACK_OFF_SECONDS * 2 ** min(failures - 1, 10), MOST_BACK_OFF_SECONDS)
        else:
            if failures:
                log.info("the stores are back", failed_sweeps=failures)
            failures = 0
            pause = 0.0 if more else drain.settings.sweep_seconds
        await _sleep(pause * random.uniform(0.75, 1.25), drain.stopping)  # noqa: S311  so that workers don't look all at once


async def _with_orders(drain: Drain, engine: AsyncEngine) -> AsyncIterator[str]:
    """The names of the sales whose stream isn't empty, page by page."""
    after = ""
    while True:
        async with engine.connect() as connection:
            names = list((await connection.execute(SALES, {"after": after, "page": PAGE_SALES})).scalars())
        by_server: dict[Redis, list[str]] = defaultdict(list)
        for name in names:
            by_server[await server_of(drain.redis, _orders(drain, name))].append(name)
        for server, of_server in by_server.items():
            try:
                lengths = await _lengths(server, [_orders(drain, name) for name in of_server])
            except STORE_ERRORS:
                yield of_server[0]  # its own turn tells what is wrong; the others on this server are spared the wait
                continue
            for name, length in zip(of_server, lengths, strict=True):
                if length:  # or the error of this key alone, which its own turn will raise
                    yield name
        if len(names) < PAGE_SALES:
            return
        after = names[-1]


async def _lengths(server: "Redis", keys: Sequence[str]) -> list[Any]:
    """Of the streams, in entries; or the error of a key."""
    async with server.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.xlen(key)
        return list(await pipe.execute(raise_on_error=False))


def _orders(drain: Drain, sale: str) -> str:
    return SaleKeys(drain.key_prefix, sale).orders


async def _sleep(seconds: float, stopping: asyncio.Event) -> None:
    """Until the time is up or the process stops."""
    if seconds:
        try:
            await asyncio.wait_for(stopping.wait(), seconds)
        except TimeoutError:
            return
