"""The port of the API, which its processes share by SO_REUSEPORT."""

import errno
import socket

from app.lab.stack.process import ProcessFailed


def hold(host: str, port: int) -> socket.socket:
    """Bind a socket to the port, and return it. Raise ProcessFailed if the port is in use.

    The socket keeps the port for processes of this user until it is closed. It does not listen, so the kernel gives it
    no connections. SO_REUSEPORT would also admit a second lab of the same user. Another socket is therefore bound first
    without that option, which succeeds only if no other socket has the port.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as exclusive:
            exclusive.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not count
            exclusive.bind(address)
        shared = socket.socket(family, kind, protocol)
        try:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind(address)
        except OSError:
            shared.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ProcessFailed(f"Port {port} on {host} is in use. Choose another --port.") from error
        raise ProcessFailed(f"The API cannot listen on {host} port {port}: {error.strerror}.") from error
    return shared
