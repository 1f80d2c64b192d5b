"""Routes for the evidence of a race: the attempts of a round, and the pairs of attempts that collided."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.api.errors import InvalidRequest, NotReady
from app.api.problems import problems
from app.api.sales import SaleName
from app.api.services import InstalledServices, require_ready
from app.errors import TemporarilyUnavailable
from app.races.schemas import AttemptOut, AttemptPage, WitnessOut, WitnessPage
from app.sales.model import UnknownSale

MAX_LIMIT = 1000

router = APIRouter(
    prefix="/sales/{sale}",
    tags=["races"],
    dependencies=[Depends(require_ready)],
    responses=problems(InvalidRequest, UnknownSale, NotReady, TemporarilyUnavailable),
)

Round = Annotated[int | None, Query(alias="round", ge=1, le=2**31 - 1, description="The default is the current round.")]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="The `next` of the previous page.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


@router.get("/attempts")
async def list_attempts(
    sale: SaleName, services: InstalledServices, round_: Round = None, after: After = 0, limit: Limit = MAX_LIMIT
) -> AttemptPage:
    """Return the attempts of a round that passed their checks, in the order of their numbers."""
    present = await services.attempts.present_round(sale)
    round_ = round_ or present
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
    """Return the pairs of attempts of a round that collided. `after` and `next` are numbers of second attempts."""
    present = await services.attempts.present_round(sale)
    round_ = round_ or present
    extent = await services.attempts.extent(sale, round_, after)
    found = await services.attempts.witnesses(sale, round_, after=after, limit=limit)
    return WitnessPage(
        sale=sale,
        round=round_,
        trace_url=services.trace_url,
        latest=extent.latest,
        total=extent.witnesses,
        written=extent.written,
        witnesses=[WitnessOut.model_validate(witness) for witness in found],
        next=found[-1].second.number if len(found) == limit else None,
    )
