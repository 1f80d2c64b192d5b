"""Serves a stand-in exactly as `app.serve` serves the service: same loop, parser, socket and limits."""

import asyncio

from fastapi import FastAPI

from app.serve import listening_socket, make_server
from app.settings import ApiSettings
from app.telemetry.logs import configure_logs


def serve(application: FastAPI, process: str) -> None:
    """Until SIGTERM. `application.state.readiness` must be there."""
    configure_logs(process=process)
    settings = ApiSettings()
    listener = listening_socket(settings.host, settings.port)
    server = make_server(application, settings)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve([listener]))
