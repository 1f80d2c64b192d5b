"""Each order is one trace over real processes, as a collector sees it."""

from typing import Any

import pytest
from redis.asyncio import Redis

from app.gate.keys import GROUP, SaleKeys
from app.settings import GateSettings
from tests.fixtures.platform import MakePlatform
from tests.support.collector import Collector
from tests.support.order_spans import (
    BATCH,
    BOOK,
    BUY,
    CALL,
    DELIVERY,
    OUTCOME,
    RESERVE,
    accepted,
    attributes_of,
    trace_of_order,
    whole_orders,
)
from tests.support.patience import PATIENCE
from tests.support.received import ReceivedSpan
from tests.support.until import until

STOCK, REQUESTS = 40, 100


async def until_whole(collector: Collector, orders: int, requests: int) -> None:
    """Return when all required spans have arrived."""

    async def arrived() -> bool:
        linked = {link for span in collector.named(BOOK) + collector.named(RESERVE) for link in span.links}
        ids = {span.ids for span in collector.spans}
        buys = [span for span in collector.named(BUY) if OUTCOME in span.attributes]
        return len(buys) >= requests and whole_orders(collector) >= orders and linked <= ids

    await until(arrived)


async def test_every_accepted_order_is_one_unbroken_trace(
    make_platform: MakePlatform, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in collector.environment.items():
        monkeypatch.setenv(name, value)  # the load generator's process inherits it
    platform = await make_platform(
        api=2, workers=2, idle=("reconcile",), environment=PATIENCE | {"DRAIN_CLAIM_IDLE_SECONDS": "60"}
    )
    sale = await platform.create_sale_of_first_epoch(stock=STOCK)
    result = await platform.blast(sale, REQUESTS, trace_ratio=1.0)
    assert result.outcomes == {"accepted": STOCK, "sold-out": REQUESTS - STOCK}
    await platform.settled(sale)
    await until_whole(collector, STOCK, REQUESTS)

    bought = accepted(collector)
    assert len({span.trace_id for span in bought}) == STOCK
    for span in bought:
        trace_of_order(collector, span)
    shared = linked_to(collector, RESERVE, CALL) + linked_to(collector, BOOK, BATCH)
    assert all(not call.parent_id for _, call in shared)
    assert all((book.trace_id, book.parent_id) in batch.links for book, batch in linked_to(collector, BOOK, BATCH))
    calls = collector.named(CALL)
    assert sum(int(str(span.attributes["atomictickets.accepted"])) for span in calls) == STOCK
    assert sum(int(str(span.attributes["db.operation.batch.size"])) for span in calls) == REQUESTS
    [created] = collector.named("POST /sales")
    assert {span.service for span in collector.named(RESERVE) if created.ids in span.links} == {"atomictickets-api"}
    assert collector.errors() == []
    assert collector.orphans() == []


def linked_to(collector: Collector, own: str, shared: str) -> list[tuple[ReceivedSpan, ReceivedSpan]]:
    """Return each span named `own`, of one order, with the span named `shared` to which it links."""
    by_ids = {span.ids: span for span in collector.named(shared)}
    found = []
    for span in collector.named(own):
        [one] = [by_ids[link] for link in span.links if link in by_ids]
        found.append((span, one))
    assert found
    return found


async def test_orders_of_a_dead_worker_are_traced_as_claimed(make_platform: MakePlatform, collector: Collector) -> None:
    """The control is in the same test: the trace of an order whose entry names no trace falls apart."""
    platform = await make_platform(environment=collector.environment | PATIENCE, idle=("worker-1", "reconcile"))
    sale = await platform.create_sale_of_first_epoch(stock=STOCK)
    await platform.buy(sale, "ada", "k-1")
    await taken_by_the_dead(platform.redis, sale)
    await platform.buy(sale, "bob", "k-2")
    await platform.buy(sale, "eve", "k-3")
    await forget_the_trace(platform.redis, sale, "eve")
    platform.start("worker-1")
    await platform.settled(sale)
    await until_whole(collector, 2, 3)
    assert sorted(attributes_of(span, DELIVERY, OUTCOME) for span in collector.named(BOOK)) == [
        ("claimed", "booked"), ("first", "booked"),
    ]  # fmt: skip
    assert (len(collector.named(BUY)), whole_orders(collector)) == (3, 2)
    assert collector.orphans() == collector.errors() == []


def orders_of(sale: str) -> str:
    return SaleKeys(GateSettings().key_prefix, sale).orders


async def taken_by_the_dead(redis: "Redis", sale: str) -> None:
    """Leave the stream as a worker does that is killed between the read and the commit."""
    await redis.xgroup_create(orders_of(sale), GROUP, id="0")
    assert await redis.xreadgroup(GROUP, "dead", {orders_of(sale): ">"})


async def forget_the_trace(redis: Any, sale: str, customer: str) -> None:
    """Write the customer's order again without its traceparent."""
    [(entry, fields)] = [found for found in await redis.xrange(orders_of(sale)) if found[1]["customer"] == customer]
    del fields["traceparent"]
    await redis.xdel(orders_of(sale), entry)
    await redis.xadd(orders_of(sale), fields)


async def test_a_sampler_that_takes_nothing_exports_nothing(make_platform: MakePlatform, collector: Collector) -> None:
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    platform = await make_platform(environment=collector.environment | sampler | PATIENCE, idle=("reconcile",))
    sale = await platform.create_sale_of_first_epoch(stock=1)
    answers = [await platform.buy(sale, "ada", f"k-{number}") for number in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[1].json()["trace_id"] == answers[1].headers["x-trace-id"]
    assert len({answer.headers["x-trace-id"] for answer in answers}) == 2
    [(_, fields)] = await platform.redis.xrange(orders_of(sale)) or [("", {})]
    assert "traceparent" not in (fields or {})
    await platform.settled(sale)
    platform.stop(*platform.names)  # each process sends its waiting spans
    assert {span.service for span in collector.spans} <= {"atomictickets-reconciler"}
