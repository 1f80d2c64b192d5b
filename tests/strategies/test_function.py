"""function: `atomic` by another call, and so with the same promise. See tests/gate/test_functions.py for the call."""

from app.drain.drain import Drain
from app.gate.functions import library_name
from app.sales.model import Sale
from app.sales.outcomes import SoldOut
from app.settings import DrainSettings
from app.strategies.function import FunctionStrategy
from app.strategies.protocol import Parts
from tests.fixtures.crowd import Crowd
from tests.fixtures.gate import a_purchase
from tests.strategies.stage import stage, won


async def test_a_crowd_is_sold_exactly_the_stock(crowd: Crowd, parts: Parts) -> None:
    drain = Drain(parts.redis, parts.engine, DrainSettings(), key_prefix=parts.gate_settings.key_prefix)

    async def drained(sale: Sale) -> None:
        while (await drain.sale(sale.name, 5)).more:
            pass

    for sold in await crowd.rush(FunctionStrategy, settle=drained):
        assert (sold.oversold, sold.undersold) == (0, 0)
        assert (sold.snapshot.remaining, sold.snapshot.backlog) == (0, 0)
        assert len(sold.accepted) == 100
        assert {type(outcome) for outcome in sold.refused} == {SoldOut}


async def test_the_function_is_there_before_the_first_buyer(parts: Parts) -> None:
    strategy = FunctionStrategy.build(parts)
    await stage(strategy, parts)
    assert await parts.redis.function_list(library_name("reserve"))
    calls = (await parts.redis.info("commandstats")).get("cmdstat_fcall", {}).get("calls", 0)
    won(await strategy.buy(a_purchase()))
    assert (await parts.redis.info("commandstats"))["cmdstat_fcall"]["calls"] > calls
    await strategy.close()
