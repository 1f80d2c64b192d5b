"""The load generator against a real HTTP server: what it counts, when it starts, and how it handles missing answers."""

import asyncio
import itertools
from collections import Counter
from typing import Any

import pytest

from app.blasts.load import runner
from app.blasts.load.failures import TargetUnreachable
from app.blasts.load.plan import LoadPlan
from app.blasts.load.result import Latency
from app.blasts.load.runner import Load, run_load
from tests.blasts.plans import losing_the_first_attempt, plan, silence
from tests.support.stand_in_service import Answer, Request, problem, reserved, stand_in_service, stock_of


async def test_every_answer_is_counted() -> None:
    async with stand_in_service(stock_of(10)) as service:
        result = await run_load(plan(service, requests=100, concurrency=20, quantity=2))
    assert (result.accepted, result.sold_out, result.errors, result.unsent) == (10, 90, 0, 0)
    assert result.outcomes == {"accepted": 10, "sold-out": 90}
    assert len({request.key for request in service.requests}) == 100
    assert len({request.customer for request in service.requests}) == 100
    assert {(request.path, request.quantity) for request in service.requests} == {("/buy-ticket", 2)}
    assert [record.number for record in result.records] == list(range(100))
    sold = {record.reservation_id for record in result.records if record.outcome == "accepted"}
    assert sold == {f"drop.1.{record.key}" for record in result.records if record.status == 200}
    assert len(sold) == 10


async def test_customers_take_turns() -> None:
    async with stand_in_service(stock_of(100)) as service:
        await run_load(plan(service, requests=30, concurrency=5, customers=3))
    assert set(Counter(request.customer for request in service.requests).values()) == {10}
    assert len({request.key for request in service.requests}) == 30


async def test_every_connection_is_open_before_the_first_request_leaves() -> None:
    async with stand_in_service(stock_of(10)) as service:
        await run_load(plan(service, requests=100, concurrency=100))
    assert service.requests[0].open_connections == 100


async def test_without_the_barrier_the_first_request_leaves_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_barrier(_: object) -> None:
        return

    monkeypatch.setattr(runner, "open_all", no_barrier)
    async with stand_in_service(stock_of(10)) as service:
        running = asyncio.create_task(run_load(plan(service, requests=5, concurrency=5, rate=0.1)))  # the next in 10 s
        await service.until(lambda service: bool(service.requests))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert service.requests[0].open_connections == 1


async def test_a_lost_connection_is_retried_with_the_same_key() -> None:
    async with stand_in_service(losing_the_first_attempt()) as service:
        result = await run_load(plan(service, requests=20, concurrency=10, retries=2))
    assert (result.accepted, result.errors, result.retried, result.replayed) == (20, 0, 20, 20)
    assert set(Counter((request.key, request.customer) for request in service.requests).values()) == {2}
    assert {record.attempts for record in result.records} == {2}


async def test_without_retries_a_lost_connection_is_an_error() -> None:
    async with stand_in_service(losing_the_first_attempt()) as service:
        result = await run_load(plan(service, requests=20, concurrency=10))
    assert (result.accepted, result.errors) == (0, 20)
    assert result.outcomes == {"connection-lost": 20}
    assert {record.status for record in result.records} == {0}


async def test_503_is_asked_again_a_bounded_number_of_times() -> None:
    async def closed(_: Request) -> Answer:
        return problem(503, "temporarily-unavailable", Retry_After="0")

    async with stand_in_service(closed) as service:
        result = await run_load(plan(service, requests=4, concurrency=2, retries=3))
    assert result.outcomes == {"temporarily-unavailable": 4}
    assert result.errors == 4
    assert set(Counter(request.key for request in service.requests).values()) == {4}


async def test_a_buyer_that_insists_outlasts_contention_without_a_retry() -> None:
    tries: Counter[str] = Counter()

    async def handler(request: Request) -> Answer:
        tries[request.key] += 1
        return problem(503, "contention", Retry_After="0") if tries[request.key] < 4 else reserved(request)

    async with stand_in_service(handler) as service:
        result = await run_load(plan(service, requests=4, concurrency=2, insist=True))
        tries.clear()
        other = await run_load(plan(service, requests=4, concurrency=2))
    assert result.outcomes == {"accepted": 4}
    assert {record.attempts for record in result.records} == {4}
    assert other.outcomes == {"contention": 4}


