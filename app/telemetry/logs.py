"""Structured logs: one JSON object a line, including the lines of the libraries."""

import logging
import os

import structlog
from structlog.typing import EventDict, WrappedLogger

from app.settings import ProcessSettings
from app.telemetry.spans import span_ids


def configure_logs(**context: str) -> None:
    """Set up logging for this process, at the level LOG_LEVEL.

    `context`: fields that are bound to every line, such as the name of the process.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_span_ids,
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


def add_span_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the `trace_id` and `span_id` of the current span, unless the line names another one."""
    return {**span_ids(), **event}
