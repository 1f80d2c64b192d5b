"""The stages of one contestant's sale: it is created and opened, sold to a crowd, settles, and is ended."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from app.blasts.load.plan import LoadPlan
from app.blasts.trace_ratio import trace_ratio_of
from app.client import Document
from app.drain.hints import DRAIN_QUEUE
from app.lab.race.target import Target
from app.lab.race.workload import Contestant, Workload
from app.lab.stack.sales import every_figure_is_known, is_open, until, when_ready
from app.lab.stack.waiting import POLL_SECONDS
from app.sales.strategy import AcceptedIn

UNCHANGED_SECONDS = 0.5  # while a worker takes a message, it is in no list of the broker for a few ms
UNCHANGED_SECONDS_WITHOUT_BROKER = 5.0  # used instead if the broker cannot be asked
TIMEOUT_SECONDS = 175.0  # messages of a dead worker return after 60 to 160 s: visibility timeout and Celery's poll
UNACKED_KEY = "unacked"  # the key in which Celery's transport keeps messages that are taken and not acknowledged


@asynccontextmanager
async def staged(target: Target, contestant: Contestant, workload: Workload) -> AsyncIterator[float]:
    """Create a sale, wait until it is open, and end it afterwards. Yield when it was requested, in Unix seconds."""
    opened_at = time.time()
    client = target.client
    terms = {
        "name": contestant.sale,
        "strategy": contestant.name,
        "stock": workload.stock,
        "think_ms": workload.think_ms,
    }
    if workload.customer_limit is not None:
        terms["customer_limit"] = workload.customer_limit
    await when_ready(lambda: client.create(terms))
    try:
        await until(client, contestant.sale, "opened", is_open)
        yield opened_at
    finally:
        await when_ready(lambda: client.end(contestant.sale))


def plan_of(target: Target, contestant: Contestant, workload: Workload) -> LoadPlan:
    """Return the load that sends this workload's crowd to the contestant's sale."""
    return LoadPlan(
        url=target.api_url,
        sale=contestant.sale,
        requests=workload.requests,
        concurrency=workload.concurrency,
        customers=workload.customers,
        retries=workload.retries,
        insist=True,
        seconds=workload.seconds,
        reply_seconds=15.0,
        records=True,
        trace_ratio=trace_ratio_of(contestant.name, None),
    )


async def settled(target: Target, contestant: Contestant, accepted: int) -> Document:
    """Wait until the sale has settled, and return it.

    A sale has settled if no order is on its way to the ledger, and the ledger has all accepted tickets or its bookings
    have not changed for 0.5 s (5 s if the broker would have to be asked and cannot be). An order on its way is in the
    backlog, or is a message of the broker. If the worker that took the message is dead, the message returns when the
    broker's visibility timeout ends. After 175 s the sale is returned as it is.
    """
    orders_are_tasks = contestant.strategy.accepted_in is AcceptedIn.PROCESS
    blind = orders_are_tasks and target.broker_url is None
    unchanged_seconds = UNCHANGED_SECONDS_WITHOUT_BROKER if blind else UNCHANGED_SECONDS
    booked, unchanged_since = -1, time.monotonic()
    give_up_at = unchanged_since + TIMEOUT_SECONDS
    while True:
        view = await until(target.client, contestant.sale, "readable", every_figure_is_known)
        now = time.monotonic()
        under_way = view["backlog"] or (orders_are_tasks and await has_unfinished_messages(target))
        if (view["booked"] >= accepted and not under_way) or now > give_up_at:
            return view
        if under_way or view["booked"] != booked:
            booked, unchanged_since = view["booked"], now
        elif now - unchanged_since > unchanged_seconds:
            return view
        await asyncio.sleep(POLL_SECONDS)


async def has_unfinished_messages(target: Target) -> bool:
    """Return whether the broker has a message that no worker has finished. Return False if it cannot be asked."""
    if target.broker_url is None:
        return False
    async with Redis.from_url(target.broker_url) as broker:
        return bool(await broker.exists(DRAIN_QUEUE, UNACKED_KEY))
