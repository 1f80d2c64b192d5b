"""Problem documents (RFC 9457): their only renderer, and their description in the OpenAPI document."""

import json
import math
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.errors import ApiError
from app.errors import AtomicTicketsError
from app.telemetry.spans import trace_id

MEDIA_TYPE = "application/problem+json"
SCHEMA = {"$ref": "#/components/schemas/Problem"}

Header = tuple[bytes, bytes]


class FieldError(BaseModel):
    """One invalid field and the reason."""

    field: str
    message: str


class Problem(BaseModel):
    """A problem document (RFC 9457). Some problem types add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["/problems/sold-out"], description="The path that explains the type.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path of the request.")
    trace_id: str = Field(description="The trace id of the request, as in logs, traces and the header `X-Trace-Id`.")
    errors: list[FieldError] | None = Field(None, description="The invalid fields; in `invalid-request` only.")


def document(error: AtomicTicketsError, instance: str, trace_id: str) -> dict[str, Any]:
    """Return the problem document of `error`."""
    common = {
        "type": f"/problems/{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "trace_id": trace_id,
    }
    return common | error.members if isinstance(error, ApiError) else common


def rendered(error: AtomicTicketsError, instance: str, trace_id: str) -> tuple[int, list[Header], bytes]:
    """Return the status, the headers and the body of the response to `error`, in the form that ASGI needs."""
    body = json.dumps(document(error, instance, trace_id), separators=(",", ":")).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    if error.retry_after_seconds is not None:
        # Whole seconds, at least one: with 0 the whole crowd would come back at once.
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_seconds))))
    if isinstance(error, ApiError):
        headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return error.status, headers, body


def problem_response(error: AtomicTicketsError, instance: str, headers: Iterable[Header] = ()) -> Response:
    """Return the response to `error` for a FastAPI route. `headers` are added to those of the error."""
    status, own_headers, body = rendered(error, instance, trace_id())
    response = Response(body, status_code=status)
    response.raw_headers = [*own_headers, *headers]
    return response


def problems(*errors: type[AtomicTicketsError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route: its problems by status, with one example for each type."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for error in sorted(errors, key=lambda error: (error.status, error.slug)):
        response = by_status.setdefault(
            error.status, {"description": error.title, "content": {MEDIA_TYPE: {"schema": SCHEMA, "examples": {}}}}
        )
        if error.title not in response["description"]:
            response["description"] += f", or {error.title}"
        response["content"][MEDIA_TYPE]["examples"][error.slug] = {"value": example(error)}
    return by_status


def example(error: type[AtomicTicketsError]) -> dict[str, Any]:
    """Return an example of a problem of this class."""
    return {
        "type": f"/problems/{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": "A sentence that describes this occurrence.",
        "instance": "/the/path",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }
