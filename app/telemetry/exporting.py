"""Sends spans to the collector, and says once that it can't: the library would say it for every batch and retry."""

import logging
from collections.abc import Sequence

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = structlog.get_logger()


class ToldOnce(SpanExporter):
    """Another exporter, whose silence is told once, and its end once."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._away = False
        self._lost = 0
        # The exporter's own lines, of which nothing is left to say; and the queue's that it is full.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        logging.getLogger("opentelemetry.sdk._shared_internal").addFilter(self._hears_of_a_full_queue)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._away:
                log.info("the collector takes spans again", lost_at_least=self._lost)
            self._away, self._lost = False, 0
        else:
            self._lost += len(spans)
            self._tell("the collector did not take them")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _tell(self, why: str) -> None:
        if not self._away:
            log.warning("spans are lost; nothing else is", why=why)
        self._away = True

    def _hears_of_a_full_queue(self, record: logging.LogRecord) -> bool:
        """A filter: what the library says of its queue (once in 20 s at most) is told in our own words."""
        if not str(record.msg).startswith("Queue full"):
            return True
        self._tell("they come faster than the collector takes them")
        return False


def exporter_of_environment() -> SpanExporter:
    """As the OTEL_EXPORTER_OTLP_* variables say."""
    return ToldOnce(OTLPSpanExporter())
