"""The duties of every strategy, however it counts the stock: replays, keys, the window, limits and honest refusals."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.ledger.sales import SaleRepository
from app.sales.model import Purchase, Sale, SaleTerms, UnknownSale
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Outcome, Reserved, SoldOut
from app.sales.strategy import AcceptedIn
from app.strategies.contention import Contention
from app.strategies.dependencies import RegisteredStrategy, StrategyDependencies
from app.strategies.registry import STRATEGIES
from tests.strategies.sale import won
from tests.support.databases import MigratedDatabases
from tests.support.toy_strategy import ToyStrategy

MAX_TRIES = 20
SELL_BESIDE_THE_ROW = ("sharded-counter", "skip-locked", "redis-decr", "redis-watch")


@dataclass
class SellingProcess:
    """A process that sells one sale by one strategy."""

    strategy: RegisteredStrategy
    sales: SaleRepository
    dependencies: StrategyDependencies
    sale: str

    async def open(self, **terms: Any) -> Sale:
        asked = replace(SaleTerms(name=self.sale, strategy=self.strategy.name, stock=10, think_ms=0), **terms)
        sale = (await self.sales.create(asked, guarded=self.strategy.promises_exactness)).sale
        await self.strategy.prepare(sale)
        return sale

    async def buy(self, customer: str = "ada", key: str | None = None, quantity: int = 1) -> Outcome:
        """Buy, and try again on contention, as a client should."""
        key = key or secrets.token_hex(8)
        for _ in range(MAX_TRIES):
            with suppress(Contention):
                return await self.strategy.buy(Purchase(self.sale, customer, key, quantity, secrets.token_hex(8)))
        raise AssertionError("nothing but contention")

    async def change(self, table_and_change: str, **values: Any) -> None:
        """Change the sale in the ledger, as the operator does, and prepare the strategy for the change."""
        async with self.dependencies.engine.begin() as connection:
            statement = text(f"UPDATE {table_and_change} = :sale")
            await connection.execute(statement, {"sale": self.sale} | values)
        await self.strategy.prepare(await self.committed())

    async def committed(self) -> Sale:
        sale = await self.sales.get(self.sale)
        assert sale is not None
        return sale

    async def remaining(self) -> int:
        sale = await self.committed()
        snapshot = await self.strategy.snapshot(sale)
        assert snapshot is not None
        assert (snapshot.round, snapshot.epoch, snapshot.stock) == (sale.round, sale.epoch, sale.terms.stock)
        return snapshot.remaining


@pytest.fixture(scope="module")
def database_url(migrated_databases: MigratedDatabases) -> Iterator[str]:
    """Yield one database for all of these tests, emptied once and not 300 times, as each test has its own sale."""
    yield from migrated_databases.lent()


@pytest.fixture(params=[*STRATEGIES.values(), ToyStrategy], ids=lambda strategy: strategy.name)
async def seller(request: pytest.FixtureRequest, dependencies: StrategyDependencies) -> AsyncIterator[SellingProcess]:
    strategy = request.param.build(dependencies)
    yield SellingProcess(strategy, SaleRepository(dependencies.engine), dependencies, f"drop-{secrets.token_hex(4)}")
    await strategy.close()


async def test_one_after_another_they_are_sold_exactly_the_stock(seller: SellingProcess) -> None:
    await seller.open(stock=3)
    outcomes = [await seller.buy(f"customer-{number}") for number in range(5)]
    assert [type(outcome) for outcome in outcomes] == [Reserved] * 3 + [SoldOut] * 2
    assert outcomes[-1] == SoldOut(0)
    assert await seller.remaining() == 0
    assert len({won(outcome).reservation for outcome in outcomes[:3]}) == 3


async def test_the_ledgers_guard_counts_along_but_for_those_who_sell_beside_its_row(seller: SellingProcess) -> None:
    if seller.strategy.accepted_in is not AcceptedIn.LEDGER:
        pytest.skip("booked by a worker: tests/drain/test_bookings.py")
    await seller.open()
    won(await seller.buy(quantity=3))
    async with seller.dependencies.engine.connect() as connection:
        statement = text("SELECT booked FROM inventory WHERE sale = :sale")
        counted = await connection.scalar(statement, {"sale": seller.sale})
    assert counted == (0 if seller.strategy.name in SELL_BESIDE_THE_ROW else 3)


async def test_more_than_is_left_is_not_sold_and_less_is(seller: SellingProcess) -> None:
    await seller.open(stock=5)
    won(await seller.buy(quantity=3))
    assert await seller.buy(quantity=3) == SoldOut(2)
    won(await seller.buy(quantity=2))
    assert await seller.buy() == SoldOut(0)


async def test_a_key_that_won_is_answered_as_the_first_time_also_when_all_is_sold(seller: SellingProcess) -> None:
    await seller.open(stock=1)
    first = won(await seller.buy(key="k"))
    again = won(await seller.buy(key="k"))
    assert (again.reservation, again.quantity, again.replayed) == (first.reservation, 1, True)
    assert not first.replayed
    assert await seller.remaining() == 0


async def test_a_resend_of_one_request_is_no_replay(seller: SellingProcess) -> None:
    await seller.open()
    request = Purchase(seller.sale, "ada", "k", 1, secrets.token_hex(8))
    first = await seller.strategy.buy(request)
    assert await seller.strategy.buy(request) == first
    assert await seller.remaining() == 9


async def test_a_key_that_bought_another_quantity_is_refused(seller: SellingProcess) -> None:
    await seller.open()
    won(await seller.buy(key="k", quantity=2))
    assert await seller.buy(key="k", quantity=1) == KeyReused(2)
    assert await seller.remaining() == 8


async def test_a_key_belongs_to_its_customer_and_its_round(seller: SellingProcess) -> None:
    await seller.open()
    won(await seller.buy("ada", key="k"))
    assert not won(await seller.buy("bob", key="k")).replayed
    await seller.strategy.prepare(await seller.sales.next_round(seller.sale))
    again = won(await seller.buy("ada", key="k"))
    assert (again.replayed, again.reservation.round) == (False, 2)
    assert await seller.remaining() == 9


async def test_a_key_sent_many_times_at_once_buys_once(seller: SellingProcess) -> None:
    await seller.open()
    outcomes = await asyncio.gather(*(seller.buy(key="k") for _ in range(6)))
    assert len({won(outcome).reservation for outcome in outcomes}) == 1
    assert sum(not won(outcome).replayed for outcome in outcomes) == 1
    if seller.strategy.promises_exactness:
        assert await seller.remaining() == 9


async def test_the_limit_holds_for_one_request_after_another(seller: SellingProcess) -> None:
    await seller.open(customer_limit=2)
    won(await seller.buy("ada"))
    assert await seller.buy("ada", quantity=2) == CustomerLimitReached(held=1, limit=2)
    won(await seller.buy("ada"))
    assert await seller.buy("ada") == CustomerLimitReached(held=2, limit=2)
    won(await seller.buy("bob", quantity=2))
    assert await seller.remaining() == 6


async def test_the_limit_holds_for_requests_that_overlap(seller: SellingProcess) -> None:
    if not seller.strategy.keeps_limit:
        pytest.skip("promises nothing; what comes of it is shown in a test of its own")
    await seller.open(customer_limit=1, think_ms=50)
    outcomes = await asyncio.gather(*(seller.buy("ada") for _ in range(8)))
    assert sum(isinstance(outcome, Reserved) for outcome in outcomes) == 1
    assert outcomes.count(CustomerLimitReached(held=1, limit=1)) == 7


async def test_a_sale_that_opens_later_answers_when(seller: SellingProcess) -> None:
    await seller.open(opens_at=datetime.now(UTC) + timedelta(hours=1))
    outcome = await seller.buy()
    assert isinstance(outcome, NotOpen)
    assert outcome.reason == "scheduled"
    assert outcome.opens_in_seconds is not None
    assert 3500 < outcome.opens_in_seconds <= 3600


async def test_a_sale_whose_time_has_passed_sells_nothing(seller: SellingProcess) -> None:
    await seller.open(closes_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert await seller.buy() == NotOpen("closed")
    assert await seller.remaining() == 10


async def test_a_sale_that_was_ended_sells_nothing_more_but_knows_who_won(seller: SellingProcess) -> None:
    await seller.open()
    first = won(await seller.buy(key="k"))
    await seller.strategy.prepare(await seller.sales.end(seller.sale))
    assert await seller.buy() == NotOpen("closed")
    assert won(await seller.buy(key="k")).reservation == first.reservation


async def test_a_paused_sale_sells_nothing_until_it_goes_on(seller: SellingProcess) -> None:
    await seller.open()
    for paused in (True, False):
        await seller.change("sales SET paused = :paused WHERE name", paused=paused)
        assert (await seller.buy() == NotOpen("paused")) is paused
    assert await seller.remaining() == 9


async def test_stock_that_grows_is_sold_too(seller: SellingProcess) -> None:
    await seller.open(stock=1)
    won(await seller.buy())
    assert await seller.buy() == SoldOut(0)
    await seller.change("inventory SET stock = stock + 2, remaining = remaining + 2 WHERE sale")
    won(await seller.buy(quantity=2))
    assert await seller.buy() == SoldOut(0)


async def test_a_sale_that_nobody_knows_is_unknown(seller: SellingProcess) -> None:
    with pytest.raises(UnknownSale):
        await seller.buy()
