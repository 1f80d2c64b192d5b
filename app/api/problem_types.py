"""Every problem type of the service with its explanation, and the routes at which `type` resolves."""

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
    errors.SoldOutRefusal: "Fewer tickets are left than the request asks for; `remaining` is their number. Nothing was "
    "taken. The same key may succeed later, if tickets come back.",
    errors.NotOpenRefusal: "The sale is scheduled, paused or closed; `reason` says which. Nothing was taken. "
    "`Retry-After` gives the time until the sale opens, if it is known.",
    errors.CustomerLimitRefusal: "The purchase would give the customer more than `limit` tickets of this round. The "
    "customer already holds `held`. Nothing was taken.",
    errors.KeyReusedRefusal: "The idempotency key has already bought another quantity for this customer in this sale. "
    "Use a new key for a new purchase, or send the first request again unchanged.",
    errors.MissingIdempotencyKey: "A purchase needs the header X-Idempotency-Key (or Idempotency-Key): a key that the "
    "client generates, new for each purchase and the same for all its retries.",
    errors.InvalidIdempotencyKey: "A key is 1 to 255 visible ASCII characters, and a request has only one.",
    UnknownSale: "There is no sale of this name.",
    UnknownReservation: "No reservation has this id.",
    UnknownBlast: "No blast has this id.",
    SaleExists: "A sale of this name exists with other terms. A sale keeps its name and strategy forever.",
    SaleEnded: "The sale has ended. Creating it again starts its next round.",
    UnknownStrategy: "There is no strategy of this name. `detail` lists the strategies.",
    ManagedByResource: "The sale belongs to a FlashSale resource, which would undo the change. Change the resource.",
    TooManyBlasts: "The limit of queued and running blasts is reached. Try again after `Retry-After`.",
    TooManyWatchers: "This process serves as many watchers as it can. Another process may have room.",
    TemporarilyUnavailable: "A store is away, slow or full. Send the same request again, with the same idempotency "
    "key, after `Retry-After`. The response reports the outcome of the first request.",
    Contention: "Other purchases were faster at every try. Nothing was taken, and tickets may be left. Send the same "
    "request again, with the same idempotency key, after `Retry-After`.",
    GateForgot: "The stock server's figures for this sale cannot be trusted, and the sale is being recounted from "
    "the ledger. This request took nothing. Send it again, with the same idempotency key, after `Retry-After`.",
    errors.NotReady: "The process is starting or stopping.",
    errors.InvalidRequest: "The request is invalid. `errors` names each invalid field with the reason.",
    errors.BodyTooLarge: "The body is longer than `limit_bytes`. Nothing of it was used.",
    errors.NotJson: "The request body must have the content type application/json.",
    errors.Unauthorized: "Requests that change a sale need the admin token: `Authorization: Bearer <token>`.",
    errors.NotFound: "There is nothing at this path.",
    errors.MethodNotAllowed: "The path does not support this method. `Allow` lists the methods it supports.",
    errors.InternalError: "The service failed unexpectedly, and logged the error. If the request was a purchase, its "
    "outcome is unknown: send it again with the same idempotency key.",
}
BY_SLUG = {error.slug: error for error in EXPLANATIONS}

router = APIRouter(prefix="/problems", tags=["problems"])


class ProblemType(BaseModel):
    """A problem type and its explanation."""

    type: str
    title: str
    status: int
    explanation: str


@router.get("")
async def list_problem_types() -> list[ProblemType]:
    """Return every problem type, ordered by status."""
    return sorted(map(describe, EXPLANATIONS), key=lambda problem_type: (problem_type.status, problem_type.type))


@router.get("/{slug}", responses=problems(errors.NotFound, errors.InvalidRequest))
async def read_problem_type(slug: Annotated[str, Path(examples=["sold-out"])]) -> ProblemType:
    """Return what the `type` of a problem document means, and what to do about it."""
    error = BY_SLUG.get(slug)
    if error is None:
        raise errors.NotFound("There is no problem type of this name. GET /problems lists all of them.")
    return describe(error)


def describe(error: type[AtomicTicketsError]) -> ProblemType:
    """Return the problem type of this error class."""
    return ProblemType(
        type=f"/problems/{error.slug}", title=error.title, status=error.status, explanation=EXPLANATIONS[error]
    )
