"""The answers of the script that decides purchases, one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from redis.asyncio import Redis

from app.gate.gate import Gate
from app.gate.replies import BatchReply, FencingToken, GateUnavailable
from app.sales.model import Purchase, Sale
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Outcome, Reserved, SoldOut
from tests.support.sales import a_purchase, a_sale, open_sale

NOW = FencingToken(epoch=1, round=1)


async def buy(gate: Gate, *purchases: Purchase, token: FencingToken = NOW) -> list[Outcome]:
    reply = await gate.reserve("drop", purchases, token)
    assert reply.result == "decided"
    return [decision.outcome for decision in reply.decisions]


async def refusal(gate: Gate, token: FencingToken = NOW) -> BatchReply:
    return await gate.reserve("drop", [a_purchase()], token)


async def test_a_purchase_takes_a_ticket_and_leaves_an_order(gate: Gate) -> None:
    await open_sale(gate, a_sale(stock=10))
    purchase = replace(a_purchase(quantity=3), traceparent="00-abc-def-01")

    (outcome,) = await buy(gate, purchase)

    assert isinstance(outcome, Reserved)
    assert not outcome.replayed
    assert outcome.reservation.nonce == purchase.nonce
    assert await gate.has_entry(outcome.reservation)
    seen = await gate.snapshot("drop")
    assert seen is not None
    assert (seen.remaining, seen.backlog, seen.accepted) == (7, 3, 1)
    (page,) = [page async for page in gate.entries("drop", seen.last_entry)]
    assert page == [
        (
            outcome.reservation.entry,
            {
                "round": "1",
                "epoch": "1",
                "number": "1",
                "customer": "ada",
                "key": purchase.key,
                "quantity": "3",
                "nonce": purchase.nonce,
                "ticket": "1",
                "traceparent": "00-abc-def-01",
            },
        )
    ]


async def test_sold_out_names_the_tickets_left_and_takes_nothing(gate: Gate) -> None:
    await open_sale(gate, a_sale(stock=2))
    outcomes = await buy(gate, a_purchase(quantity=3), a_purchase(quantity=2), a_purchase())
    assert outcomes[0] == SoldOut(2)
    assert isinstance(outcomes[1], Reserved)
    assert outcomes[2] == SoldOut(0)


async def test_a_key_replays_its_answer_even_when_sold_out_paused_or_closed(gate: Gate) -> None:
    sale = await open_sale(gate, a_sale(stock=1))
    (won,) = await buy(gate, a_purchase(key="k"))
    assert isinstance(won, Reserved)
    replay = replace(won, replayed=True)

    assert await buy(gate, a_purchase(key="k")) == [replay]
    await gate.amend(replace(sale, paused=True))
    assert await buy(gate, a_purchase(key="k")) == [replay]
    assert await buy(gate, a_purchase(key="other")) == [NotOpen("paused")]
    await gate.amend(replace(sale, ended_at=datetime.now(UTC)))
    assert await buy(gate, a_purchase(key="k")) == [replay]
    assert await buy(gate, a_purchase(key="other")) == [NotOpen("closed")]


async def test_a_resend_of_the_same_attempt_is_not_a_replay(gate: Gate) -> None:
    await open_sale(gate, a_sale())
    purchase = a_purchase()
    first, second = await buy(gate, purchase), await buy(gate, purchase)
    assert first == second
    seen = await gate.snapshot("drop")
    assert seen is not None
    assert (seen.remaining, seen.accepted) == (9, 1)


async def test_a_key_is_the_customers_own_and_of_one_quantity(gate: Gate) -> None:
    await open_sale(gate, a_sale())
    ada, reused, grace = await buy(
        gate, a_purchase("ada", "k"), a_purchase("ada", "k", quantity=2), a_purchase("grace", "k")
    )
    assert isinstance(ada, Reserved)
    assert reused == KeyReused(1)
    assert isinstance(grace, Reserved)
    assert grace.reservation != ada.reservation
    assert await buy(gate, a_purchase("ada", "k", quantity=2)) == [KeyReused(1)]


async def test_duplicates_in_one_batch_are_one_order(gate: Gate) -> None:
    await open_sale(gate, a_sale(customer_limit=2))
    first, second, third, over = await buy(
        gate, a_purchase(key="k"), a_purchase(key="k"), a_purchase(key="l"), a_purchase(key="m")
    )
    assert isinstance(first, Reserved)
    assert second == replace(first, replayed=True)
    assert isinstance(third, Reserved)
    assert over == CustomerLimitReached(held=2, limit=2)
    seen = await gate.snapshot("drop")
    assert seen is not None
    assert (seen.remaining, seen.backlog, seen.accepted) == (8, 2, 2)


async def test_the_window_follows_the_servers_own_clock(gate: Gate) -> None:
    now = datetime.now(UTC)
    sale = await open_sale(gate, a_sale(opens_at=now + timedelta(hours=1), closes_at=now + timedelta(hours=2)))
    (early,) = await buy(gate, a_purchase())
    assert isinstance(early, NotOpen)
    assert early.reason == "scheduled"
    assert early.opens_in_seconds == pytest.approx(3600, abs=60)

    past = replace(sale.terms, opens_at=now - timedelta(hours=2), closes_at=now - timedelta(hours=1))
    assert await gate.amend(replace(sale, terms=past))
    assert await buy(gate, a_purchase()) == [NotOpen("closed")]


@pytest.mark.parametrize(
    ("token", "result"),
    [
        (FencingToken(0, 0), "stale"),
        (FencingToken(1, 1), "stale"),
        (FencingToken(2, 1), "stale"),
        (FencingToken(3, 2), "behind"),
    ],
)
async def test_only_the_epoch_that_rules_may_buy(gate: Gate, token: FencingToken, result: str) -> None:
    await open_sale(gate, a_sale(epoch=2, round_=2))
    reply = await refusal(gate, token)
    assert (reply.result, reply.token, reply.decisions) == (result, FencingToken(2, 2), [])


async def test_a_sale_that_is_fenced_or_not_here_decides_nothing(gate: Gate) -> None:
    assert (await refusal(gate)).result == "missing"
    await open_sale(gate, a_sale())
    assert await gate.fence("drop", 1)
    assert (await refusal(gate)).result == "fenced"


async def test_a_sale_seeded_on_another_server_decides_nothing(gate: Gate, stock_redis: Redis) -> None:
    await open_sale(gate, a_sale())
    await stock_redis.hset(gate.keys("drop").sale, "server", "f" * 40)
    assert (await refusal(gate)).result == "moved"


async def test_a_hint_is_due_at_most_four_times_a_second_over_all_callers(gate: Gate, stock_redis: Redis) -> None:
    """The server's own clock is read, because a reply may be late."""
    await open_sale(gate, a_sale())

    async def due_at() -> int:
        """Return the time by the server's clock in ms, or 0 if no hint was due."""
        due = (await gate.reserve("drop", [a_purchase()], NOW)).hint_due
        return int(await stock_redis.hget(gate.keys("drop").sale, "hinted_at") or 0) if due else 0

    found = [await due_at() for _ in range(10)]
    assert found[0]
    due = [at for at in found if at]
    assert all(later - earlier >= 250 for earlier, later in pairwise(due))


