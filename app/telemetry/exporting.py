"""An exporter that logs one line when the collector goes away. The library would log every batch and every retry."""

import logging
from collections.abc import Sequence

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = structlog.get_logger()


class QuietExporter(SpanExporter):
    """A wrapper of another exporter, which logs once that the collector is away, and once that it is back."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._away = False
        self._lost = 0
        # Silence the exporter's own lines, which this class replaces, and the queue's line that it is full.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        logging.getLogger("opentelemetry.sdk._shared_internal").addFilter(self._filter_full_queue)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._away:
                log.info("the collector takes spans again", lost_at_least=self._lost)
            self._away, self._lost = False, 0
        else:
            self._lost += len(spans)
            self._warn_once("the collector did not take a batch")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _warn_once(self, reason: str) -> None:
        if not self._away:
            log.warning("spans are lost; nothing else is", reason=reason)
        self._away = True

    def _filter_full_queue(self, record: logging.LogRecord) -> bool:
        """Log the library's message about a full queue, at most one in 20 s, in this class's own words.

        This is a log filter. Return False for that message, so that the library's own line is dropped.
        """
        if not str(record.msg).startswith("Queue full"):
            return True
        self._warn_once("spans arrive faster than the collector takes them")
        return False


def exporter_from_environment() -> SpanExporter:
    """Return the exporter that the OTEL_EXPORTER_OTLP_* variables describe."""
    return QuietExporter(OTLPSpanExporter())
