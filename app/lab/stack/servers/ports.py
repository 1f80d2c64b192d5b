"""TCP ports of the embedded servers."""

import random
import socket

from app.lab.stack.process import ProcessFailed

LOOPBACK = "127.0.0.1"
# Below Linux's ephemeral range (32768-60999): while a killed server is down, no outgoing connection can take its port.
FIRST, LAST = 20_000, 32_000
TRIES = 100

_given: set[int] = set()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now. SO_REUSEADDR as servers set it: TIME_WAIT is no hindrance."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def claim(port: int) -> None:
    """Raises ProcessFailed unless the port is free: a stranger there would answer our readiness check."""
    if not is_free(port):
        raise ProcessFailed(f"port {port} on {LOOPBACK} is in use")


def free_port() -> int:
    """A port nobody listens on, drawn at random so that two labs that start together rarely meet.

    This process gets each port once: the server that one was drawn for may not listen yet, or be down for a moment.
    """
    for port in random.sample(range(FIRST, LAST), TRIES):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise ProcessFailed(f"none of {TRIES} ports between {FIRST} and {LAST} is free")
