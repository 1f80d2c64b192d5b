"""A request to a probe of a process, made as the kubelet makes it: on a new connection each time."""

from contextlib import suppress

from urllib3 import PoolManager
from urllib3.exceptions import HTTPError


def status(port: int, path: str) -> int:
    """Return the HTTP status, or 0 if there is no answer."""
    with suppress(HTTPError), PoolManager() as pool:
        return pool.request("GET", f"http://127.0.0.1:{port}{path}", timeout=5, retries=False).status
    return 0
