"""A defect in one sale's payload must not hide the payloads of other sales."""

import asyncio
import json
from typing import Any

from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.ledger.sales import SaleRepository
from app.ledger.tickets import TicketRepository
from app.live.resources import ResourceReports
from app.live.sale_poller import SalePoller
from app.live.stream import LiveStream
from app.sales.model import SaleTerms
from app.services.sales import SalesService
from app.strategies.dependencies import StrategyDependencies
from app.strategies.naive import NaiveStrategy
from tests.support.until import until


class StumblingPoller(SalePoller):
    async def payload(self, name: str) -> dict[str, Any]:
        if name == "broken":
            raise ZeroDivisionError
        return await super().payload(name)


async def test_a_sale_that_can_not_be_polled_is_logged_once_and_hides_no_other(
    dependencies: StrategyDependencies, sales: SaleRepository, broker: Redis, stream: LiveStream, key_prefix: str
) -> None:
    service = SalesService(sales, {"naive": NaiveStrategy(dependencies.engine)})
    for name in ("broken", "fine"):
        await service.create(SaleTerms(name=name, strategy="naive", stock=10))
    resources = ResourceReports(broker, key_prefix)
    sale_poller = StumblingPoller(stream, service, TicketRepository(dependencies.engine), resources, process="this")

    async def shown(name: str) -> bool:
        events = await stream.after("0-0")
        return name in [json.loads(event.data)["name"] for event in events if event.name == "sale"]

    with capture_logs() as logs:
        polling = asyncio.create_task(sale_poller.run())
        await until(lambda: shown("fine"), seconds=20)
        await service.create(SaleTerms(name="late", strategy="naive", stock=10))
        await until(lambda: shown("late"), seconds=20)
        assert polling.cancel()
        await asyncio.wait({polling})
    assert [(log["log_level"], log["sale"]) for log in logs] == [("error", "broken")]
