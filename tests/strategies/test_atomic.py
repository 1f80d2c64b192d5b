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
async def atomic_sale(dependencies: StrategyDependencies) -> AsyncIterator[AtomicSale]:
    strategy = AtomicStrategy(dependencies)
    yield AtomicSale(
        strategy=strategy,
        sales=SaleRepository(dependencies.engine),
        gate=dependencies.gate,
        engine=dependencies.engine,
        redis=dependencies.redis,
        drain=Drain(
            dependencies.redis, dependencies.engine, DrainSettings(), key_prefix=dependencies.gate_settings.key_prefix
        ),
        reconciler=Reconciler(dependencies.engine, dependencies.gate, STRATEGIES, ReconcileSettings()),
    )
    await strategy.close()


async def test_a_won_key_wins_after_the_sale_has_ended_and_left_redis(atomic_sale: AtomicSale) -> None:
    await atomic_sale.open()
    won = await atomic_sale.strategy.buy(a_purchase(key="k"))
    await atomic_sale.drain.sale("drop", 5)
    await atomic_sale.strategy.prepare(await atomic_sale.sales.end("drop"))
    await atomic_sale.reconcile()
    assert await atomic_sale.gate.snapshot("drop") is None

    again = await atomic_sale.strategy.buy(a_purchase(key="k"))
    assert isinstance(won, Reserved)
    assert isinstance(again, Reserved)
    assert (again.reservation, again.replayed) == (won.reservation, True)
    assert await atomic_sale.strategy.buy(a_purchase(key="k", quantity=2)) == KeyReused(1)
    assert await atomic_sale.strategy.buy(a_purchase(key="other")) == NotOpen("closed")


async def test_a_sale_that_nobody_knows_is_not_one_that_redis_forgot(atomic_sale: AtomicSale) -> None:
    with pytest.raises(UnknownSale):
        await atomic_sale.strategy.buy(a_purchase())
    await atomic_sale.open()
    await atomic_sale.redis.unlink(atomic_sale.gate.keys("drop").sale)
    with pytest.raises(GateForgot):
        await atomic_sale.strategy.buy(a_purchase())


async def test_a_sale_that_ended_before_its_round_was_seeded_sells_nothing_more(atomic_sale: AtomicSale) -> None:
    await atomic_sale.open()
    assert isinstance(await atomic_sale.strategy.buy(a_purchase()), Reserved)
    await atomic_sale.sales.next_round("drop")  # committed, and then the process dies
    await atomic_sale.strategy.prepare(await atomic_sale.sales.end("drop"))

    with pytest.raises(GateForgot):
        await atomic_sale.strategy.buy(a_purchase())
    await atomic_sale.drain.sale("drop", 5)
    await atomic_sale.reconcile()
    assert await atomic_sale.strategy.buy(a_purchase()) == NotOpen("closed")


async def test_orders_that_redis_forgot_are_found_by_what_buyers_were_promised(atomic_sale: AtomicSale) -> None:
    sale = await atomic_sale.open()
    outcomes = [await atomic_sale.strategy.buy(a_purchase(key=f"k{number}")) for number in range(3)]
    await atomic_sale.drain.sale("drop", 5)
    lost = await atomic_sale.strategy.buy(a_purchase(key="lost", quantity=2))
    keys = atomic_sale.gate.keys("drop")
    await atomic_sale.redis.unlink(keys.sale, keys.orders, keys.answers(sale.round))

    # There are no more purchases: the strategy's own watch must notice the loss and write the receipts by itself.
    async def has_receipts() -> bool:
        return (await ReceiptRepository(atomic_sale.engine).lost("drop", sale.round)).orders > 0

    await until(has_receipts)
    found = await ReceiptRepository(atomic_sale.engine).lost("drop", sale.round)
    assert isinstance(lost, Reserved)
    assert (found.orders, found.tickets, found.named) == (1, 2, (str(lost.reservation),))

    await atomic_sale.reconcile()
    assert await atomic_sale.remaining() == 7  # lost tickets are for sale again, booked ones are not
    replay = await atomic_sale.strategy.buy(a_purchase(key="k0"))
    assert isinstance(replay, Reserved)
    assert isinstance(outcomes[0], Reserved)
    assert (replay.reservation, replay.replayed) == (outcomes[0].reservation, True)


async def test_orders_are_not_lost_by_a_recount(atomic_sale: AtomicSale) -> None:
    """The control: the sale is fenced and recounted, but no data were lost."""
    sale = await atomic_sale.open()
    assert isinstance(await atomic_sale.strategy.buy(a_purchase()), Reserved)
    assert await atomic_sale.gate.fence("drop", sale.epoch)
    await atomic_sale.reconcile()
    assert isinstance(
        await atomic_sale.strategy.buy(a_purchase()), Reserved
    )  # learns the new epoch and writes receipts
    await until(lambda: _receipts(atomic_sale.engine))
    await atomic_sale.drain.sale("drop", 5)
    assert (await ReceiptRepository(atomic_sale.engine).lost("drop", sale.round)).orders == 0


async def _receipts(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM receipts"))).scalar_one())


async def test_a_process_remembers_the_latest_of_the_sales_that_it_sold(
    atomic_sale: AtomicSale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "KNOWN_SALES", 2)
    names = [f"drop-{number}" for number in range(4)]
    for name in names:
        sale = (await atomic_sale.sales.create(SaleTerms(name=name, strategy="atomic", stock=10), guarded=True)).sale
        await atomic_sale.strategy.prepare(sale)
        assert isinstance(await atomic_sale.strategy.buy(a_purchase(sale=name)), Reserved)
    assert list(atomic_sale.strategy._epochs) == names[-2:]  # noqa: SLF001  memory use is not visible elsewhere
