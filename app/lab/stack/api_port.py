"""The port of the API, which its processes share by SO_REUSEPORT."""

import errno
import socket

from app.lab.stack.process import ProcessFailed


def hold(host: str, port: int) -> socket.socket:
    """Raises ProcessFailed if anybody has the port; else keeps it for this user's processes until the socket is closed.

    The socket is bound but does not listen: the kernel gives it no connection. SO_REUSEPORT would let in a second lab
    of the same user as well, hence the bind without it first, which succeeds only where nobody else's socket is.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not count
            alone.bind(address)
        shared = socket.socket(family, kind, protocol)
        try:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind(address)
        except OSError:
            shared.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ProcessFailed(f"port {port} on {host} is in use; choose another --port") from error
        raise ProcessFailed(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return shared
