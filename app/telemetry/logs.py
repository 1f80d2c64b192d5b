"""Structured logs: one JSON object a line, the libraries' own lines included."""

import logging
import os

import structlog
from structlog.typing import EventDict, WrappedLogger

from app.settings import ProcessSettings
from app.telemetry.spans import names


def configure_logs(**context: str) -> None:
    """Sets up logging for this process; `context` (process name ...) is bound to every line. Level: LOG_LEVEL."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_the_span,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=ProcessSettings().log_level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(pid=os.getpid(), **context)


def name_the_span(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Adds `trace_id` and `span_id` of the current span; a line that names another keeps it."""
    return {**names(), **event}
