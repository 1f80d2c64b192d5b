"""What spans are made with: resource, sampler, queue. Imported only where they are wanted (app.telemetry.tracing)."""

import os
from collections.abc import Sequence
from importlib.metadata import version

from opentelemetry.context import Context, get_value
from opentelemetry.sdk.environment_variables import OTEL_SPAN_LINK_COUNT_LIMIT
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from app.telemetry.changed_traces import ChangedTraces
from app.telemetry.context import DECIDED
from app.telemetry.sampling import Sampling

MOST_LINKS = 5_000  # a batch links to each of its orders, and DRAIN_BATCH_ORDERS may be that; the SDK's default is 128


def provider_of(service: str, exporter: SpanExporter | None, *, changes_only: bool = False) -> TracerProvider:
    """At most OTEL_BSP_MAX_QUEUE_SIZE spans (2048) wait for the exporter; what is more is dropped.

    `changes_only`: whole traces are kept or dropped when they end, whatever the sampler is; they are few. Without an
    exporter spans have ids all the same, for logs and statuses.
    """
    ours = Resource.create(
        {SERVICE_NAME: service, SERVICE_NAMESPACE: "atomictickets", SERVICE_VERSION: version("atomictickets")}
    )
    provider = TracerProvider(
        sampler=_sampler(exporter, changes_only),
        resource=ours.merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,  # it would wait 30 s for a collector that is silent
        span_limits=SpanLimits(max_links=None if OTEL_SPAN_LINK_COUNT_LIMIT in os.environ else MOST_LINKS),
    )
    if exporter is not None:
        batches = BatchSpanProcessor(exporter)
        provider.add_span_processor(ChangedTraces(batches) if changes_only else batches)
    return provider


def _sampler(exporter: SpanExporter | None, changes_only: bool) -> Sampler:
    if exporter is None:
        return ALWAYS_OFF
    return ALWAYS_ON if changes_only else Foregone(Sampling.of_environment())


class Foregone(Sampler):
    """Samples what was decided before its span was made, and what links to something sampled; else as `sampling` says.

    A batch is looked for from its orders: it must be there whenever one of them is.
    """

    def __init__(self, sampling: Sampling) -> None:
        root = TraceIdRatioBased(sampling.ratio)
        if sampling.follows_parent:
            self._otherwise = ParentBased(root)
        else:
            self._otherwise = ParentBased(root, remote_parent_sampled=root, remote_parent_not_sampled=root)

    def should_sample(  # noqa: PLR0917  the base class's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if get_value(DECIDED, parent_context) or any(link.context.trace_flags.sampled for link in links or ()):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return self._otherwise.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return "Foregone"
