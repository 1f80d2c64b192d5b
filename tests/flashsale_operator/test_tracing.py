"""The trace of a reconciliation: its spans, its trace id in the status, and both ids in its log lines."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id
from structlog.contextvars import merge_contextvars

from app.telemetry.changed_traces import ChangedTraces
from app.telemetry.context import traceparent_of
from app.telemetry.logs import add_span_ids
from app.telemetry.names import CHANGED, OUTCOME
from flashsale_operator.metrics import OperatorMetrics
from flashsale_operator.pool import WorkerPool
from flashsale_operator.reconciler import FlashSaleReconciler
from flashsale_operator.resource_cache import ResourceCache
from flashsale_operator.scaling import DesiredWorkers
from flashsale_operator.settings import OperatorSettings
from flashsale_operator.stores import Stores
from flashsale_operator.work_queue import WorkQueue
from tests.flashsale_operator.stand_in_kube import StandInKube
from tests.support.box_office import BoxOffice
from tests.support.spans import trace_of

NEVER = 2**200  # larger than any trace id, so that none is a multiple of it
ROOT = "reconcile FlashSale"


@dataclass
class EndedSpans:
    """The spans that ended since the last `clear`: all of them in `ended`, the exported ones in `sent`."""

    ended: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    sent: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def clear(self) -> None:
        self.ended.clear()
        self.sent.clear()

    @property
    def exported(self) -> Sequence[ReadableSpan]:
        return self.sent.get_finished_spans()

    def one(self, name: str) -> ReadableSpan:
        [found] = [span for span in self.ended.get_finished_spans() if span.name == name]
        return found

    def tree(self) -> set[tuple[str, str]]:
        """Return the exported spans as pairs of a name and the parent's name, which is '' for a root."""
        names = {span.context.span_id: span.name for span in self.exported if span.context}
        return {(span.name, names[span.parent.span_id] if span.parent else "") for span in self.exported}

    @property
    def failed(self) -> set[str]:
        return {span.name for span in self.ended.get_finished_spans() if not span.status.is_ok}


@pytest.fixture(scope="module")
def recorded() -> Iterator[EndedSpans]:
    """Yield the spans of this process. Its provider can be set only once, so later tests use the same one."""
    spans, provider = EndedSpans(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans.ended))
    provider.add_span_processor(ChangedTraces(SimpleSpanProcessor(spans.sent), NEVER))
    trace.set_tracer_provider(provider)
    yield spans
    provider.shutdown()


@pytest.fixture
def spans(recorded: EndedSpans) -> EndedSpans:
    recorded.clear()
    return recorded


class Operator:
    """An operator that reconciles the sale `drop`, once at a time."""

    def __init__(self, stores: Stores) -> None:
        self.kube, self.resources = StandInKube(), ResourceCache()
        settings = OperatorSettings(workers="worker", namespace="shop")
        self.pool = WorkerPool(self.kube, settings)
        self.reconciler = FlashSaleReconciler(
            stores=stores, kube=self.kube, resources=self.resources, pool=self.pool, metrics=OperatorMetrics(lambda: 0),
            settings=settings,
        )  # fmt: skip

    def apply(self, generation: int = 1, **spec: Any) -> None:
        metadata = {"name": "drop", "namespace": "shop", "uid": "uid-1", "generation": generation}
        self.kube.resource |= {"metadata": metadata, "spec": {"strategy": "atomic", "stock": 10} | spec}
        self.resources.upsert(self.kube.resource)

    async def reconcile(self) -> Sequence[Mapping[str, Any]]:
        """Reconcile the sale once, by way of the queue, and return the log lines."""
        over = asyncio.Event()

        async def once(name: str) -> None:
            try:
                await self.reconciler.reconcile(name)
            finally:
                over.set()

        self.reconciler.check_soon("drop")
        queue = WorkQueue(once, at_once=1)
        queue.add("drop")
        with structlog.testing.capture_logs(processors=[merge_contextvars, add_span_ids]) as lines:
            running = asyncio.create_task(queue.run())
            await over.wait()
            running.cancel()
            await asyncio.wait((running,))
        return lines

    @property
    def trace_id(self) -> str:
        """Return the trace id in the status."""
        return str(self.kube.resource["status"]["lastReconcile"]["traceId"])


@pytest.fixture
def operator(stores: Stores) -> Operator:
    return Operator(stores)


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


async def test_seeding_is_one_trace_which_status_and_log_name(operator: Operator, spans: EndedSpans) -> None:
    operator.apply()
    lines = await operator.reconcile()
    assert spans.tree() == {
        (ROOT, ""), ("follow", ROOT), ("prepare", ROOT), ("check", ROOT), ("post event", ROOT), ("write status", ROOT),
    }  # fmt: skip
    root = spans.one(ROOT)
    assert {trace_of(span) for span in spans.exported} == {operator.trace_id} == {trace_of(root)}
    assert attributes_of(root) == {
        "k8s.namespace.name": "shop", "k8s.object.uid": "uid-1", "atomictickets.sale": "drop",
        "atomictickets.generation": 1, "atomictickets.round": 1, "atomictickets.epoch": 1,
    }  # fmt: skip
    assert attributes_of(spans.one("follow")) == {OUTCOME: "create", CHANGED: True}
    assert attributes_of(spans.one("check"))[OUTCOME] == "none"
    assert not spans.failed
    assert lines
    for line in lines:
        assert (line["trace_id"], line["sale"], line["generation"]) == (operator.trace_id, "drop", 1)
    assert root.context is not None
    opened = next(line for line in lines if line.get("reason") == "SaleOpened")
    assert (opened["span_id"], opened["epoch"]) == (format_span_id(root.context.span_id), 1)


