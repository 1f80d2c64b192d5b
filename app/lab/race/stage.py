"""A sale for one contestant: made, opened, sold to a crowd, settled, ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from app.lab.load.plan import LoadPlan
from app.lab.race.contest import Contest, Contestant
from app.lab.race.ground import Ground
from app.lab.sale_client import Document
from app.lab.sale_watch import every_figure_is_known, until, when_ready
from app.lab.trace_ratio import trace_ratio_of

SETTLE_SECONDS = 5.0  # what was accepted and is not in the ledger by then, in a healthy installation, never comes

Result = TypeVar("Result")


@asynccontextmanager
async def staged(ground: Ground, contestant: Contestant, contest: Contest) -> AsyncIterator[float]:
    """A sale that is open; yields when it was asked for, in Unix seconds."""
    opened_at = time.time()
    client = ground.client
    terms = {"name": contestant.sale, "strategy": contestant.name, "stock": contest.stock, "think_ms": contest.think_ms}
    if contest.customer_limit is not None:
        terms["customer_limit"] = contest.customer_limit
    await when_ready(lambda: client.create(terms))
    try:
        await until(client, contestant.sale, "opened", lambda sale: bool(sale["phase"] == "Open"))
        yield opened_at
    finally:
        await when_ready(lambda: client.end(contestant.sale))


@asynccontextmanager
async def under_way(load: Coroutine[Any, Any, Result]) -> AsyncIterator["asyncio.Task[Result]"]:
    """Buyers who buy meanwhile. Await the task inside: what is not done by the end is cancelled."""
    task = asyncio.create_task(load)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


def plan_of(ground: Ground, contestant: Contestant, contest: Contest, **more: Any) -> LoadPlan:
    return LoadPlan(
        url=ground.api_url,
        sale=contestant.sale,
        requests=contest.requests,
        concurrency=contest.concurrency,
        customers=contest.customers,
        retries=contest.retries,
        insist=True,
        seconds=contest.seconds,
        reply_seconds=15.0,
        records=True,
        trace_ratio=trace_ratio_of(contestant.name, None),
        **more,
    )


async def settled(ground: Ground, sale: str, accepted: int) -> Document:
    """The sale when the ledger has all that was accepted; after SETTLE_SECONDS as it is then."""
    give_up_at = time.monotonic() + SETTLE_SECONDS

    def is_settled(view: Document) -> bool:
        if not every_figure_is_known(view):
            return False
        return (view["booked"] >= accepted and not view["backlog"]) or time.monotonic() > give_up_at

    return await until(ground.client, sale, "could be read", is_settled)
