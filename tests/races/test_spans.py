"""A race in traces: a span for each attempt's window, and in both traces of a pair a span that names the other."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, format_span_id, format_trace_id
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.attempts import AttemptRepository
from app.races.recorder import AttemptRecorder
from app.sales.attempt import Hazard
from app.telemetry.spans import span
from tests.support.attempts import ATTEMPT, an_attempt


def ids(context: SpanContext | None) -> tuple[str, str]:
    assert context is not None
    return format_trace_id(context.trace_id), format_span_id(context.span_id)


def named(exported: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exported.get_finished_spans() if span.name == name]


async def test_a_window_is_a_child_of_its_request(
    engine: AsyncEngine, attempts: AttemptRepository, exported: InMemorySpanExporter
) -> None:
    recorder = AttemptRecorder(engine)
    with span("POST /buy-ticket") as request:
        recorder.record(an_attempt(reservation_id="drop.1.1-0.aa"))
    await recorder.close()
    [window] = named(exported, "race.window")
    [attempt] = await attempts.attempts("drop", 1, limit=10)
    assert window.parent == request.get_span_context()
    assert (window.start_time, window.end_time) == (1_700_000_000_250_000_000, 1_700_000_000_312_500_000)
    assert ids(window.context) == (attempt.trace_id, attempt.span_id)
    assert window.attributes == {
        "atomictickets.sale": "drop",
        "atomictickets.round": 1,
        "atomictickets.strategy": "naive",
        "atomictickets.hazard": "lost-update",
        "atomictickets.attempt.pod": attempt.pod,
        "atomictickets.reservation_id": "drop.1.1-0.aa",
        "atomictickets.stock.version_read": "741",
        "atomictickets.stock.version_written": "742",
        "atomictickets.stock.value_read": 10,
        "atomictickets.stock.value_written": 9,
    }


@pytest.mark.parametrize(
    ("hazard", "guards", "name"),
    [
        (Hazard.LOST_UPDATE, "stock", "race.lost_update"),
        (Hazard.STALE_GUARD, "stock", "race.stale_guard"),
        (Hazard.EXPIRED_LOCK, "stock", "race.expired_lock"),
        (Hazard.WRITE_SKEW, "customer:ada@example.org", "race.write_skew"),
    ],
)
async def test_each_of_a_pair_names_the_other_in_its_own_trace(
    engine: AsyncEngine, exported: InMemorySpanExporter, hazard: Hazard, guards: str, name: str
) -> None:
    recorders = [AttemptRecorder(engine), AttemptRecorder(engine)]
    for pod, recorder in enumerate(recorders):
        recorder._pod = f"api-{pod}"  # noqa: SLF001  two processes in one
        with span("POST /buy-ticket"):
            recorder.record(an_attempt(hazard=hazard, guards=guards))
        await recorder.close()
    windows, collisions = named(exported, "race.window"), named(exported, name)
    assert len(windows) == len(collisions) == 2
    for number, (own, other) in enumerate(zip(windows, reversed(windows), strict=True)):
        [collision] = [found for found in collisions if ids(found.context)[0] == ids(own.context)[0]]
        trace_id, span_id = ids(other.context)
        assert collision.parent is not None
        assert ids(collision.parent) == ids(own.context)
        assert own.end_time is not None
        assert (collision.start_time, collision.end_time) == (own.end_time - 1000, own.end_time)
        assert [ids(link.context) for link in collision.links] == [(trace_id, span_id)]
        attributes = dict(collision.attributes or {})
        assert attributes["atomictickets.conflict.trace_id"] == trace_id
        assert attributes["atomictickets.conflict.span_id"] == span_id
        assert attributes["atomictickets.conflict.pod"] == f"api-{1 - number}"
        assert attributes["atomictickets.attempt.pod"] == f"api-{number}"
        assert attributes[f"atomictickets.{guards.partition(':')[0]}.version_read"] == ATTEMPT["version_read"]
        assert "@example" not in str(attributes)


async def test_a_request_that_is_not_sampled_has_no_window(
    engine: AsyncEngine, attempts: AttemptRepository, exported: InMemorySpanExporter
) -> None:
    recorder = AttemptRecorder(engine)
    recorder.record(an_attempt())
    await recorder.close()
    [attempt] = await attempts.attempts("drop", 1, limit=10)
    assert (attempt.trace_id, attempt.span_id) == (None, None)
    assert exported.get_finished_spans() == ()


async def test_of_a_pair_half_sampled_the_sampled_half_names_the_pod_alone(
    engine: AsyncEngine, exported: InMemorySpanExporter
) -> None:
    recorder = AttemptRecorder(engine)
    recorder.record(an_attempt())
    with span("POST /buy-ticket"):
        recorder.record(an_attempt())
    await recorder.close()
    [collision] = named(exported, "race.lost_update")
    assert collision.links == ()
    assert "atomictickets.conflict.pod" in (collision.attributes or {})
    assert "atomictickets.conflict.trace_id" not in (collision.attributes or {})
