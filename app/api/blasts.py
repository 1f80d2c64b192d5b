"""Bursts of load against one sale, carried out by the load generator's own process."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.admin import require_admin
from app.api.bodies import json_only
from app.api.errors import BodyTooLarge, InvalidRequest, NotJson, NotReady, Unauthorized
from app.api.problems import problems
from app.api.services import InstalledServices, require_ready
from app.errors import TemporarilyUnavailable
from app.ledger.blasts import Blast, TooManyBlasts, UnknownBlast
from app.sales.model import MAX_QUANTITY, SALE_NAME, UnknownSale

MAX_REQUESTS = 100_000
MAX_CONCURRENCY = 1_000
MAX_RETRIES = 10

router = APIRouter(
    tags=["blasts"],
    dependencies=[Depends(require_ready)],
    responses=problems(InvalidRequest, NotReady, TemporarilyUnavailable),
)

SaleName = Annotated[str, Path(pattern=SALE_NAME, examples=["spring-tour"])]
BlastId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=["5f2c7e0a9d0b4c0e8a570f4d3f1f9e11"])]
Count = Annotated[int, Field(strict=True, ge=1)]


class BlastIn(BaseModel):
    """`requests` purchases, `concurrency` at the same moment."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"requests": 100, "concurrency": 100}]})

    requests: Count = Field(100, le=MAX_REQUESTS)
    concurrency: Count = Field(100, le=MAX_CONCURRENCY)
    customers: Annotated[int, Field(strict=True, ge=1, le=MAX_REQUESTS)] | None = Field(
        None, description="How many buyers share the requests; null: each request is another buyer's."
    )
    quantity: Count = Field(1, le=MAX_QUANTITY)
    retries: Annotated[int, Field(strict=True, ge=0)] = Field(0, le=MAX_RETRIES, description="With the same key.")
    trace_ratio: Annotated[float, Field(strict=True, ge=0, le=1)] | None = Field(
        None,
        description="How many of the purchases are traced; null: all of a strategy that races, else what the service "
        "samples by itself.",
    )


class BlastOut(BaseModel):
    """Where a blast is. `progress` and `result` are the load generator's own figures."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    sale: str
    requests: int
    concurrency: int
    customers: int | None
    quantity: int
    retries: int
    trace_ratio: float | None
    state: Literal["queued", "running", "finished", "cancelled", "aborted"]
    cancel_asked: bool
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@router.post(
    "/sales/{sale}/blasts",
    status_code=202,
    response_model=BlastOut,
    dependencies=[Depends(require_admin), Depends(json_only)],
    responses=problems(
        InvalidRequest,
        UnknownSale,
        TooManyBlasts,
        Unauthorized,
        BodyTooLarge,
        NotJson,
        NotReady,
        TemporarilyUnavailable,
    ),
)
async def create_blast(
    sale: SaleName, services: InstalledServices, response: Response, body: BlastIn | None = None
) -> Blast:
    """Queues a blast. `Location` tells where to look after it."""
    blast = await services.blasts.create(sale, **(body or BlastIn()).model_dump())
    response.headers["Location"] = f"/blasts/{blast.id}"
    return blast


@router.get("/blasts/{blast}", response_model=BlastOut, responses=problems(UnknownBlast))
async def read_blast(blast: BlastId, services: InstalledServices) -> Blast:
    """How far it is, and in the end what came of it."""
    return await services.blasts.get(blast)


@router.delete(
    "/blasts/{blast}",
    response_model=BlastOut,
    dependencies=[Depends(require_admin)],
    responses=problems(UnknownBlast, Unauthorized),
)
async def cancel_blast(blast: BlastId, services: InstalledServices) -> Blast:
    """Asks for its end. A queued blast is cancelled at once, a running one within a second."""
    return await services.blasts.ask_cancel(blast)
