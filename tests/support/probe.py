"""A request to a probe of a process, made as the kubelet makes it: on a new connection each time."""

from http.client import HTTPConnection


def status(port: int, path: str) -> int:
    """Return the HTTP status, or 0 if there is no answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
