"""Look for orders in every sale, without hints. So a lost hint or a dead broker delays orders, but loses none."""

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
TURN_SECONDS = 0.5  # for one sale, while others may wait; a hint gives a busy sale `task_seconds`
BACK_OFF_SECONDS = 0.25
MAX_BACK_OFF_SECONDS = 5.0

SALES = text("SELECT name FROM sales WHERE removed_at IS NULL AND name > :after ORDER BY name LIMIT :page")

log = structlog.get_logger()


async def sweep(drain: Drain, engine: AsyncEngine) -> bool:
    """Give each sale that has orders a turn. Return True if one of them has more orders.

    A sale whose turn fails does not keep the others from theirs. The first of STORE_ERRORS is raised after all turns.
    """
    more, failure = False, None
    async for name in _sales_with_orders(drain, engine):
        if drain.stopping.is_set():
            break
        try:
            more |= (await drain.sale(name, TURN_SECONDS)).more
        except STORE_ERRORS as error:
            failure = failure or error
        except Exception:  # a defect that one sale's orders trigger must not stop the orders of all others
            log.exception("a sale could not be drained", sale=name)
    if failure:
        raise failure
    return more


async def sweep_forever(drain: Drain, engine: AsyncEngine) -> None:
    """Sweep immediately and then every `sweep_seconds`, until `drain.stopping` is set.

    Sweep again without a pause if a sale has more orders. Back off while a store is away.
    """
    failures = 0
    while not drain.stopping.is_set():
        try:
            more = await sweep(drain, engine)
        except STORE_ERRORS as error:
            failures += 1
            if failures == 1:
                log.warning("a store is away; orders wait in the stream", error=f"{type(error).__name__}: {error}")
            pause = min(BACK_OFF_SECONDS * 2 ** min(failures - 1, 10), MAX_BACK_OFF_SECONDS)
        else:
            if failures:
                log.info("the stores are back", failed_sweeps=failures)
            failures = 0
            pause = 0.0 if more else drain.settings.sweep_seconds
        await _sleep(pause * random.uniform(0.75, 1.25), drain.stopping)  # noqa: S311  keeps workers from sweeping in step


async def _sales_with_orders(drain: Drain, engine: AsyncEngine) -> AsyncIterator[str]:
    """Yield the names of the sales whose stream is not empty. The names are read page by page."""
    after = ""
    while True:
        async with engine.connect() as connection:
            names = list((await connection.execute(SALES, {"after": after, "page": PAGE_SALES})).scalars())
        by_server: dict[Redis, list[str]] = defaultdict(list)
        for name in names:
            by_server[await server_of(drain.redis, _orders(drain, name))].append(name)
        for server, names_on_server in by_server.items():
            try:
                lengths = await _lengths(server, [_orders(drain, name) for name in names_on_server])
            except STORE_ERRORS:
                yield names_on_server[0]  # its turn raises the error; the server's other sales need not wait too
                continue
            for name, length in zip(names_on_server, lengths, strict=True):
                if length:  # not 0, or the error of this key, which the sale's turn will raise
                    yield name
        if len(names) < PAGE_SALES:
            return
        after = names[-1]


async def _lengths(server: "Redis", keys: Sequence[str]) -> list[Any]:
    """Return the length of each stream in entries, or the error of its key."""
    async with server.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.xlen(key)
        return list(await pipe.execute(raise_on_error=False))


def _orders(drain: Drain, sale: str) -> str:
    return SaleKeys(drain.key_prefix, sale).orders


async def _sleep(seconds: float, stopping: asyncio.Event) -> None:
    """Sleep until the time is up or `stopping` is set."""
    if seconds:
        try:
            await asyncio.wait_for(stopping.wait(), seconds)
        except TimeoutError:
            return
