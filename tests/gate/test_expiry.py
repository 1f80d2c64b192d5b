"""After any life of a sale: once it has ended and is removed, each of its keys is gone or has a time to live."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from app.gate.gate import Gate
from app.gate.replies import FencingToken, RestoredOrder
from app.sales.model import ReservationId, Sale
from app.sales.order import Order
from app.sales.outcomes import Reserved
from app.settings import ANSWER_LIFE_SECONDS
from tests.support.sales import a_purchase, a_sale, open_sale

LASTING = -1


def closes() -> datetime:
    """Return the time in an hour. A constant could be in the past, because the run may have begun an hour ago."""
    return datetime.now(UTC) + timedelta(hours=1)


async def ttls(gate: Gate, redis: Redis) -> dict[str, int]:
    """Return the time to live, in seconds, of each key of the sale that is left, by the end of its name."""
    stem = gate.keys("drop").sale.removesuffix("sale")
    return {name.removeprefix(stem): await redis.ttl(name) async for name in redis.scan_iter(match=f"{stem}*")}


async def sell(gate: Gate, sale: Sale, *customers: str, cancel: bool = False) -> None:
    """Sell a ticket to each customer in one call. If `cancel`, release the first one again."""
    reply = await gate.reserve("drop", [a_purchase(each) for each in customers], FencingToken(sale.epoch, sale.round))
    won = [decision.outcome for decision in reply.decisions if isinstance(decision.outcome, Reserved)]
    assert len(won) == len(customers)
    if cancel:
        assert await gate.release(won[0].reservation, sale.epoch, customers[0], 1) == "released"


async def follow(gate: Gate, sale: Sale) -> Sale:
    assert await gate.amend(sale)
    return sale


async def plain(gate: Gate) -> Sale:
    sale = await open_sale(gate, a_sale(customer_limit=4))
    await sell(gate, sale, "ada", cancel=True)
    return await follow(gate, ended(sale))


async def first_sold_after_the_close_was_known(gate: Gate) -> Sale:
    sale = await open_sale(gate, a_sale(customer_limit=4, closes_at=closes()))
    await sell(gate, sale, "ada", "ada", "eve", cancel=True)
    return ended(sale)


async def given_a_close_and_a_limit_later(gate: Gate) -> Sale:
    sale = await open_sale(gate, a_sale())
    await sell(gate, sale, "ada")
    closing = await follow(gate, a_sale(customer_limit=4, closes_at=closes()))
    await sell(gate, closing, "eve", cancel=True)
    return ended(closing)


async def recounted(gate: Gate) -> Sale:
    await plain(gate)
    sale = a_sale(epoch=2, customer_limit=4, closes_at=closes())
    assert await gate.seed(sale)
    order = Order(ReservationId("drop", 1, "1-1", secrets.token_hex(8)), 1, 1, "ada", "k", 1, 1)
    assert await gate.restore(sale, [RestoredOrder(order, 1)], first=True)
    assert await gate.open(sale, remaining=9, backlog=0)
    await sell(gate, sale, "eve", cancel=True)
    return ended(sale)


async def fenced_and_then_ended(gate: Gate) -> Sale:
    sale = await open_sale(gate, a_sale(customer_limit=4))
    await sell(gate, sale, "ada", cancel=True)
    assert await gate.fence("drop", 1)
    return ended(sale)


async def reset_twice_while_the_server_was_away(gate: Gate) -> Sale:
    await sell(gate, await open_sale(gate, a_sale(customer_limit=4)), "ada", cancel=True)
    sale = await open_sale(gate, a_sale(round_=3, epoch=3))
    await sell(gate, sale, "eve")
    return await follow(gate, ended(sale))


async def reset_and_ended_while_the_server_was_away(gate: Gate) -> Sale:
    await sell(gate, await open_sale(gate, a_sale(customer_limit=4)), "ada", cancel=True)
    assert await gate.fence("drop", 3)
    return ended(a_sale(round_=3, epoch=3))


async def without_its_hash(gate: Gate) -> Sale:
    sale = await plain(gate)
    await drain(gate)
    assert await gate.remove(sale)
    return sale


async def drain(gate: Gate) -> None:
    """Empty the stream, as the drain does."""
    await gate._redis.xtrim(gate.keys("drop").orders, maxlen=0)  # noqa: SLF001  of the drain only this matters here


def ended(sale: Sale) -> Sale:
    return replace(sale, ended_at=datetime.now(UTC))


@pytest.mark.parametrize(
    "story",
    [
        plain,
        first_sold_after_the_close_was_known,
        given_a_close_and_a_limit_later,
        recounted,
        fenced_and_then_ended,
        reset_twice_while_the_server_was_away,
        reset_and_ended_while_the_server_was_away,
        without_its_hash,
    ],
)
async def test_a_removed_sale_leaves_nothing_forever(
    gate: Gate, stock_redis: Redis, story: Callable[[Gate], Awaitable[Sale]]
) -> None:
    sale = await story(gate)
    if await stock_redis.xlen(gate.keys(sale.name).orders):
        assert not await gate.remove(sale), "orders still wait"
        await drain(gate)
    assert await gate.remove(sale)
    left = await ttls(gate, stock_redis)
    assert left
    assert not {"sale", "orders"} & left.keys()
    assert all(ANSWER_LIFE_SECONDS - 60 <= seconds <= ANSWER_LIFE_SECONDS + 3600 for seconds in left.values()), left


async def test_a_sale_that_only_closes_forgets_its_answers_a_day_later(gate: Gate, stock_redis: Redis) -> None:
    await first_sold_after_the_close_was_known(gate)
    left = await ttls(gate, stock_redis)
    assert {name for name, seconds in left.items() if seconds > ANSWER_LIFE_SECONDS} == {
        "answers:1",
        "customers:1",
        "released:1",
    }


async def test_a_close_that_is_taken_back_keeps_the_answers(gate: Gate, stock_redis: Redis) -> None:
    await first_sold_after_the_close_was_known(gate)
    await follow(gate, a_sale(customer_limit=4))
    assert set((await ttls(gate, stock_redis)).values()) == {LASTING}


async def test_unlinked_by_hand_a_fenced_sale_would_leave_its_answers_forever(gate: Gate, stock_redis: Redis) -> None:
    """The control: without the removal's script the answers have no time to live."""
    await fenced_and_then_ended(gate)
    await stock_redis.unlink(gate.keys("drop").sale, gate.keys("drop").orders)
    assert (await ttls(gate, stock_redis))["answers:1"] == LASTING