async def test_the_gate_remembers_the_span_that_seeded_it(
    operator: Operator, office: BoxOffice, spans: EndedSpans
) -> None:
    """The first purchase under that epoch links to this reconciliation."""
    operator.apply()
    await operator.reconcile()
    prepare = spans.one("prepare")
    assert prepare.context is not None
    assert await office.redis.hget(office.keys.sale, "seeded_by") == traceparent_of(prepare.context)
    assert operator.trace_id in traceparent_of(prepare.context)


async def test_a_reconciliation_without_a_change_is_not_exported_and_leaves_the_status(
    operator: Operator, spans: EndedSpans
) -> None:
    operator.apply()
    await operator.reconcile()
    seeded = operator.trace_id
    spans.clear()
    await operator.reconcile()
    assert trace_of(spans.one(ROOT)) != seeded
    assert spans.tree() == set()
    assert operator.trace_id == seeded


async def test_a_repair_is_a_child_of_its_check(operator: Operator, office: BoxOffice, spans: EndedSpans) -> None:
    operator.apply()
    await operator.reconcile()
    await office.leak(3)
    await operator.reconcile()
    spans.clear()
    await operator.reconcile()
    assert ("give_back", "check") in spans.tree()
    assert attributes_of(spans.one("give_back")) == {CHANGED: True}
    assert operator.trace_id == trace_of(spans.one("give_back"))
    spans.clear()
    await office.redis.unlink(office.keys.sale)
    await operator.reconcile()
    assert ("recount", "check") in spans.tree()
    assert operator.trace_id == trace_of(spans.one("recount"))
    assert attributes_of(spans.one(ROOT))["atomictickets.epoch"] == 2


async def test_a_refusal_is_an_outcome_and_no_error(operator: Operator, spans: EndedSpans) -> None:
    operator.apply()
    await operator.reconcile()
    spans.clear()
    operator.apply(generation=2, stock=5)
    await operator.reconcile()
    assert attributes_of(spans.one(ROOT))[OUTCOME] == attributes_of(spans.one("follow"))[OUTCOME] == "StockShrinks"
    assert not spans.failed


async def test_a_store_that_is_away_is_an_error_and_exported(
    operator: Operator, spans: EndedSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.apply()
    await operator.reconcile()
    seeded = operator.trace_id
    spans.clear()
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    alone = Stores.open(sales_at_once=2)
    blind = Operator(alone)
    blind.kube.resource = operator.kube.resource
    blind.apply()
    await blind.reconcile()
    await alone.close()
    assert spans.failed == {ROOT, "check"}
    assert (ROOT, "") in spans.tree()
    assert blind.trace_id == seeded


async def test_an_exception_is_an_error_whose_line_names_the_trace(operator: Operator, spans: EndedSpans) -> None:
    operator.apply()
    operator.kube.away = True
    lines = await operator.reconcile()
    assert spans.failed == {ROOT, "write status"}
    assert [event.name for event in spans.one(ROOT).events] == ["exception"]
    failed = next(line for line in lines if line["event"].startswith("reconciliation failed"))
    assert (failed["trace_id"], failed["sale"]) == (trace_of(spans.one(ROOT)), "drop")


async def test_the_end_of_a_deleted_resource_and_the_removal_are_traced(operator: Operator, spans: EndedSpans) -> None:
    operator.apply()
    await operator.reconcile()
    spans.clear()
    operator.resources.remove("drop", "uid-1")
    await operator.reconcile()
    assert {(ROOT, ""), ("end", ROOT), ("check", ROOT), ("remove", "check")} == spans.tree()
    assert attributes_of(spans.one(ROOT)) == {
        "k8s.namespace.name": "shop", "atomictickets.sale": "drop", "atomictickets.round": 1, "atomictickets.epoch": 1,
    }  # fmt: skip
    assert attributes_of(spans.one("end"))[CHANGED] is attributes_of(spans.one("remove"))[CHANGED] is True


async def test_scaling_is_a_trace_of_its_own(operator: Operator, spans: EndedSpans) -> None:
    await operator.pool.follow([DesiredWorkers(sale="drop", standby=0, for_backlog=3)])
    assert spans.tree() == {("scale", ""), ("post event", "scale")}
    assert attributes_of(spans.one("scale")) == {
        "k8s.deployment.name": "worker", "atomictickets.workers.before": 1, "atomictickets.workers.after": 3,
        CHANGED: True,
    }  # fmt: skip