async def test_a_flushed_script_cache_heals_without_an_error(gate: Gate, stock_redis: Redis) -> None:
    await open_sale(gate, a_sale())
    await stock_redis.script_flush()
    (outcome,) = await buy(gate, a_purchase())
    assert isinstance(outcome, Reserved)
    await stock_redis.script_flush()
    assert await gate.snapshot("drop") is not None


async def test_a_nonsensical_argument_is_refused_before_anything_is_written(gate: Gate) -> None:
    await open_sale(gate, a_sale())
    with pytest.raises(GateUnavailable):
        await buy(gate, a_purchase(), a_purchase(quantity=-1))
    seen = await gate.snapshot("drop")
    assert seen is not None
    assert (seen.remaining, seen.backlog, seen.accepted) == (10, 0, 0)


async def test_seeding_never_overwrites_what_is_as_new(gate: Gate) -> None:
    await open_sale(gate, a_sale(stock=10))
    await buy(gate, a_purchase(quantity=4))
    assert not await gate.seed(a_sale(stock=10))
    seen = await gate.snapshot("drop")
    assert seen is not None
    assert (seen.state, seen.remaining) == ("open", 6)


async def test_without_that_guard_a_second_seeding_doubles_the_stock(gate: Gate, stock_redis: Redis) -> None:
    """The control: plainly setting the stock of a running sale sells it twice."""
    sale: Sale = await open_sale(gate, a_sale(stock=10))
    await buy(gate, a_purchase(quantity=10))
    await stock_redis.hset(gate.keys("drop").sale, "remaining", sale.terms.stock)
    (outcome,) = await buy(gate, a_purchase(quantity=10))
    assert isinstance(outcome, Reserved)


async def test_two_who_give_back_on_one_snapshot_give_back_once(gate: Gate, stock_redis: Redis) -> None:
    await open_sale(gate, a_sale(stock=10))
    await stock_redis.hincrby(gate.keys("drop").sale, "remaining", -3)
    seen = await gate.snapshot("drop")
    assert seen is not None
    assert [await gate.give_back("drop", seen, 3) for _ in range(2)] == [True, False]
    after = await gate.snapshot("drop")
    assert after is not None
    assert (after.remaining, after.repairs) == (10, 1)


async def test_a_release_returns_the_ticket_and_the_allowance_once(gate: Gate) -> None:
    await open_sale(gate, a_sale(stock=1, customer_limit=1))
    (won,) = await buy(gate, a_purchase())
    assert isinstance(won, Reserved)
    assert [await gate.release(won.reservation, 1, "ada", 1) for _ in range(2)] == ["released", "already"]
    assert await gate.release(won.reservation, 2, "ada", 1) == "stale"
    (again,) = await buy(gate, a_purchase())
    assert isinstance(again, Reserved)
