"""Spans whose sampling was decided before they are created, at a quarter of the SDK's price.

The SDK took 189 us for the three spans of a purchase and its call, on a busy machine (45 here): it checks each
attribute, bounds lists, takes a lock on every call, and copies the span at its end. A span that was decided beforehand
has only attributes of this project and lives in one thread. It is kept as it is, and handed on as the SDK hands on its
own spans. The SDK's limits (OTEL_SPAN_*_LIMIT) are for the spans of libraries: these spans have twenty attributes at
most, all of them bounded names and numbers, and as many links as a batch has orders.
"""

from collections.abc import Mapping, Sequence
from time import time_ns
from traceback import format_exception
from typing import cast

from opentelemetry.sdk.trace import Event, ReadableSpan, Tracer, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AnyValue, Attributes

from app.telemetry.names import SCOPE

ROOT = TraceFlags(TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID)
UNSET = Status()


class Recorder:
    """The factory of recorded spans, with the ids, the resource and the processors of the SDK's provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self.tracer = cast("Tracer", provider.get_tracer(SCOPE))  # an SDK tracer, since the provider is on
        self.scope = InstrumentationScope(SCOPE)

    def start(
        self,
        name: str,
        parent: SpanContext | None,
        attributes: Mapping[str, AnyValue],
        *,
        kind: SpanKind,
        links: Sequence[Link],
        start_time: int | None,
    ) -> "RecordedSpan":
        """Start a span: the child of `parent`, or the root of a trace if `parent` is None."""
        ids = self.tracer.id_generator
        if parent is None or not parent.is_valid:
            parent = None
            context = SpanContext(ids.generate_trace_id(), ids.generate_span_id(), is_remote=False, trace_flags=ROOT)
        else:
            flags = TraceFlags(parent.trace_flags | TraceFlags.SAMPLED)  # the sampler may ignore an unsampled parent
            context = SpanContext(parent.trace_id, ids.generate_span_id(), is_remote=False, trace_flags=flags)
        return RecordedSpan(self, name, context, parent, dict(attributes), kind, [*links], start_time or time_ns())


class RecordedSpan(Span):
    """A span with the interface of OpenTelemetry's API. It does not change once it has ended."""

    def __init__(  # noqa: PLR0917  called for each traced purchase; keyword arguments would cost as much as the rest
        self,
        recorder: Recorder,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: dict[str, AnyValue],
        kind: SpanKind,
        links: list[Link],
        start_time: int,
    ) -> None:
        self._recorder = recorder
        self._name = name
        self._context = context
        self._parent = parent
        self._attributes = attributes
        self._kind = kind
        self._links = links
        self._events: list[Event] = []
        self._status = UNSET
        self._start_time = start_time
        self._recording = True

    def end(self, end_time: int | None = None) -> None:
        if not self._recording:
            return
        self._recording = False
        tracer = self._recorder.tracer
        tracer.span_processor.on_end(
            ReadableSpan(
                self._name,
                self._context,
                self._parent,
                tracer.resource,
                self._attributes,
                self._events,
                self._links,
                self._kind,
                status=self._status,
                start_time=self._start_time,
                end_time=end_time or time_ns(),
                instrumentation_scope=self._recorder.scope,
            )
        )

    def get_span_context(self) -> SpanContext:
        return self._context

    def is_recording(self) -> bool:
        return self._recording

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        if self._recording:
            self._attributes.update(attributes)

    def set_attribute(self, key: str, value: AnyValue) -> None:
        if self._recording:
            self._attributes[key] = value

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        if self._recording:
            self._links.append(Link(context, attributes))

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        if self._recording:
            self._events.append(Event(name, attributes, timestamp))

    def update_name(self, name: str) -> None:
        if self._recording:
            self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self._recording:
            self._status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an event by https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/."""
        kind = type(exception)
        facts = {
            "exception.type": kind.__qualname__
            if kind.__module__ == "builtins"
            else f"{kind.__module__}.{kind.__qualname__}",
            "exception.message": str(exception),
            "exception.stacktrace": "".join(format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", facts | dict(attributes or {}), timestamp)
