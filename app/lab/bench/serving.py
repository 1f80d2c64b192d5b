"""Serve another application exactly as `app.serve` serves the service: same loop, parser, socket and limits."""

import asyncio

from starlette.types import ASGIApp

from app.api.readiness import Readiness
from app.serve import listening_socket, make_server
from app.settings import ApiSettings
from app.telemetry.logs import configure_logs


def serve(application: ASGIApp, readiness: Readiness, process: str) -> None:
    """Serve the application until SIGTERM."""
    configure_logs(process=process)
    settings = ApiSettings()
    listener = listening_socket(settings.host, settings.port)
    server = make_server(application, readiness, settings)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve([listener]))
