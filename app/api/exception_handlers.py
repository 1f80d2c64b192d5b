"""Handlers that turn the exceptions of FastAPI's routes into problem documents."""

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.errors import InternalError, InvalidRequest, MethodNotAllowed, NotFound
from app.api.problems import problem_response
from app.api.validation import field_errors
from app.errors import AtomicTicketsError

log = structlog.get_logger()


def install(application: FastAPI) -> None:
    """Register the handlers of this module."""
    application.add_exception_handler(AtomicTicketsError, known)
    application.add_exception_handler(RequestValidationError, invalid)
    application.add_exception_handler(HTTPException, of_framework)
    application.add_exception_handler(Exception, unexpected)


async def known(request: Request, error: Exception) -> Response:
    """Answer an error that has a problem type."""
    assert isinstance(error, AtomicTicketsError)  # noqa: S101  registered for this class
    return problem_response(error, request.url.path)


async def invalid(request: Request, error: Exception) -> Response:
    """Answer a request that FastAPI's validation refuses."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
    return problem_response(InvalidRequest(field_errors(error.errors())), request.url.path)


async def of_framework(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: an unknown path, an unknown method, or a body that cannot be decoded."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
    path = request.url.path
    match error.status_code:
        case 404:
            return problem_response(NotFound("There is nothing at this path."), path)
        case 405:
            own_path = path.removeprefix(request.scope.get("root_path", ""))  # without the prefix of a mount or a proxy
            allow = (b"allow", ", ".join(sorted(methods_at(request.app, own_path))).encode())
            return problem_response(MethodNotAllowed("The path does not support this method."), path, [allow])
        case 400:
            return problem_response(InvalidRequest([{"field": "body", "message": "The body is not valid JSON"}]), path)
    return await unexpected(request, error)


def methods_at(application: FastAPI, path: str) -> set[str]:
    """Return all methods of the path. The framework itself reports only those of the first route that matches it."""
    matching = [context for context in iter_route_contexts(application.router.routes) if context.path_regex.match(path)]
    return {method for context in matching for method in context.methods or ()} or {"GET", "HEAD"}  # static files


async def unexpected(request: Request, error: Exception) -> Response:
    """Log the traceback in a line with the trace id, and answer with a problem that reveals nothing of it."""
    log.error("a request failed unexpectedly", method=request.method, path=request.url.path, exc_info=error)
    failure = InternalError("The request failed. The log has the error under this trace id.")
    return problem_response(failure, request.url.path)
