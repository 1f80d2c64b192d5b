"""The trace of a purchase that waits with others for the database: it must not claim that the gate was asked."""

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.gate.tracing import CALLS
from app.strategies.atomic import AtomicStrategy
from app.strategies.db_gathered import DbGatheredStrategy
from app.strategies.dependencies import StrategyDependencies
from app.strategies.function import FunctionStrategy
from tests.strategies.sale import create_sale, won
from tests.support.sales import a_purchase

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("sells", "expected"),
    [
        (DbGatheredStrategy, set()),
        (AtomicStrategy, {"gate.reserve", "EVALSHA reserve"}),
        (FunctionStrategy, {"gate.reserve", "FCALL reserve"}),
    ],
    ids=["db-gathered", "atomic", "function"],
)
async def test_only_a_strategy_that_asks_the_gate_has_its_spans(
    sells: type[DbGatheredStrategy | AtomicStrategy],
    expected: set[str],
    dependencies: StrategyDependencies,
    exported: InMemorySpanExporter,
) -> None:
    strategy = sells.build(dependencies)
    await create_sale(strategy, dependencies)
    purchase = a_purchase()
    purchase.traceparent = SAMPLED
    won(await strategy.buy(purchase))
    await strategy.close()
    assert {span.name for span in exported.get_finished_spans()} & {"gate.reserve", *CALLS.values()} == expected
