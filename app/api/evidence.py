"""What the strategies that race left behind: the attempts of a round, and the pairs of them that collided."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.errors import InvalidRequest, NotReady
from app.api.problems import problems
from app.api.services import InstalledServices, require_ready
from app.errors import TemporarilyUnavailable
from app.races.attempt import Hazard
from app.sales.model import SALE_NAME, UnknownSale

MAX_LIMIT = 1000

router = APIRouter(
    prefix="/sales/{sale}",
    tags=["races"],
    dependencies=[Depends(require_ready)],
    responses=problems(InvalidRequest, UnknownSale, NotReady, TemporarilyUnavailable),
)

SaleName = Annotated[str, Path(pattern=SALE_NAME, examples=["naive-drop"])]
Round = Annotated[int | None, Query(alias="round", ge=1, le=2**31 - 1, description="Left out: the present one.")]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class AttemptOut(BaseModel):
    """The window of one purchase, from its read to its commit. Times are Unix seconds of the pod's own clock."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="From 1 on in the round, in the order in which the attempts became known.")
    strategy: str
    hazard: Hazard = Field(description="What it is when two that wrote had read one version.")
    guarded: str = Field(
        serialization_alias="guards", description="What the version is of: `stock`, or the tickets of a `customer`."
    )
    quantity: int
    version_read: str
    value_read: int = Field(description="Tickets left, or held by the customer.")
    read_at: float
    version_written: str | None
    value_written: int | None
    wrote_at: float | None = Field(description="The commit; null where nothing was committed.")
    reservation_id: str | None
    pod: str
    process: str = Field(description="Several processes of one machine share a pod's name, unless POD_NAME tells.")
    trace_id: str | None = Field(description="Null where the request was not sampled.")
    span_id: str | None = Field(description="Of the window's span.")


class WitnessOut(BaseModel):
    """Two attempts that read one version and both wrote. All later writers of a version share the first one."""

    model_config = ConfigDict(from_attributes=True)

    hazard: Hazard
    first: AttemptOut
    second: AttemptOut


class Page(BaseModel):
    sale: str
    round: int
    trace_url: str | None = Field(description="The page of a trace, where Jaeger's address is set.")
    next: int | None = Field(description="The following `after`; null where there is no more.")


class AttemptPage(Page):
    attempts: list[AttemptOut]


class WitnessPage(Page):
    total: int = Field(description="Witnesses of the round so far.")
    written: int = Field(
        description="Purchases of the round whose committed write is recorded. The evidence is complete when they are "
        "as many as were accepted."
    )
    witnesses: list[WitnessOut]


@router.get("/attempts")
async def list_attempts(
    sale: SaleName, services: InstalledServices, round_: Round = None, after: After = 0, limit: Limit = MAX_LIMIT
) -> AttemptPage:
    """The attempts of a round that got past their checks, in the order of their numbers."""
    round_ = round_ or await services.attempts.present_round(sale)
    found = await services.attempts.attempts(sale, round_, after=after, limit=limit)
    return AttemptPage(
        sale=sale,
        round=round_,
        trace_url=services.trace_url,
        attempts=[AttemptOut.model_validate(attempt) for attempt in found],
        next=found[-1].number if len(found) == limit else None,
    )


@router.get("/witnesses")
async def list_witnesses(
    sale: SaleName, services: InstalledServices, round_: Round = None, after: After = 0, limit: Limit = 100
) -> WitnessPage:
    """The pairs of a round that collided. `after` and `next` are the numbers of their second attempts."""
    round_ = round_ or await services.attempts.present_round(sale)
    extent = await services.attempts.extent(sale, round_)
    found = await services.attempts.witnesses(sale, round_, after=after, limit=limit)
    return WitnessPage(
        sale=sale,
        round=round_,
        trace_url=services.trace_url,
        total=extent.witnesses,
        written=extent.written,
        witnesses=[WitnessOut.model_validate(witness) for witness in found],
        next=found[-1].second.number if len(found) == limit else None,
    )
