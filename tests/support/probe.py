"""The probe of a process, asked as the kubelet asks: a connection each."""

from http.client import HTTPConnection


def status(port: int, path: str) -> int:
    """Returns the HTTP status; 0 if nobody listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