async def test_a_record_has_the_time_of_its_first_request() -> None:
    async with stand_in_service(stock_of(10)) as service:
        result = await run_load(plan(service, requests=4, concurrency=1))
    sent = [record.sent_at for record in result.records]
    assert sent == sorted(sent)
    assert result.started_at <= sent[0]
    assert sent[-1] + result.records[-1].latency <= result.started_at + result.seconds + 0.001


async def test_a_refusal_is_final() -> None:
    async with stand_in_service(stock_of(0)) as service:
        result = await run_load(plan(service, requests=4, concurrency=2, retries=3))
    assert (result.sold_out, result.retried, len(service.requests)) == (4, 0, 4)


async def test_a_silent_server_is_given_up_on() -> None:
    async with stand_in_service(silence) as service:
        result = await run_load(plan(service, requests=6, concurrency=3, reply_seconds=0.1))
    assert result.outcomes == {"reply-timed-out": 6}


async def test_a_server_that_closes_each_connection_loses_no_request() -> None:
    async def closing(request: Request) -> Answer:
        return reserved(request, Connection="close")

    async with stand_in_service(closing) as service:
        result = await run_load(plan(service, requests=20, concurrency=4))
    assert result.outcomes == {"accepted": 20}


async def test_cancelling_closes_every_connection_and_keeps_the_answers() -> None:
    sell = stock_of(100)

    started = itertools.count(1)

    async def stuck_after_five(request: Request) -> Answer:
        return await (sell(request) if next(started) <= 5 else silence(request))

    async with stand_in_service(stuck_after_five) as service:
        load = Load(plan(service, requests=50, concurrency=5))
        running = asyncio.create_task(load.run())
        await service.until(lambda service: len(service.requests) == 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await service.until(lambda service: not service.connections)
    assert load.progress == {"accepted": 5}
    assert (load.result().accepted, load.result().unsent) == (5, 45)


def slow(seconds: float) -> Any:
    async def handler(request: Request) -> Answer:
        await asyncio.sleep(seconds)  # a slow server, not a wait for a condition
        return reserved(request)

    return handler


async def test_the_open_loop_counts_from_the_intended_moment() -> None:
    async with stand_in_service(slow(0.02)) as service:
        result = await run_load(plan(service, requests=20, concurrency=1, rate=1000))
    last = result.records[-1]
    assert last.latency > 0.3  # 20 answers of 20 ms in sequence, less the 19 ms by which its intended start was later
    assert result.lag.max > 0.3


async def test_the_closed_loop_does_not_see_its_own_queue() -> None:
    async with stand_in_service(slow(0.02)) as service:
        result = await run_load(plan(service, requests=20, concurrency=1))
    assert result.lag.max == 0.0


async def test_nothing_is_sent_after_the_time_bound() -> None:
    async with stand_in_service(slow(0.02)) as service:
        result = await run_load(plan(service, requests=10_000, concurrency=2, seconds=0.2))
    assert result.sent == len(service.requests)
    assert result.unsent == 10_000 - result.sent > 0
    assert result.errors == 0


async def test_an_absent_server_is_reported_before_anything_is_sent() -> None:
    with pytest.raises(TargetUnreachable):
        await run_load(LoadPlan(url="http://127.0.0.1:1", sale="drop"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (0, 0, 0, 0)),
        ([5], (5, 5, 5, 5)),
        ([2, 1], (1, 2, 2, 2)),
        (range(1, 101), (50, 95, 99, 100)),
        (range(1, 1001), (500, 950, 990, 1000)),
        ([1] * 98 + [7, 9], (1, 1, 7, 9)),
    ],
)
def test_percentiles_are_latencies_that_occurred(values: list[float], expected: tuple[float, ...]) -> None:
    latency = Latency.of(list(reversed(values)))
    assert (latency.p50, latency.p95, latency.p99, latency.max) == expected
