"""Every type of problem this service can answer with, in one place, and the pages to which `type` resolves."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from app.api import errors
from app.api.problems import problems
from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.gate.replies import GateForgot
from app.ledger.blasts import TooManyBlasts, UnknownBlast
from app.ledger.sales import SaleEnded, SaleExists
from app.live.hub import TooManyWatchers
from app.sales.managed import ManagedByResource
from app.sales.model import UnknownReservation, UnknownSale
from app.services.catalog import UnknownStrategy
from app.strategies.contention import Contention

EXPLANATIONS: dict[type[AtomicTicketsError], str] = {
    errors.SoldOutRefusal: "Fewer tickets are left than were asked for; `remaining` says how many. Nothing was taken. "
    "The same key may succeed later, if tickets come back.",
    errors.NotOpenRefusal: "The sale is scheduled, paused or closed; `reason` says which. Nothing was taken. "
    "`Retry-After` tells when it opens, where that is known.",
    errors.CustomerLimitRefusal: "The purchase would give the customer more than `limit` tickets of this round; "
    "`held` are held already. Nothing was taken.",
    errors.KeyReusedRefusal: "The idempotency key has bought another quantity for this customer in this sale. "
    "Use a new key for a new purchase, or send the first request again unchanged.",
    errors.MissingIdempotencyKey: "A purchase needs the header X-Idempotency-Key (or Idempotency-Key): a key of the "
    "client's own making, new for each purchase and the same for its retries.",
    errors.InvalidIdempotencyKey: "A key is 1 to 255 visible ASCII characters, and a request carries one.",
    UnknownSale: "There is no sale of this name.",
    UnknownReservation: "No reservation has this id.",
    UnknownBlast: "No blast has this id.",
    SaleExists: "A sale of this name exists with other terms. Its name and strategy are its own for ever.",
    SaleEnded: "The sale has ended. Creating it again starts its next round.",
    UnknownStrategy: "No way to sell has this name; the problem lists those there are.",
    ManagedByResource: "The sale belongs to a FlashSale resource, which would undo the change. Change the resource.",
    TooManyBlasts: "As many blasts as are allowed are queued or running. `Retry-After` says when to look again.",
    TooManyWatchers: "This process has as many watchers as it serves at once; another one may have room.",
    TemporarilyUnavailable: "A store is away, slow or full. Send the same request again, with the same idempotency "
    "key, after `Retry-After`: it tells what became of the first.",
    Contention: "Others were faster at every try. Nothing was taken, and tickets may be left. Send the same request "
    "again, with the same idempotency key, after `Retry-After`.",
    GateForgot: "The stock server can't vouch for this sale and it is being recounted from the ledger. Nothing was "
    "taken by this request. Send it again, with the same key, after `Retry-After`.",
    errors.NotReady: "The process is starting, or ending.",
    errors.InvalidRequest: "The request is not acceptable; `errors` names each field and what is wrong with it.",
    errors.BodyTooLarge: "The body is longer than `limit_bytes`. Nothing of it was looked at.",
    errors.NotJson: "Bodies are application/json.",
    errors.Unauthorized: "Whatever changes a sale needs the admin token: `Authorization: Bearer <token>`.",
    errors.NotFound: "There is nothing at this path.",
    errors.MethodNotAllowed: "The path exists, but not for this method; `Allow` lists those it has.",
    errors.InternalError: "Something failed that should not have; it is logged. For a purchase the outcome is unknown: "
    "the same key tells.",
}
BY_SLUG = {error.slug: error for error in EXPLANATIONS}

router = APIRouter(prefix="/problems", tags=["problems"])


class ProblemType(BaseModel):
    type: str
    title: str
    status: int
    explanation: str


@router.get("")
async def list_problem_types() -> list[ProblemType]:
    """Every type of problem, by status."""
    return sorted(map(explained, EXPLANATIONS), key=lambda known: (known.status, known.type))


@router.get("/{slug}", responses=problems(errors.NotFound, errors.InvalidRequest))
async def read_problem_type(slug: Annotated[str, Path(examples=["sold-out"])]) -> ProblemType:
    """What the `type` of a problem document means, and what to do about it."""
    error = BY_SLUG.get(slug)
    if error is None:
        raise errors.NotFound("There is no such type of problem.")
    return explained(error)


def explained(error: type[AtomicTicketsError]) -> ProblemType:
    return ProblemType(
        type=f"/problems/{error.slug}", title=error.title, status=error.status, explanation=EXPLANATIONS[error]
    )
