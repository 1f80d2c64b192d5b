"""The limits of request bodies: their size and their content type."""

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import BodyTooLarge, NotJson
from app.api.problems import problem_response

BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(declared_bytes: int, receive: Receive, limit: int) -> bytes:
    """Return the whole body.

    Raise BodyTooLarge as soon as more than `limit` bytes are declared or received, and ClientGone if the client
    disconnects.
    """
    if declared_bytes > limit:
        raise too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > limit:
            raise too_large(limit)
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ClientGone
    if len(body) > limit:
        raise too_large(limit)
    return body


def too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"A request body may have at most {limit} bytes.", limit_bytes=limit)


def is_json(content_type: bytes) -> bool:
    """Return whether the content type is `application/json`, with or without parameters."""
    return content_type == b"application/json" or (
        content_type.partition(b";")[0].strip().lower() == b"application/json"
    )


async def json_only(request: Request) -> None:
    """Raise NotJson if the request has a body of another content type. A dependency of routes."""
    content_type = request.headers.get("content-type", "")
    if await request.body() and not is_json(content_type.encode("latin-1")):
        raise NotJson("Send the body as application/json.")


class SmallBodies:
    """Middleware that reads each body and refuses one that is too large, also if its length is not declared."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in BODILESS:
            await self._app(scope, receive, send)
            return
        lengths = [int(value) for name, value in scope["headers"] if name == b"content-length" and value.isdigit()]
        try:
            body = await read_body(max(lengths, default=0), receive, self._limit_bytes)
        except BodyTooLarge as error:
            await problem_response(error, scope["path"])(scope, receive, send)
            return
        except ClientGone:
            return
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, replay, send)
