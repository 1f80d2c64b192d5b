"""function: `atomic` with another kind of call, and the same promise. See tests/gate/test_functions.py for the call."""

from app.gate.functions import library_name
from app.strategies.dependencies import StrategyDependencies
from app.strategies.function import FunctionStrategy
from tests.strategies.sale import create_sale, won
from tests.support.sales import a_purchase


async def test_the_function_is_there_before_the_first_buyer(dependencies: StrategyDependencies) -> None:
    strategy = FunctionStrategy.build(dependencies)
    await create_sale(strategy, dependencies)
    assert await dependencies.redis.function_list(library_name("reserve"))
    calls = (await dependencies.redis.info("commandstats")).get("cmdstat_fcall", {}).get("calls", 0)
    won(await strategy.buy(a_purchase()))
    assert (await dependencies.redis.info("commandstats"))["cmdstat_fcall"]["calls"] > calls
    await strategy.close()
