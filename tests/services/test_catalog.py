"""The catalog queries the ledger once for a name, and a flood of unknown names does not become a flood of queries."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.sales import SaleRepository
from app.sales.model import Purchase, SaleTerms, UnknownSale
from app.services import catalog as catalog_module
from app.services.catalog import LOOKUPS_AT_ONCE, SaleCatalog, UnknownStrategy
from app.services.purchases import PurchaseService
from tests.services.scripted_strategy import ScriptedStrategy


@pytest.fixture
def queries(engine: AsyncEngine) -> Iterator[list[str]]:
    """Yield a list that collects the statements sent to the ledger."""
    sent: list[str] = []

    def note(*call: object) -> None:
        sent.append(str(call[2]))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def drop(sales: SaleRepository, scripted: ScriptedStrategy) -> str:
    return (await sales.create(SaleTerms(name="drop", strategy=scripted.name, stock=10), guarded=True)).sale.name


async def test_a_name_is_asked_for_once(
    catalog: SaleCatalog, drop: str, scripted: ScriptedStrategy, queries: list[str]
) -> None:
    assert catalog.known(drop) is None
    for _ in range(3):
        assert await catalog.find(drop) is scripted
    assert len(queries) == 1
    assert catalog.known(drop) is scripted


async def test_the_service_sells_by_the_strategy_of_the_sale(
    catalog: SaleCatalog, drop: str, scripted: ScriptedStrategy, queries: list[str]
) -> None:
    service = PurchaseService(catalog)
    purchases = [Purchase(drop, "ada", "key", 1, f"{n:016x}") for n in range(3)]
    for purchase in purchases:
        await service.buy(purchase)
    assert scripted.bought == purchases
    assert len(queries) == 1
    with pytest.raises(UnknownSale):
        await service.buy(Purchase("nothing", "ada", "key", 1, "0" * 16))


async def test_a_crowd_for_one_name_asks_a_few_times(catalog: SaleCatalog, drop: str, queries: list[str]) -> None:
    await asyncio.gather(*(catalog.find(drop) for _ in range(100)))
    assert len(queries) <= LOOKUPS_AT_ONCE


async def test_a_flood_for_an_unknown_name_asks_a_few_times(catalog: SaleCatalog, queries: list[str]) -> None:
    answers = await asyncio.gather(*(catalog.find("nothing") for _ in range(100)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {UnknownSale}
    assert len(queries) <= LOOKUPS_AT_ONCE


async def test_an_unknown_name_is_asked_for_again_after_a_while(
    catalog: SaleCatalog, sales: SaleRepository, scripted: ScriptedStrategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "UNKNOWN_SECONDS", 0.0)
    with pytest.raises(UnknownSale):
        await catalog.find("drop")
    await sales.create(SaleTerms(name="drop", strategy=scripted.name, stock=10), guarded=True)
    assert await catalog.find("drop") is scripted


async def test_a_full_catalog_forgets_the_name_used_longest_ago(
    catalog: SaleCatalog, sales: SaleRepository, scripted: ScriptedStrategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "KNOWN_SALES", 2)
    monkeypatch.setattr(catalog_module, "UNKNOWN_NAMES", 2)
    for name in ("a", "b", "c"):
        await sales.create(SaleTerms(name=name, strategy=scripted.name, stock=10), guarded=True)
    await catalog.find("a")
    await catalog.find("b")
    catalog.known("a")
    await catalog.find("c")
    assert [name for name in ("a", "b", "c") if catalog.known(name)] == ["a", "c"]
    for number in range(5):
        with pytest.raises(UnknownSale):
            await catalog.find(f"nothing-{number}")
    assert len(catalog._unknown_until) == 2  # noqa: SLF001  the bound is not visible from outside


async def test_an_ended_sale_keeps_its_strategy(
    catalog: SaleCatalog, drop: str, sales: SaleRepository, scripted: ScriptedStrategy
) -> None:
    await sales.end(drop)
    assert await catalog.find(drop) is scripted


async def test_a_strategy_of_another_release_is_unknown(catalog: SaleCatalog, sales: SaleRepository) -> None:
    await sales.create(SaleTerms(name="drop", strategy="of-tomorrow", stock=10), guarded=True)
    with pytest.raises(UnknownStrategy):
        await catalog.find("drop")
