"""A request to a probe of a process, made as the kubelet makes it: on a new connection each time."""

from contextlib import suppress

from urllib3.exceptions import HTTPError

from app.client import get


def status(port: int, path: str) -> int:
    """Return the HTTP status, or 0 if there is no answer."""
    with suppress(HTTPError):
        return get(f"http://127.0.0.1:{port}{path}", 5).status
    return 0
