"""The active sales for a scrape of the metrics. Their number and the time are bounded, to keep the scrape cheap."""

import asyncio

import structlog

from app.api.services import Services
from app.errors import AtomicTicketsError
from app.services.sale_view import SaleView

MAX_SALES = 50
TIMEOUT_SECONDS = 2.0

log = structlog.get_logger()


async def active_sales(services: Services) -> tuple[list[SaleView], bool]:
    """Return views of up to MAX_SALES active sales, and whether they are all active sales."""
    views: list[SaleView] = []
    if not services.readiness.started:
        return views, False
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            active = await services.sales.active(limit=MAX_SALES + 1)
            for sale in active[:MAX_SALES]:
                views.append(await services.sales.view(sale.name))  # noqa: PERF401  a time-out keeps earlier views
    except (AtomicTicketsError, TimeoutError) as error:
        log.warning("a scrape is incomplete", reason=str(error) or "too slow", sales=len(views))
        return views, False
    return views, len(active) <= MAX_SALES
