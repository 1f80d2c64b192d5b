"""Routes for blasts: bursts of load against one sale, sent by the blast runner in a process of its own."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.admin import require_admin
from app.api.bodies import json_only
from app.api.errors import BodyTooLarge, InvalidRequest, NotJson, NotReady, Unauthorized
from app.api.problems import problems
from app.api.sales import SaleName
from app.api.services import InstalledServices, require_ready
from app.errors import TemporarilyUnavailable
from app.ledger.blasts import Blast, TooManyBlasts, UnknownBlast
from app.sales.model import MAX_QUANTITY, UnknownSale

MAX_REQUESTS = 100_000
MAX_CONCURRENCY = 1_000
MAX_RETRIES = 10

router = APIRouter(
    tags=["blasts"],
    dependencies=[Depends(require_ready)],
    responses=problems(InvalidRequest, NotReady, TemporarilyUnavailable),
)

BlastId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=["5f2c7e0a9d0b4c0e8a570f4d3f1f9e11"])]
Count = Annotated[int, Field(strict=True, ge=1)]


class BlastIn(BaseModel):
    """The load to send: `requests` purchases in total, `concurrency` of them at the same time."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"requests": 100, "concurrency": 100}]})

    requests: Count = Field(100, le=MAX_REQUESTS)
    concurrency: Count = Field(100, le=MAX_CONCURRENCY)
    customers: Annotated[int, Field(strict=True, ge=1, le=MAX_REQUESTS)] | None = Field(
        None, description="The number of buyers that share the requests. If null, each request has its own buyer."
    )
    quantity: Count = Field(1, le=MAX_QUANTITY, description="The number of tickets in each purchase.")
    retries: Annotated[int, Field(strict=True, ge=0)] = Field(
        0,
        le=MAX_RETRIES,
        description="How often to repeat a purchase, with the same idempotency key, if its outcome is unknown.",
    )
    trace_ratio: Annotated[float, Field(strict=True, ge=0, le=1)] | None = Field(
        None,
        description="The share of the purchases to trace. If null, every purchase of a strategy that races is traced; "
        "for the other strategies the service decides by its own sampling.",
    )


class BlastOut(BaseModel):
    """The state of a blast. `progress` (while it runs) and `result` are figures that the blast runner measured."""

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
    """Queue a blast. The `Location` header is the address of its state."""
    blast = await services.blasts.create(sale, **(body or BlastIn()).model_dump())
    response.headers["Location"] = f"/blasts/{blast.id}"
    return blast


@router.get("/blasts/{blast}", response_model=BlastOut, responses=problems(UnknownBlast))
async def read_blast(blast: BlastId, services: InstalledServices) -> Blast:
    """Return the progress of a blast and, once it has ended, its result."""
    return await services.blasts.get(blast)


@router.delete(
    "/blasts/{blast}",
    response_model=BlastOut,
    dependencies=[Depends(require_admin)],
    responses=problems(UnknownBlast, Unauthorized),
)
async def cancel_blast(blast: BlastId, services: InstalledServices) -> Blast:
    """Cancel a blast. A queued blast is cancelled at once, a running one within a second."""
    return await services.blasts.request_cancel(blast)
