"""Routes for the platform: liveness, readiness and metrics."""

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
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The process may be sent requests. `dependencies` is present if `verbose` was requested."""

    status: Literal["ready"] = "ready"
    dependencies: dict[str, str] | None = None


@router.get("/healthz")
async def healthz() -> Alive:
    """Answer 200 while the event loop runs. The stores are not checked, since a restart would not bring them back."""
    return Alive()


@router.get(
    "/readyz", response_model=Ready, response_model_exclude_none=True, responses=problems(NotReady, InvalidRequest)
)
async def readyz(
    request: Request,
    services: InstalledServices,
    verbose: Annotated[str | None, Query(description="Report the current state of each dependency.")] = None,
) -> Ready | Response:
    """Answer 200 once all dependencies have been ready, until the process is asked to stop.

    A store that is lost later does not change the answer. A purchase is then answered with 503.
    """
    readiness = services.readiness
    if readiness.leaving:
        return problem_response(NotReady("The process is stopping."), request.url.path)
    if not readiness.started:
        reason = readiness.reason() or "its first check runs"
        return problem_response(NotReady(f"The process is starting: {reason}"), request.url.path)
    return Ready(dependencies=None if verbose is None else await readiness.dependencies())


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
)
async def metrics(request: Request, services: InstalledServices) -> Response:
    """Return the metrics as Prometheus text, or as OpenMetrics text if the `Accept` header asks for it.

    OpenMetrics adds a trace id to each count of purchases. The gauges of the active sales are read during the scrape,
    and left out while a store is away.
    """
    sales, complete = await active_sales(services)
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    text = services.metrics.exposition(sales, sales_complete=complete, encode=encode)
    return Response(text, headers={"Content-Type": content_type})
