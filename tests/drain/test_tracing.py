"""The span of each order, whose attributes describe its booking."""

from collections import Counter
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from app.drain.stream import OrderStream
from app.telemetry.names import OUTCOME
from tests.drain.conftest import MakeDrain
from tests.support.sale_stream import SaleStream

TRACE, RESERVE = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{RESERVE}-01"
BOOK, BATCH = "ledger.book", "ledger.book batch"


class StoreAway(OSError):
    """A store does not answer."""


async def away(*_: Any, **__: Any) -> None:
    raise StoreAway


def named(exported: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exported.get_finished_spans() if span.name == name]


def outcomes(exported: InMemorySpanExporter) -> Counter[tuple[Any, Any]]:
    """Return how many of the orders' spans have each pair of delivery and outcome."""
    attributes = [span.attributes or {} for span in named(exported, BOOK)]
    return Counter((values.get("atomictickets.delivery"), values.get(OUTCOME)) for values in attributes)


async def test_what_is_not_sampled_has_no_span(
    sale_stream: SaleStream, make_drain: MakeDrain, exported: InMemorySpanExporter
) -> None:
    await sale_stream.open(10)
    await sale_stream.orders(2)
    await sale_stream.order(traceparent="nonsense")
    assert (await make_drain().sale(sale_stream.name, 10)).booked == 3
    assert exported.get_finished_spans() == ()


async def test_a_sampled_order_is_a_child_of_what_its_entry_names(
    sale_stream: SaleStream, make_drain: MakeDrain, exported: InMemorySpanExporter
) -> None:
    await sale_stream.open(10)
    await sale_stream.orders(5)
    order = await sale_stream.order(traceparent=SAMPLED)
    await make_drain().sale(sale_stream.name, 10)
    [book], [batch] = named(exported, BOOK), named(exported, BATCH)
    assert book.parent is not None
    assert book.context is not None
    assert (format_trace_id(book.context.trace_id), format_span_id(book.parent.span_id)) == (TRACE, RESERVE)
    assert (book.attributes or {})["atomictickets.reservation_id"] == order.reservation_id
    assert [link.context for link in book.links] == [batch.context]
    assert [format_trace_id(link.context.trace_id) for link in batch.links] == [TRACE]
    assert (batch.attributes or {})["messaging.batch.message_count"] == 6
    assert batch.parent is None


async def test_each_outcome_is_recorded_and_none_is_an_error(
    sale_stream: SaleStream, make_drain: MakeDrain, exported: InMemorySpanExporter
) -> None:
    await sale_stream.open(1)
    await sale_stream.order(traceparent=SAMPLED, customer="ada")
    await sale_stream.order(traceparent=SAMPLED, customer="ada")
    await sale_stream.order(traceparent=SAMPLED)
    await sale_stream.order(traceparent=SAMPLED, round=7)
    drain = make_drain(poison_tries=2)
    await drain.sale(sale_stream.name, 10)
    assert outcomes(exported) == {
        ("first", "booked"): 1, ("first", "duplicate"): 1, ("first", "rejected"): 1, ("first", "failed"): 1,
    }  # fmt: skip
    exported.clear()
    await drain.sale(sale_stream.name, 10)
    assert outcomes(exported) == {("claimed", "set-aside"): 1}
    assert all(span.status.is_ok or span.status.is_unset for span in exported.get_finished_spans())


@pytest.mark.parametrize(("idle_seconds", "delivery"), [(600, "again"), (0.001, "claimed")])
async def test_what_was_booked_and_not_acknowledged_is_known(
    sale_stream: SaleStream,
    make_drain: MakeDrain,
    exported: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    *,
    idle_seconds: float,
    delivery: str,
) -> None:
    await sale_stream.open(10)
    await sale_stream.order(traceparent=SAMPLED)
    drain = make_drain("one", claim_idle_seconds=idle_seconds)
    with monkeypatch.context() as failing:
        failing.setattr(OrderStream, "acknowledge", away)
        with pytest.raises(StoreAway):
            await drain.sale(sale_stream.name, 10)
    [batch] = named(exported, BATCH)
    assert not batch.status.is_ok
    assert not named(exported, BOOK)
    later = drain if delivery == "again" else make_drain("two", claim_idle_seconds=idle_seconds)
    await later.sale(sale_stream.name, 10)
    assert outcomes(exported) == {(delivery, "known"): 1}
