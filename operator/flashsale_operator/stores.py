"""The stores that the operator uses, opened once, in the process's only event loop."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.hints import Hints
from app.errors import TemporarilyUnavailable
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.ledger.engine import make_engine
from app.ledger.managed import ManagedSales
from app.ledger.sales import SaleRepository
from app.ledger.schema import installation_id
from app.live.resources import ResourceReports
from app.reconcile.reconciler import Reconciler
from app.sales.strategy import Strategy
from app.services.sales import SalesService
from app.settings import GateSettings, LedgerSettings, ReconcileSettings, StoreSettings
from app.strategies.dependencies import StrategyDependencies
from app.strategies.registry import STRATEGIES, build_strategies

SPARE_CONNECTIONS = 2  # for the poll and the resync, beside the reconciliations

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The connections to Redis, Postgres and the broker, and the repositories and services built on them."""

    engine: AsyncEngine
    redis: "Redis"
    broker: "Redis"
    gate: Gate
    hints: Hints
    strategies: Mapping[str, Strategy]
    sales: SaleRepository
    managed: ManagedSales
    service: SalesService
    drift_reconciler: Reconciler
    reports: ResourceReports

    @classmethod
    def open(cls, sales_at_once: int) -> "Stores":
        """Build all dependencies from the environment, without connecting yet."""
        addresses, gate_settings = StoreSettings(), GateSettings()
        # A reconciliation may hold one connection for its recount while it needs another to raise the epoch.
        pool_size = 2 * sales_at_once + SPARE_CONNECTIONS
        engine = make_engine(addresses.database_url, "operator", LedgerSettings(), pool_size=pool_size)
        redis = make_redis(addresses.redis_url, "operator", gate_settings)
        broker = make_redis(addresses.broker_url, "operator", gate_settings)
        gate = Gate.of(redis, gate_settings)
        hints, sales = Hints(addresses.broker_url), SaleRepository(engine)
        dependencies = StrategyDependencies(
            engine=engine,
            redis=redis,
            gate=gate,
            hints=hints,
            broker_url=addresses.broker_url,
            gate_settings=gate_settings,
        )
        strategies = build_strategies(dependencies)
        return cls(
            engine=engine,
            redis=redis,
            broker=broker,
            gate=gate,
            hints=hints,
            strategies=strategies,
            sales=sales,
            managed=ManagedSales(engine),
            service=SalesService(sales, strategies),
            drift_reconciler=Reconciler(engine, gate, STRATEGIES, ReconcileSettings()),
            reports=ResourceReports(broker, gate_settings.key_prefix),
        )

    async def claim(self, pause_seconds: float) -> str:
        """Wait until the ledger and the stock server answer and belong together. Return the installation's id."""
        logged = False
        while True:
            try:
                installation = await installation_id(self.engine)
                await self.gate.claim(installation)
            except TemporarilyUnavailable as error:
                if not logged:
                    log.warning("waiting for the stores", error=error.detail)
                logged = True
                await asyncio.sleep(pause_seconds)
            else:
                return installation

    async def close(self) -> None:
        for strategy in self.strategies.values():
            await strategy.close()
        await self.hints.close()
        await self.broker.aclose()
        await self.redis.aclose()
        await self.engine.dispose()
