"""Fixtures for the services, on the test's own ledger, with the naive strategy and one whose answers a test decides."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.sales import SaleRepository
from app.sales.strategy import Strategy
from app.services.catalog import SaleCatalog
from app.services.sales import SalesService
from app.strategies.naive import NaiveStrategy
from tests.services.scripted_strategy import ScriptedStrategy


@pytest.fixture
def scripted() -> ScriptedStrategy:
    return ScriptedStrategy()


@pytest.fixture
def strategies(engine: AsyncEngine, scripted: ScriptedStrategy) -> dict[str, Strategy]:
    return {"naive": NaiveStrategy(engine), "scripted": scripted}


@pytest.fixture
def service(sales: SaleRepository, strategies: dict[str, Strategy]) -> SalesService:
    return SalesService(sales, strategies)


@pytest.fixture
def catalog(sales: SaleRepository, strategies: dict[str, Strategy]) -> SaleCatalog:
    return SaleCatalog(sales, strategies)
