"""How buckets are filled and emptied: no ticket is lost or dealt twice, and no buyer is refused too early."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import Reserved, SoldOut
from app.strategies import sharded_counter
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.strategy import Taken
from app.strategies.sharded_counter import BUCKETS, ShardedCounterStrategy, Share, borrow
from tests.strategies.sale import create_sale, insist, remaining, tally_of, won
from tests.support.sales import a_purchase

SHARES = st.lists(st.integers(0, 20), min_size=1, max_size=BUCKETS)


def laid_out(undealt: int, shares: list[int]) -> tuple[Share, list[Share]]:
    """Return the undealt rest and the buckets. The buckets follow each other from ticket 1 on, then comes the rest."""
    buckets, next_ticket = [], 1
    for tickets in shares:
        buckets.append(Share(next_ticket, tickets))
        next_ticket += tickets
    return Share(next_ticket, undealt), buckets


def tickets(*shares: Share) -> list[int]:
    return [share.next_ticket + offset for share in shares for offset in range(share.remaining)]


@given(undealt=st.integers(0, 1000), shares=SHARES, quantity=st.integers(1, 30))
def test_an_order_takes_its_tickets_and_leaves_all_others(undealt: int, shares: list[int], quantity: int) -> None:
    rest, buckets = laid_out(undealt, shares)
    before = tickets(rest, *buckets)
    first = borrow(quantity, rest, buckets)
    after = tickets(rest, *buckets)
    if len(before) < quantity:
        assert (first, after) == (None, before)
    else:
        assert first in before
        assert first not in after
        assert len(after) == len(set(after)) == len(before) - quantity
        assert set(after) < set(before)


@pytest.mark.parametrize(
    ("undealt", "shares", "quantity", "left"),
    [
        (100, [0, 0], 1, (93, [3, 3])),  # a share is a small part of what is undealt
        (100, [2, 9], 3, (96, [3, 9])),  # a small rest is used first, and its bucket is refilled
        (10, [1, 9], 3, (8, [0, 9])),  # near the end nothing is dealt: each order is filled from the rest
        (0, [1, 9], 3, (0, [0, 7])),  # borrowed
    ],
)
def test_shares(undealt: int, shares: list[int], quantity: int, left: tuple[int, list[int]]) -> None:
    rest, buckets = laid_out(undealt, shares)
    assert borrow(quantity, rest, buckets) is not None
    assert (rest.remaining, [share.remaining for share in buckets]) == left


async def test_buyers_of_several_tickets_leave_none_over(dependencies: StrategyDependencies) -> None:
    strategy = ShardedCounterStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=100)
    outcomes = await asyncio.gather(
        *(insist(strategy, a_purchase(f"customer-{number}", quantity=3)) for number in range(50))
    )
    assert sum(isinstance(outcome, Reserved) for outcome in outcomes) == 33
    assert {str(outcome) for outcome in outcomes if not isinstance(outcome, Reserved)} == {str(SoldOut(1))}
    won(await strategy.buy(a_purchase()))
    assert (await tally_of(dependencies, sale)).booked == 100
    assert await remaining(strategy, sale) == 0
    async with dependencies.engine.connect() as connection:
        first_tickets = list((await connection.execute(text("SELECT ticket FROM bookings"))).scalars())
    assert len(set(first_tickets)) == 34


TAKE_BACK_BUCKET_1 = text("""
    WITH emptied AS (UPDATE buckets SET remaining = 0 WHERE bucket = 1 RETURNING OLD.remaining AS tickets)
    UPDATE inventory SET remaining = remaining + tickets FROM emptied
""")


class Selfish(ShardedCounterStrategy):
    """The control: a purchase looks into one bucket only, even if that has too few tickets."""

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        here = {"sale": purchase.sale, "round": state.round, "bucket": 1, "quantity": purchase.quantity}
        ticket = await connection.scalar(sharded_counter.TAKE, here)
        return SoldOut(0) if ticket is None else Taken(ticket)


async def test_without_borrowing_a_buyer_is_sent_away_while_tickets_are_left(
    dependencies: StrategyDependencies,
) -> None:
    strategy = ShardedCounterStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=1000)
    won(await strategy.buy(a_purchase()))
    async with dependencies.engine.begin() as connection:
        await connection.execute(TAKE_BACK_BUCKET_1)
    assert await Selfish.build(dependencies).buy(a_purchase()) == SoldOut(0)
    assert await remaining(strategy, sale) == 999
    won(await strategy.buy(a_purchase()))
