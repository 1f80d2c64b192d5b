"""Spans that were decided before they are made, at a quarter of the SDK's price.

The SDK took 189 us for the three spans of a purchase and its call, on a busy machine (45 here): each attribute is
checked, lists are bounded, every call takes a lock, and the end makes a copy. What is decided before a span is made is
ours to the last attribute, and lives in one thread: it is kept as it is, and handed on as the SDK's own spans are. The
SDK's limits (OTEL_SPAN_*_LIMIT) are for the spans of libraries: these have twenty attributes at most, all of them
bounded names and numbers, and as many links as a batch has orders.
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
    """Makes them with the ids and the resource of the SDK, and hands them to its processors."""

    def __init__(self, provider: TracerProvider) -> None:
        self.tracer = cast("Tracer", provider.get_tracer(SCOPE))  # of a provider that is on, where spans are decided
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
        """The child of `parent`, or the root of a trace."""
        ids = self.tracer.id_generator
        if parent is None or not parent.is_valid:
            parent = None
            context = SpanContext(ids.generate_trace_id(), ids.generate_span_id(), is_remote=False, trace_flags=ROOT)
        else:
            flags = TraceFlags(parent.trace_flags | TraceFlags.SAMPLED)  # a sampler may follow no parent
            context = SpanContext(parent.trace_id, ids.generate_span_id(), is_remote=False, trace_flags=flags)
        return RecordedSpan(self, name, context, parent, dict(attributes), kind, [*links], start_time or time_ns())


class RecordedSpan(Span):
    """A span as OpenTelemetry's API has it. Once it has ended, nothing changes it any more."""

    def __init__(  # noqa: PLR0917  made for each purchase that is traced; names would cost as much as the rest
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
        """By https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/."""
        kind = type(exception)
        told = {
            "exception.type": kind.__qualname__
            if kind.__module__ == "builtins"
            else f"{kind.__module__}.{kind.__qualname__}",
            "exception.message": str(exception),
            "exception.stacktrace": "".join(format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", told | dict(attributes or {}), timestamp)
