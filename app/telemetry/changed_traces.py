"""The choice of traces to export: those that changed something, those that failed, and a few of the others."""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from app.telemetry.names import CHANGED

ONE_IN = 100  # one in so many of the traces that changed nothing: 200 sales at rest make 20 traces a second


class ChangedTraces(SpanProcessor):
    """A span processor that exports all spans of a trace or none, as soon as the root of the trace ends.

    It is for traces that begin and end in one thread of this process. It holds only the spans of traces under way.
    """

    def __init__(self, next_processor: SpanProcessor, one_in: int = ONE_IN) -> None:
        self._next_processor = next_processor
        self._one_in = one_in
        self._ended: dict[int, list[ReadableSpan]] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._next_processor.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        if context is None:  # the type allows this; every span of the SDK has a context
            return
        trace_id = context.trace_id
        spans = self._ended.setdefault(trace_id, [])
        spans.append(span)
        if span.parent is not None:
            return
        del self._ended[trace_id]
        if trace_id % self._one_in == 0 or any(map(_is_worth_exporting, spans)):
            for ended in spans:
                self._next_processor.on_end(ended)

    def shutdown(self) -> None:
        self._next_processor.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._next_processor.force_flush(timeout_millis)


def _is_worth_exporting(span: ReadableSpan) -> bool:
    """Return whether the span makes its trace worth exporting: it changed something, or it failed."""
    return span.status.status_code is StatusCode.ERROR or bool((span.attributes or {}).get(CHANGED))
