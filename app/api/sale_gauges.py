"""The active sales as a scrape sees them: bounded in number and in time, since a scrape must not become a load."""

import asyncio

import structlog

from app.api.services import Services
from app.errors import AtomicTicketsError
from app.services.sale_view import SaleView

MAX_SALES = 50
PATIENCE_SECONDS = 2.0

log = structlog.get_logger()


async def active_sales(services: Services) -> tuple[list[SaleView], bool]:
    """Views of up to MAX_SALES active sales, and whether those are all of them."""
    views: list[SaleView] = []
    if not services.readiness.started:
        return views, False
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            active = await services.sales.active(limit=MAX_SALES + 1)
            for sale in active[:MAX_SALES]:
                views.append(await services.sales.view(sale.name))  # noqa: PERF401  what was read before a time-out stays
    except (AtomicTicketsError, TimeoutError) as error:
        log.warning("a scrape is incomplete", why=str(error) or "too slow", sales=len(views))
        return views, False
    return views, len(active) <= MAX_SALES
