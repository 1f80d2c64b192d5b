"""The atomic strategy between gate and ledger, in particular if one of them does not know the sale."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.drain import Drain
from app.gate.gate import Gate
from app.gate.replies import GateForgot
from app.ledger.receipts import ReceiptRepository
from app.ledger.sales import SaleRepository
from app.reconcile.reconciler import Reconciler
from app.sales.model import Sale, SaleTerms, UnknownSale
from app.sales.outcomes import KeyReused, NotOpen, Reserved
from app.settings import DrainSettings, ReconcileSettings
from app.strategies import atomic
from app.strategies.atomic import AtomicStrategy
from app.strategies.dependencies import StrategyDependencies
from app.strategies.registry import STRATEGIES
from tests.support.sales import a_purchase
from tests.support.until import until

TERMS = SaleTerms(name="drop", strategy="atomic", stock=10)


@dataclass
class AtomicSale:
    """The sale `drop`, its drain and its reconciler."""

    strategy: AtomicStrategy
    sales: SaleRepository
    gate: Gate
    engine: AsyncEngine
    redis: Redis
    drain: Drain
    reconciler: Reconciler

    async def open(self) -> Sale:
        sale = (await self.sales.create(TERMS, guarded=True)).sale
        await self.strategy.prepare(sale)
        return sale

    async def reconcile(self) -> None:
        sale = await self.sales.get("drop")
        assert sale is not None
        await self.reconciler.reconcile_sale(sale)

    async def remaining(self) -> int | None:
        seen = await self.gate.snapshot("drop")
        return None if seen is None else seen.remaining


@pytest.fixture
async def here(parts: StrategyDependencies) -> AsyncIterator[AtomicSale]:
    strategy = AtomicStrategy(parts)
    yield AtomicSale(
        strategy=strategy,
        sales=SaleRepository(parts.engine),
        gate=parts.gate,
        engine=parts.engine,
        redis=parts.redis,
        drain=Drain(parts.redis, parts.engine, DrainSettings(), key_prefix=parts.gate_settings.key_prefix),
        reconciler=Reconciler(parts.engine, parts.gate, STRATEGIES, ReconcileSettings()),
    )
    await strategy.close()


async def test_a_won_key_wins_after_the_sale_has_ended_and_left_redis(here: AtomicSale) -> None:
    await here.open()
    won = await here.strategy.buy(a_purchase(key="k"))
    await here.drain.sale("drop", 5)
    await here.strategy.prepare(await here.sales.end("drop"))
    await here.reconcile()
    assert await here.gate.snapshot("drop") is None

    again = await here.strategy.buy(a_purchase(key="k"))
    assert isinstance(won, Reserved)
    assert isinstance(again, Reserved)
    assert (again.reservation, again.replayed) == (won.reservation, True)
    assert await here.strategy.buy(a_purchase(key="k", quantity=2)) == KeyReused(1)
    assert await here.strategy.buy(a_purchase(key="other")) == NotOpen("closed")


async def test_a_sale_that_nobody_knows_is_not_one_that_redis_forgot(here: AtomicSale) -> None:
    with pytest.raises(UnknownSale):
        await here.strategy.buy(a_purchase())
    await here.open()
    await here.redis.unlink(here.gate.keys("drop").sale)
    with pytest.raises(GateForgot):
        await here.strategy.buy(a_purchase())


async def test_a_sale_that_ended_before_its_round_was_seeded_sells_nothing_more(here: AtomicSale) -> None:
    await here.open()
    assert isinstance(await here.strategy.buy(a_purchase()), Reserved)
    await here.sales.next_round("drop")  # committed, and then the process dies
    await here.strategy.prepare(await here.sales.end("drop"))

    with pytest.raises(GateForgot):
        await here.strategy.buy(a_purchase())
    await here.drain.sale("drop", 5)
    await here.reconcile()
    assert await here.strategy.buy(a_purchase()) == NotOpen("closed")


async def test_orders_that_redis_forgot_are_found_by_what_buyers_were_told(here: AtomicSale) -> None:
    sale = await here.open()
    outcomes = [await here.strategy.buy(a_purchase(key=f"k{number}")) for number in range(3)]
    await here.drain.sale("drop", 5)
    lost = await here.strategy.buy(a_purchase(key="lost", quantity=2))
    await here.redis.unlink(here.gate.keys("drop").sale, here.gate.keys("drop").orders)

    # There are no more purchases: the strategy's own watch must notice the loss and write the receipts by itself.
    async def left_word() -> bool:
        return (await ReceiptRepository(here.engine).lost("drop", sale.round)).orders > 0

    await until(left_word)
    found = await ReceiptRepository(here.engine).lost("drop", sale.round)
    assert isinstance(lost, Reserved)
    assert (found.orders, found.tickets, found.named) == (1, 2, (str(lost.reservation),))

    await here.reconcile()
    assert await here.remaining() == 7  # lost tickets are for sale again, booked ones are not
    replay = await here.strategy.buy(a_purchase(key="k0"))
    assert isinstance(replay, Reserved)
    assert isinstance(outcomes[0], Reserved)
    assert (replay.reservation, replay.replayed) == (outcomes[0].reservation, True)


async def test_orders_are_not_lost_by_a_recount(here: AtomicSale) -> None:
    """The control: the sale is fenced and recounted, but no data were lost."""
    sale = await here.open()
    assert isinstance(await here.strategy.buy(a_purchase()), Reserved)
    assert await here.gate.fence("drop", sale.epoch)
    await here.reconcile()
    assert isinstance(await here.strategy.buy(a_purchase()), Reserved)  # learns the new epoch and writes receipts
    await until(lambda: _receipts(here.engine))
    await here.drain.sale("drop", 5)
    assert (await ReceiptRepository(here.engine).lost("drop", sale.round)).orders == 0


async def _receipts(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM receipts"))).scalar_one())


async def test_a_process_remembers_the_latest_of_the_sales_that_it_sold(
    here: AtomicSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "KNOWN_SALES", 2)
    names = [f"drop-{number}" for number in range(4)]
    for name in names:
        sale = (await here.sales.create(SaleTerms(name=name, strategy="atomic", stock=10), guarded=True)).sale
        await here.strategy.prepare(sale)
        assert isinstance(await here.strategy.buy(a_purchase(sale=name)), Reserved)
    assert list(here.strategy._epochs) == names[-2:]  # noqa: SLF001  memory use is not visible elsewhere
