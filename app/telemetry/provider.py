"""The tracer provider: resource, sampler and queue.

app.telemetry.tracing imports this module only if the process makes spans.
"""

from functools import cached_property
from importlib.metadata import version

from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from app.telemetry.changed_traces import ChangedTraces
from app.telemetry.sampling import Sampling


class HashedOnce(Resource):
    """A resource that computes its hash once.

    The exporter asks for the hash with each span, and a Resource serializes itself to JSON to compute it, which is a
    fifth of the cost of sending a span. A resource never changes.
    """

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)


def provider_of(service: str, exporter: SpanExporter | None, *, changes_only: bool = False) -> TracerProvider:
    """Return the provider of a process.

    At most OTEL_BSP_MAX_QUEUE_SIZE spans (2048) wait for the exporter; more are dropped. Without an exporter, spans
    still have ids, for logs and statuses.

    `changes_only`: whether whole traces are kept or dropped when they end, whatever the sampler is. There are few of
    them.
    """
    resource = Resource.create(
        {SERVICE_NAME: service, SERVICE_NAMESPACE: "atomictickets", SERVICE_VERSION: version("atomictickets")}
    ).merge(OTELResourceDetector().detect())
    provider = TracerProvider(
        sampler=_sampler(exporter, changes_only),
        resource=HashedOnce(resource.attributes, resource.schema_url),
        shutdown_on_exit=False,  # it would wait 30 s for a silent collector
    )
    if exporter is not None:
        batches = BatchSpanProcessor(exporter)
        provider.add_span_processor(ChangedTraces(batches) if changes_only else batches)
    return provider


def _sampler(exporter: SpanExporter | None, changes_only: bool) -> Sampler:
    """Return the sampler for spans that nothing has decided yet. The environment is read as it is for purchases."""
    if exporter is None:
        return ALWAYS_OFF
    if changes_only:
        return ALWAYS_ON
    sampling = Sampling.from_environment()
    root = TraceIdRatioBased(sampling.ratio)
    if sampling.follows_parent:
        return ParentBased(root)
    return ParentBased(root, remote_parent_sampled=root, remote_parent_not_sampled=root)
