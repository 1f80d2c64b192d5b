"""TCP ports of the embedded servers."""

import random
import socket

from app.lab.stack.process import ProcessFailed

LOOPBACK = "127.0.0.1"
# Below Linux's ephemeral range (32768-60999), so no outgoing connection can take the port of a server that is down.
FIRST, LAST = 20_000, 32_000
TRIES = 100

_given: set[int] = set()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen at the port now.

    SO_REUSEADDR is set, as servers do, so connections in TIME_WAIT do not matter.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def require_free(port: int) -> None:
    """Raise ProcessFailed unless the port is free. Another server there would answer the readiness check."""
    if not is_free(port):
        raise ProcessFailed(f"Port {port} on {LOOPBACK} is in use.")


def free_port() -> int:
    """Return a free port, chosen at random so that two labs that start together rarely choose the same.

    Each port is returned only once in this process, because its server may not listen yet, or may be restarting. Raise
    ProcessFailed if no free port is found.
    """
    for port in random.sample(range(FIRST, LAST), TRIES):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise ProcessFailed(f"None of {TRIES} ports between {FIRST} and {LAST} is free.")
