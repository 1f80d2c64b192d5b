"""The application: builds the dependencies of an API process, and starts and stops them in order."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version

import structlog
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.application import Application
from app.api.dashboard import CHARTS
from app.api.lab_control import LabControl
from app.api.readiness import Readiness, cancel
from app.api.services import Services
from app.drain.hints import Hints
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.gate.server import durability_doubts
from app.ledger.attempts import AttemptRepository
from app.ledger.blasts import BlastRepository
from app.ledger.connections import connection_problems, require_writable
from app.ledger.engine import POOL_SIZES, make_engine
from app.ledger.receipts import ReceiptRepository
from app.ledger.reservations import ReservationRepository
from app.ledger.sales import SaleRepository
from app.ledger.schema import installation_id
from app.ledger.tickets import TicketRepository
from app.live.hub import Hub
from app.live.resources import ResourceReports
from app.live.sale_poller import SalePoller
from app.live.stream import LiveStream
from app.live.watching import Live
from app.races.meters import ATTEMPTS, WITNESSES
from app.races.recorder import AttemptRecorder
from app.services.catalog import SaleCatalog
from app.services.purchases import PurchaseService
from app.services.reservations import Reservations
from app.services.sales import SalesService
from app.settings import ApiSettings, GateSettings, LedgerSettings, SaleSettings, StoreSettings, TraceSettings
from app.strategies.dependencies import StrategyDependencies
from app.strategies.meters import RETRIES
from app.strategies.registry import STRATEGIES, build_strategies
from app.telemetry.metrics import Metrics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of an API process. By default they come from the environment."""

    stores: StoreSettings = field(default_factory=StoreSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    sales: SaleSettings = field(default_factory=SaleSettings)
    traces: TraceSettings = field(default_factory=TraceSettings)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application.

    It opens its stores in its lifespan, and is ready (`app.state.readiness`) once they have answered.
    """
    settings = settings or Settings()
    readiness = Readiness()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Services]]:
        async with AsyncExitStack() as stack:
            yield {"services": await open_services(settings, readiness, stack)}

    application = Application(
        body_limit_bytes=settings.api.body_limit_bytes,
        lab=LabControl.from_environment(),
        lifespan=lifespan,
        version=version("atomictickets"),
    )
    application.state.readiness = readiness
    return application


async def open_services(settings: Settings, readiness: Readiness, stack: AsyncExitStack) -> Services:
    """Build all services, without waiting for a store. `stack` closes them again, the stores last."""
    engine = make_engine(settings.stores.database_url, "api", settings.ledger)
    stack.push_async_callback(engine.dispose)
    redis = make_redis(settings.stores.redis_url, "api", settings.gate)
    stack.push_async_callback(redis.aclose)
    gate = Gate.of(redis, settings.gate)
    sales, receipts = SaleRepository(engine), ReceiptRepository(engine)
    hints = Hints(settings.stores.broker_url)
    stack.push_async_callback(hints.close)
    attempts = AttemptRecorder(engine)
    stack.push_async_callback(attempts.close)
    dependencies = StrategyDependencies(
        engine=engine,
        redis=redis,
        gate=gate,
        hints=hints,
        broker_url=settings.stores.broker_url,
        gate_settings=settings.gate,
        attempts=attempts,
    )
    strategies = build_strategies(dependencies)
    for strategy in strategies.values():
        stack.push_async_callback(strategy.close)
    catalog = SaleCatalog(sales, strategies)
    dashboard_engine = make_engine(settings.stores.database_url, "sale-poller", settings.ledger)
    stack.push_async_callback(dashboard_engine.dispose)
    live = await open_live(settings, replace(dependencies, engine=dashboard_engine), readiness, stack)
    pool_sizes = settings.ledger.pool_size + POOL_SIZES["sale-poller"]
    preparing = asyncio.create_task(prepare_stores(readiness, engine, redis, gate, pool_sizes))
    stack.push_async_callback(cancel, preparing)
    return Services(
        purchases=PurchaseService(catalog),
        sales=SalesService(sales, strategies),
        reservations=Reservations(ReservationRepository(engine), receipts, catalog),
        tickets=TicketRepository(dashboard_engine),
        blasts=BlastRepository(dashboard_engine),
        attempts=AttemptRepository(dashboard_engine),
        think_ms=settings.sales.think_ms,
        trace_url=settings.traces.trace_url,
        live=live,
        readiness=readiness,
        metrics=Metrics(RETRIES, ATTEMPTS, WITNESSES),
        admin_token=settings.api.token,
        body_limit_bytes=settings.api.body_limit_bytes,
    )


async def open_live(
    settings: Settings, dependencies: StrategyDependencies, readiness: Readiness, stack: AsyncExitStack
) -> Live:
    """Build the live events of the dashboard.

    `dependencies` has connections of its own, so that the dashboard does not wait behind the buyers.
    """
    broker = make_redis(settings.stores.broker_url, "api", settings.gate)
    stack.push_async_callback(broker.aclose)
    strategies = build_strategies(dependencies)
    for strategy in strategies.values():
        stack.push_async_callback(strategy.close)
    sales = SalesService(SaleRepository(dependencies.engine), strategies)
    stream = LiveStream(broker, settings.gate.key_prefix)
    resources = ResourceReports(broker, settings.gate.key_prefix)
    sale_poller = SalePoller(stream, sales, TicketRepository(dependencies.engine), resources, process=uuid.uuid4().hex)
    hub = Hub(stream, sale_poller, leaving=lambda: readiness.leaving)
    stack.push_async_callback(hub.close)
    facts = {
        "strategies": [
            {"name": name, "promises_exactness": strategy.promises_exactness} for name, strategy in STRATEGIES.items()
        ],
        "charts": CHARTS.is_file(),
        "lab": LabControl.from_environment() is not None,
        "needs_token": settings.api.admin_token is not None,
    }
    return Live(
        stream=stream,
        hub=hub,
        sale_poller=sale_poller,
        sales=sales,
        blasts=BlastRepository(dependencies.engine),
        facts=facts,
    )


async def prepare_stores(
    readiness: Readiness, engine: AsyncEngine, redis: "Redis", gate: Gate, pool_sizes: int
) -> None:
    """Set the process ready once the stores have answered and belong together, and log doubts about them.

    `pool_sizes` is the number of connections that this process may open to the ledger.
    """
    too_few_connections: list[str] = []
    not_durable: list[str] = []

    async def ledger() -> None:
        await installation_id(engine)
        await require_writable(engine)
        too_few_connections[:] = await connection_problems(engine, pool_sizes)

    async def stock_server() -> None:
        await gate.claim(await installation_id(engine))
        await gate.load_scripts()

    async def durability() -> None:
        not_durable[:] = await durability_doubts(redis)

    await readiness.become_ready({"ledger": ledger, "stock server": stock_server, "durability": durability})
    for doubt in not_durable:
        log.warning("THE STOCK SERVER DOES NOT KEEP WHAT IT ACCEPTS", reason=doubt)
    for doubt in too_few_connections:
        log.warning("THE LEDGER TAKES TOO FEW CONNECTIONS", reason=doubt)
