"""One API process: `python -m app.serve`.

Several processes share one port: each binds a socket of its own with SO_REUSEPORT.
"""

import asyncio
import errno
import gc
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from app.api.readiness import Readiness
from app.main import create_app
from app.settings import ApiSettings
from app.telemetry.logs import configure_logs
from app.telemetry.tracing import tracing

BACKLOG = 4096  # the crowd of a flash sale connects at once; the kernel's somaxconn limits it too
KEEP_ALIVE_SECONDS = 75  # longer than the 60 s of common load balancers, so that they close connections first

log = structlog.get_logger()


class PortInUse(Exception):
    """Another program listens on the port, or another API process that does not share it."""


class LingeringServer(uvicorn.Server):
    """Uvicorn's server, which on SIGTERM reports not ready, waits, then stops, and exits with 0."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness, shutdown_delay_seconds: float) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._shutdown_delay_seconds = shutdown_delay_seconds
        self._leaving_at: float | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT while the server runs.

        Uvicorn's own version raises the signal again at the end, which would kill the process instead of letting it
        exit.
        """
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the base class's signature
        """Handle a signal to stop.

        The first signal starts the shutdown delay, the second stops the server, and the third abandons the requests in
        flight. Without a shutdown delay the first one stops the server at once.
        """
        if self.should_exit:
            self.force_exit = True
        elif self._leaving_at is None and self._shutdown_delay_seconds > 0:
            self._leaving_at = time.monotonic() + self._shutdown_delay_seconds
        else:
            self.should_exit = True
        if not self._readiness.leaving:
            self._readiness.leaving = True
            # Every answer from now on closes its connection, so that none is open when the listener closes.
            self.config.encoded_headers.append((b"connection", b"close"))
            self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]

    async def on_tick(self, counter: int) -> bool:
        if self._leaving_at is not None and time.monotonic() >= self._leaving_at:
            self.should_exit = True
        return await super().on_tick(counter)


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket. Raise PortInUse if another program uses the port."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"{host}:{port} is in use by another program.") from error
        raise
    return listener


def settle_garbage_collector() -> None:
    """Exclude the objects made by imports from garbage collection, and collect less often.

    With Python's own thresholds the collector took 12 % of a purchase's time (py-spy, 100 buyers).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def make_server(application: ASGIApp, readiness: Readiness, settings: ApiSettings) -> LingeringServer:
    """Return the server of one process: uvloop and httptools, which are faster, and no log line per request."""
    settle_garbage_collector()
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.graceful_seconds,
    )
    return LingeringServer(config, readiness, settings.shutdown_delay_seconds)


def main() -> int:
    """Serve until SIGTERM or SIGINT, and return the exit code."""
    configure_logs(process="api")
    settings = ApiSettings()
    try:
        listener = listening_socket(settings.host, settings.port)
    except (PortInUse, OSError) as error:
        print(f"atomictickets: {error}", file=sys.stderr)
        return 1
    with tracing("atomictickets-api"):
        application = create_app()
        server = make_server(application, application.state.readiness, settings)
        log.info("listening", host=settings.host, port=settings.port)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(server.serve([listener]))
    log.info("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
