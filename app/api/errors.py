"""The problem types of the HTTP layer, one class for each, including those for the refusals of a purchase."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, SoldOut


class ApiError(AtomicTicketsError):
    """An error that may add members to its problem document and headers to its response."""

    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, detail: str, *, retry_after_seconds: float | None = None, **members: Any) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self.members = members


class InvalidRequest(ApiError):
    """A request with invalid fields. `errors` has one {"field", "message"} for each mistake."""

    status, slug, title = 422, "invalid-request", "Invalid Request"

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        named = ", ".join(dict.fromkeys(error["field"] for error in errors))
        super().__init__(f"The request has invalid fields: {named}. See `errors`.", errors=list(errors))


class MissingIdempotencyKey(ApiError):
    status, slug, title = 400, "missing-idempotency-key", "Missing Idempotency Key"


class InvalidIdempotencyKey(ApiError):
    status, slug, title = 400, "invalid-idempotency-key", "Invalid Idempotency Key"


class Unauthorized(ApiError):
    status, slug, title = 401, "unauthorized", "Unauthorized"
    headers = {"WWW-Authenticate": 'Bearer realm="sales"'}  # noqa: RUF012  a ClassVar of the base class, never changed


class NotFound(ApiError):
    status, slug, title = 404, "not-found", "Not Found"


class MethodNotAllowed(ApiError):
    status, slug, title = 405, "method-not-allowed", "Method Not Allowed"


class BodyTooLarge(ApiError):
    status, slug, title = 413, "body-too-large", "Body Too Large"
    headers = {"Connection": "close"}  # noqa: RUF012  as above; the rest of the body is not read


class NotJson(ApiError):
    status, slug, title = 415, "not-json", "Not JSON"


class InternalError(ApiError):
    status, slug, title = 500, "internal-error", "Internal Error"


class NotReady(TemporarilyUnavailable):
    slug = "not-ready"
    title = "Not Ready"


class RequestAborted(TemporarilyUnavailable):
    """A request that was cancelled because the server's shutdown grace period is over. It may have taken effect."""

    def __init__(self) -> None:
        super().__init__("The process stopped before it answered the request. Send it again with the same key.")


class SoldOutRefusal(ApiError):
    status, slug, title = 400, "sold-out", "Sold Out"


class KeyReusedRefusal(ApiError):
    status, slug, title = 422, "idempotency-key-reused", "Idempotency Key Reused"


class NotOpenRefusal(ApiError):
    status, slug, title = 409, "sale-not-open", "Sale Not Open"


class CustomerLimitRefusal(ApiError):
    status, slug, title = 409, "customer-limit", "Customer Limit Reached"


def refusal(outcome: SoldOut | KeyReused | NotOpen | CustomerLimitReached) -> ApiError:
    """Return the problem for a refused purchase. A refusal takes nothing."""
    match outcome:
        case SoldOut(remaining):
            return SoldOutRefusal("Fewer tickets are left than were asked for.", remaining=remaining)
        case KeyReused(quantity):
            return KeyReusedRefusal(
                f"This key has already bought another quantity ({quantity}) for this customer. Use a new key.",
                quantity=quantity,
            )
        case CustomerLimitReached(held, limit):
            return CustomerLimitRefusal(
                f"The customer holds {held} of at most {limit} tickets of this sale.", held=held, limit=limit
            )
        case NotOpen(reason, opens_in_seconds):
            return NotOpenRefusal(f"The sale is {reason}.", retry_after_seconds=opens_in_seconds, reason=reason)
