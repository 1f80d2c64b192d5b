"""Turns whatever a route of the framework raises into a problem document."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.errors import BadRequest, InternalError, InvalidRequest, MethodNotAllowed, NotFound
from app.api.invalid import field_errors
from app.api.problems import problem_response
from app.errors import AtomicTicketsError

FRAMEWORK: Mapping[int, AtomicTicketsError] = {
    404: NotFound("There is nothing at this path."),
    405: MethodNotAllowed("The path doesn't know this method."),
    400: BadRequest("The request can't be read."),
}


def install(application: FastAPI) -> None:
    application.add_exception_handler(AtomicTicketsError, known)
    application.add_exception_handler(RequestValidationError, invalid)
    application.add_exception_handler(HTTPException, of_framework)
    application.add_exception_handler(Exception, unexpected)


async def known(request: Request, error: Exception) -> Response:
    assert isinstance(error, AtomicTicketsError)  # noqa: S101  registered for it
    return problem_response(error, request.url.path)


async def invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it
    return problem_response(InvalidRequest(field_errors(error.errors())), request.url.path)


async def of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    told = FRAMEWORK.get(error.status_code)
    if told is None:
        return await unexpected(request, error)
    return problem_response(told, request.url.path, headers)


async def unexpected(request: Request, _: Exception) -> Response:
    """The traceback goes to the log (the server logs what it is handed on), nothing of it to the client."""
    return problem_response(InternalError("The request failed; it is logged."), request.url.path)
