"""Routes that create, list, read, reset, pause and end sales."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.admin import require_admin
from app.api.bodies import json_only
from app.api.errors import BodyTooLarge, InvalidRequest, NotJson, NotReady, Unauthorized
from app.api.problems import problems
from app.api.sale_models import PauseIn, ResetIn, SaleIn, SaleOut, SalePage, SaleViewOut
from app.api.services import InstalledServices, require_ready
from app.errors import TemporarilyUnavailable
from app.ledger.sales import SaleEnded, SaleExists
from app.sales.managed import ManagedByResource
from app.sales.model import SALE_NAME, UnknownSale
from app.services.catalog import UnknownStrategy
from app.services.sale_view import SaleView

router = APIRouter(
    prefix="/sales",
    tags=["sales"],
    dependencies=[Depends(require_ready)],
    responses=problems(InvalidRequest, NotReady, TemporarilyUnavailable),
)
REPEATED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The sale exists already, with the same terms", "model": SaleOut}
}
CHANGES = [Depends(require_admin), Depends(json_only)]
REFUSALS = (Unauthorized, BodyTooLarge, NotJson)

SaleName = Annotated[str, Path(pattern=SALE_NAME, examples=["spring-tour"])]


@router.post(
    "",
    status_code=201,
    dependencies=CHANGES,
    responses=REPEATED | problems(SaleExists, ManagedByResource, UnknownStrategy, InvalidRequest, *REFUSALS),
)
async def create_sale(terms: SaleIn, services: InstalledServices, response: Response) -> SaleOut:
    """Create a sale, or start the next round of an ended sale. The request may be repeated safely."""
    creation = await services.sales.create(terms.as_terms(services.think_ms))
    if not creation.created:
        response.status_code = 200
    response.headers["Location"] = f"/sales/{terms.name}"
    return SaleOut.of(creation.sale)


@router.get("")
async def list_sales(
    services: InstalledServices,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str, Query(pattern=SALE_NAME, description="The name of the last sale of the previous page.")] = "",
) -> SalePage:
    """Return the sales in the order of their names, ended sales included. Pass `next` as `after` for the next page."""
    sales = await services.sales.page(after, limit)
    return SalePage(sales=[SaleOut.of(sale) for sale in sales], next=sales[-1].name if len(sales) == limit else None)


@router.get("/{sale}", response_model=SaleViewOut, responses=problems(UnknownSale))
async def read_sale(sale: SaleName, services: InstalledServices) -> SaleView:
    """Return the terms of a sale and the figures of its current round. Sold tickets are counted from the bookings."""
    return await services.sales.view(sale)


@router.post(
    "/{sale}/reset", dependencies=CHANGES, responses=problems(UnknownSale, SaleEnded, ManagedByResource, *REFUSALS)
)
async def reset_sale(sale: SaleName, services: InstalledServices, body: ResetIn | None = None) -> SaleOut:
    """Start the next round, with the same stock or another. Orders of the previous round are still booked to it."""
    return SaleOut.of(await services.sales.reset(sale, stock=body.stock if body else None))


@router.patch("/{sale}", dependencies=CHANGES, responses=problems(UnknownSale, SaleEnded, ManagedByResource, *REFUSALS))
async def pause_sale(sale: SaleName, services: InstalledServices, body: PauseIn) -> SaleOut:
    """Pause a sale, or resume it. While it is paused, purchases are refused, and accepted orders are still booked.

    The request may be repeated safely.
    """
    return SaleOut.of(await services.sales.set_paused(sale, paused=body.paused))


@router.delete(
    "/{sale}", dependencies=[Depends(require_admin)], responses=problems(UnknownSale, ManagedByResource, Unauthorized)
)
async def end_sale(sale: SaleName, services: InstalledServices) -> SaleOut:
    """End a sale. Nothing more is sold, and the accepted orders are still booked. The ended sale can still be read.

    The request may be repeated safely.
    """
    return SaleOut.of(await services.sales.end(sale))
