"""Purchases of one process share script calls, and no buyer waits forever."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.gate import batching
from app.gate.batching import PurchaseBatcher, SaleQueue
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.gate.replies import BatchReply, Decision, DecisionFailed, FencingToken, GateBusy, GateForgot, GateUnavailable
from app.lab.stack.servers.valkey import ValkeyServer
from app.sales.model import Purchase
from app.sales.outcomes import Reserved, SoldOut
from app.settings import GateSettings
from tests.support.patience import PATIENT_GATE
from tests.support.sales import a_purchase, a_sale, open_sale


@dataclass
class Reports:
    """The numbers and events that a batcher reported."""

    numbers: list[int] = field(default_factory=list)
    notices: list[tuple[str, int, str]] = field(default_factory=list)

    def accepted(self, _sale: str, _token: FencingToken, accepted: Sequence[tuple[Purchase, Decision]]) -> None:
        self.numbers += [decision.number for _, decision in accepted]

    def notice(self, sale: str, token: FencingToken, notice: str) -> None:
        self.notices.append((sale, token.epoch, notice))

    def count(self, notice: str) -> int:
        return sum(1 for _, _, reported in self.notices if reported == notice)


@dataclass
class Process:
    batcher: PurchaseBatcher
    gate: Gate
    redis: Redis
    reports: Reports


@asynccontextmanager
async def a_process(url: str, prefix: str, settings: GateSettings = PATIENT_GATE) -> AsyncIterator[Process]:
    """Yield a batcher and its gate, as one process has them."""
    redis, reports = make_redis(url, "test", settings), Reports()
    gate = Gate(redis, prefix)
    try:
        yield Process(PurchaseBatcher(gate, settings, reports.accepted, reports.notice), gate, redis, reports)
    finally:
        await redis.aclose()


async def script_calls(redis: Redis) -> int:
    return int((await redis.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0))


async def test_a_crowd_in_one_process_shares_calls_and_sells_exactly_the_stock(redis_url: str, key_prefix: str) -> None:
    async with a_process(redis_url, key_prefix) as process:
        await process.gate.load_scripts()
        await open_sale(process.gate, a_sale(stock=40))
        await process.batcher.buy(a_purchase())
        before = await script_calls(process.redis)
        outcomes = await asyncio.gather(*(process.batcher.buy(a_purchase()) for _ in range(400)))
        calls = await script_calls(process.redis) - before

    assert sum(isinstance(outcome, Reserved) for outcome in outcomes) == 39
    assert sum(isinstance(outcome, SoldOut) for outcome in outcomes) == 361
    assert calls == 4  # 400 purchases, at most 128 in a call
    assert process.reports.numbers == list(range(1, 41))
    assert process.reports.count("behind") == 0


async def test_two_processes_sell_exactly_the_stock(redis_url: str, key_prefix: str) -> None:
    async with a_process(redis_url, key_prefix) as one, a_process(redis_url, key_prefix) as two:
        await open_sale(one.gate, a_sale(stock=50))
        buyers = (process.batcher.buy(a_purchase()) for process in (one, two) for _ in range(300))
        outcomes = await asyncio.gather(*buyers)
    assert sum(isinstance(outcome, Reserved) for outcome in outcomes) == 50
    assert sorted(one.reports.numbers + two.reports.numbers) == list(range(1, 51))


async def test_a_new_round_is_learnt_without_an_error(redis_url: str, key_prefix: str) -> None:
    async with a_process(redis_url, key_prefix) as process:
        await open_sale(process.gate, a_sale(stock=1))
        assert isinstance(await process.batcher.buy(a_purchase()), Reserved)
        await open_sale(process.gate, a_sale(stock=1, round_=2, epoch=5))
        outcome = await process.batcher.buy(a_purchase())
    assert isinstance(outcome, Reserved)
    assert outcome.reservation.round == 2
    assert ("drop", 5, "stale") in process.reports.notices
    assert process.reports.count("behind") == 0  # each epoch numbers its orders from 1


async def test_a_buyer_who_gives_up_leaves_the_shared_call_alone(redis_url: str, key_prefix: str) -> None:
    async with a_process(redis_url, key_prefix) as process:
        await open_sale(process.gate, a_sale())
        await process.batcher.buy(a_purchase())
        await process.redis.client_pause(200, all=True)  # both are sent before either is decided
        hasty, patient = (asyncio.create_task(process.batcher.buy(a_purchase())) for _ in range(2))
        await asyncio.sleep(0)  # both join the queue,
        await asyncio.sleep(0)  # and the shared call begins
        hasty.cancel()
        assert isinstance(await patient, Reserved)
        seen = await process.gate.snapshot("drop")
    assert hasty.cancelled()
    assert seen is not None
    assert seen.accepted == 3  # the cancelled purchase has a reservation, which its key replays


async def test_the_queue_is_bounded_and_nothing_is_taken_beyond_it(redis_url: str, key_prefix: str) -> None:
    async with a_process(redis_url, key_prefix, PATIENT_GATE.model_copy(update={"queue_purchases": 5})) as process:
        await open_sale(process.gate, a_sale(stock=100))
        outcomes = await asyncio.gather(*(process.batcher.buy(a_purchase()) for _ in range(8)), return_exceptions=True)
        seen = await process.gate.snapshot("drop")
    assert [type(outcome) for outcome in outcomes] == [Reserved] * 5 + [GateBusy] * 3
    assert seen is not None
    assert seen.accepted == 5


async def test_what_waited_too_long_leaves_the_queue_untaken(redis_url: str, key_prefix: str) -> None:
    class Held:  # a gate whose calls begin when `go` is set
        async def reserve(self, sale: str, purchases: Sequence[Purchase], token: FencingToken) -> BatchReply:
            await go.wait()
            return await process.gate.reserve(sale, purchases, token)

    go = asyncio.Event()
    slow = PATIENT_GATE.model_copy(update={"queue_seconds": 0.05, "batch_purchases": 1, "batches_in_flight": 1})
    async with a_process(redis_url, key_prefix) as process:
        await open_sale(process.gate, a_sale())
        batcher = PurchaseBatcher(Held(), slow)
        go.set()
        await batcher.buy(a_purchase())
        go.clear()
        buyers = [asyncio.create_task(batcher.buy(a_purchase())) for _ in range(3)]
        await asyncio.sleep(4 * slow.queue_seconds)  # the time is tested: they wait too long
        go.set()
        outcomes = await asyncio.gather(*buyers, return_exceptions=True)
        seen = await process.gate.snapshot("drop")
    assert [type(outcome) for outcome in outcomes] == [Reserved, GateBusy, GateBusy]
    assert seen is not None
    assert seen.accepted == 2


async def test_a_server_that_does_not_answer_is_an_unknown_outcome_that_the_same_key_resolves(
    make_valkey: Callable[..., ValkeyServer], key_prefix: str
) -> None:
    server = make_valkey()
    hasty = PATIENT_GATE.model_copy(update={"command_timeout_seconds": 1.0})
    purchase = a_purchase(key="k")
    async with a_process(server.url, key_prefix, hasty) as process, a_process(server.url, key_prefix) as patient:
        await open_sale(patient.gate, a_sale(stock=1))
        await process.redis.ping()  # it connects before the server stands still
        stopped = psutil.Process(server.pid)
        stopped.suspend()
        with pytest.raises(GateUnavailable):
            await process.batcher.buy(purchase)
        stopped.resume()
        outcome = await patient.batcher.buy(replace(purchase, nonce="f" * 16))
        assert isinstance(outcome, Reserved)
        assert isinstance(await patient.batcher.buy(a_purchase(key="l")), SoldOut)
        assert isinstance(await patient.batcher.buy(replace(purchase, nonce="e" * 16)), Reserved)


async def test_a_killed_server_costs_503s_and_its_restart_needs_a_recount(
    make_valkey: Callable[..., ValkeyServer], key_prefix: str
) -> None:
    server = make_valkey()
    async with a_process(server.url, key_prefix) as process:
        sale = await open_sale(process.gate, a_sale())
        won = await process.batcher.buy(a_purchase(key="k"))
        server.kill()
        with pytest.raises(GateUnavailable):
            await process.batcher.buy(a_purchase())
        server.start()
        with pytest.raises(GateForgot, match="restarted"):
            await process.batcher.buy(a_purchase())
        assert process.reports.count("moved") == 1

        again = replace(sale, epoch=2)
        assert await process.gate.seed(again)
        assert await process.gate.open(again, remaining=9, backlog=1)
        outcome = await process.batcher.buy(a_purchase(key="k"))
        assert isinstance(won, Reserved)
        assert outcome == replace(won, replayed=True)


async def test_numbers_that_come_again_tell_that_the_server_went_back(redis_url: str, key_prefix: str) -> None:
    async with a_process(redis_url, key_prefix) as process:
        await open_sale(process.gate, a_sale())
        key = process.gate.keys("drop").sale
        await process.batcher.buy(a_purchase())
        older: dict[Any, Any] = await process.redis.hgetall(key)
        await process.batcher.buy(a_purchase())
        await process.redis.hset(key, mapping=older)
        await process.batcher.buy(a_purchase())
    assert process.reports.numbers == [1, 2, 2]
    assert process.reports.count("behind") == 1


class Defective:
    """A gate whose answers are then handled with a defect."""

    def __init__(self, gate: Gate, defect: BaseException) -> None:
        self._gate = gate
        self._defect = defect

    async def reserve(self, sale: str, purchases: Sequence[Purchase], token: FencingToken) -> BatchReply:
        reply = await self._gate.reserve(sale, purchases, token)
        if reply.result == "decided":
            raise self._defect
        return reply


async def test_a_defect_fails_every_purchase_of_the_call_and_is_logged_once(redis_url: str, key_prefix: str) -> None:
    defect = ValueError("not as many answers as purchases")
    orders = [a_purchase() for _ in range(3)]
    async with a_process(redis_url, key_prefix) as process:
        await open_sale(process.gate, a_sale())
        broken = PurchaseBatcher(Defective(process.gate, defect), PATIENT_GATE)
        with capture_logs() as lines:
            answers = await asyncio.gather(*map(broken.buy, orders), return_exceptions=True)
            await broken.close()
        assert [type(answer) for answer in answers] == [DecisionFailed] * 3
        assert {answer.__cause__ for answer in answers if isinstance(answer, DecisionFailed)} == {defect}
        assert [(line["event"], line["purchases"]) for line in lines] == [("a shared call failed unexpectedly", 3)]
        for order in orders:  # the purchase had succeeded, and its key replays it
            outcome = await process.batcher.buy(replace(order, nonce="f" * 16))
            assert isinstance(outcome, Reserved)
            assert outcome.replayed


async def test_a_reply_that_lacks_an_answer_leaves_nobody_waiting(redis_url: str, key_prefix: str) -> None:
    class Short:
        async def reserve(self, sale: str, purchases: Sequence[Purchase], token: FencingToken) -> BatchReply:
            reply = await process.gate.reserve(sale, purchases, token)
            return replace(reply, decisions=reply.decisions[:-1])

    async with a_process(redis_url, key_prefix) as process:
        await open_sale(process.gate, a_sale())
        short = PurchaseBatcher(Short(), PATIENT_GATE)
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(short.buy(a_purchase()) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Reserved, Reserved, DecisionFailed]


async def test_a_call_that_ends_with_its_process_is_an_unknown_outcome(redis_url: str, key_prefix: str) -> None:
    async with a_process(redis_url, key_prefix) as process:
        await open_sale(process.gate, a_sale())
        broken = PurchaseBatcher(Defective(process.gate, asyncio.CancelledError()), PATIENT_GATE)
        with pytest.raises(GateUnavailable):
            await broken.buy(a_purchase())


def queues() -> list[SaleQueue]:
    gc.collect()
    return [queue for queue in gc.get_objects() if isinstance(queue, SaleQueue)]


async def test_of_many_sales_the_latest_are_known_and_all_are_sold(
    redis_url: str, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "KNOWN_SALES", 2)
    before = len(queues())
    async with a_process(redis_url, key_prefix) as process:
        names = [f"drop-{number}" for number in range(5)]
        for name in names:
            await open_sale(process.gate, a_sale(name))
        for name in names + names:
            assert isinstance(await process.batcher.buy(a_purchase(sale=name)), Reserved)
        assert len(queues()) - before == 2
        crowd = [process.batcher.buy(a_purchase(sale=name)) for name in names]  # no sale is dropped while one waits
        assert {type(outcome) for outcome in await asyncio.gather(*crowd)} == {Reserved}
        assert len(queues()) - before == 2
    assert process.reports.count("behind") == 0


async def test_a_sale_that_was_used_lately_stays_known(
    redis_url: str, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two sales the busy one stays known, so that its calls need not ask for the epoch again."""
    monkeypatch.setattr(batching, "KNOWN_SALES", 2)
    async with a_process(redis_url, key_prefix) as process:
        for name in ("busy", "once", "new"):
            await open_sale(process.gate, a_sale(name))
        for name in ("busy", "once", "busy", "new"):
            await process.batcher.buy(a_purchase(sale=name))
        learned = process.reports.count("stale")
        await process.batcher.buy(a_purchase(sale="busy"))
        assert process.reports.count("stale") == learned == 3
