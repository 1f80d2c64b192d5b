"""What the platform asks: is it alive, may it be sent requests, how is it doing."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel
from starlette.responses import Response

from app.api.errors import InvalidRequest, NotReady
from app.api.problems import problem_response, problems
from app.api.sale_gauges import active_sales
from app.api.services import InstalledServices

router = APIRouter(tags=["operations"])


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    status: Literal["ready"] = "ready"
    dependencies: dict[str, str] | None = None


@router.get("/healthz")
async def healthz() -> Alive:
    """The event loop turns. Says nothing of the stores: a restart would not bring them back."""
    return Alive()


@router.get(
    "/readyz", response_model=Ready, response_model_exclude_none=True, responses=problems(NotReady, InvalidRequest)
)
async def readyz(
    request: Request,
    services: InstalledServices,
    verbose: Annotated[str | None, Query(description="Names each dependency with its present state.")] = None,
) -> Ready | Response:
    """Everything was in place once, and no end was asked for. A store lost later does not count: see the 503 of a
    purchase instead."""
    readiness = services.readiness
    if readiness.draining:
        return problem_response(NotReady("The process is ending."), request.url.path)
    if not readiness.started:
        return problem_response(NotReady("Starting: " + readiness.reason()), request.url.path)
    return Ready(dependencies=None if verbose is None else await readiness.dependencies())


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
)
async def metrics(request: Request, services: InstalledServices) -> Response:
    """Prometheus text, or that of OpenMetrics where it is asked for: it names a trace beside each count of purchases.
    Gauges of the active sales are read at the scrape, and left out while a store is away."""
    sales, complete = await active_sales(services)
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    text = services.metrics.exposition(sales, sales_complete=complete, encode=encode)
    return Response(text, headers={"Content-Type": content_type})
