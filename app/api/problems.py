"""Problem documents (RFC 9457): the one renderer, and how OpenAPI is told which of them a route may answer."""

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
    field: str
    message: str


class Problem(BaseModel):
    """The members that every problem has; some types add others."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["/problems/sold-out"], description="Where the type is explained.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path that was asked for.")
    trace_id: str = Field(description="Names the request in logs and traces; the header `X-Trace-Id` is the same.")
    errors: list[FieldError] | None = Field(None, description="Of `invalid-request` only.")


def document(error: AtomicTicketsError, instance: str, trace_id: str) -> dict[str, Any]:
    """The members of the problem document that tells of `error`."""
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
    """Status, headers and body, as ASGI wants them."""
    body = json.dumps(document(error, instance, trace_id), separators=(",", ":")).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    if error.retry_after_seconds is not None:
        # Whole seconds, at least one: 0 would call the whole crowd back at once.
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_seconds))))
    if isinstance(error, ApiError):
        headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return error.status, headers, body


def problem_response(error: AtomicTicketsError, instance: str, headers: Iterable[Header] = ()) -> Response:
    """The same for a route of the framework; `headers` come on top."""
    status, own_headers, body = rendered(error, instance, trace_id())
    response = Response(body, status_code=status)
    response.raw_headers = [*own_headers, *headers]
    return response


def problems(*errors: type[AtomicTicketsError]) -> dict[int | str, dict[str, Any]]:
    """For `responses=`: the problems a route may answer, by status, with one example for each type."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for error in sorted(errors, key=lambda one: (one.status, one.slug)):
        response = by_status.setdefault(
            error.status, {"description": error.title, "content": {MEDIA_TYPE: {"schema": SCHEMA, "examples": {}}}}
        )
        if error.title not in response["description"]:
            response["description"] += f", or {error.title}"
        response["content"][MEDIA_TYPE]["examples"][error.slug] = {"value": example(error)}
    return by_status


def example(error: type[AtomicTicketsError]) -> dict[str, Any]:
    return {
        "type": f"/problems/{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": "What exactly, in a sentence.",
        "instance": "/the/path",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }
