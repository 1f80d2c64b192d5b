"""Strategies that decide in Redis are protected by deciding in one call. In two calls, the last ticket is sold twice.

The controls use the same code and the same scripts, but read the remaining tickets in a separate call, and both buyers
have read them before either takes a ticket. See test_controls.py for the strategies that decide in the ledger.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from redis.asyncio import Redis

from app.drain.drain import Drain
from app.drain.published import book_published
from app.gate.functions import FunctionGate
from app.gate.gate import Gate
from app.gate.scripts import source
from app.sales.outcomes import Outcome, Reserved, SoldOut
from app.settings import DrainSettings
from app.strategies.atomic import AtomicStrategy
from app.strategies.dependencies import StrategyDependencies
from app.strategies.function import FunctionStrategy
from app.strategies.in_redis.counter import Counted, StockCounter
from app.strategies.in_redis.standalone_counter import Sold, StandaloneCounter
from app.strategies.lua_fire_and_forget import LuaFireAndForgetStrategy
from app.strategies.redis_decr import RedisDecrStrategy
from tests.strategies.sale import create_sale, tally_of
from tests.support.sales import a_purchase

SELL = (files("app.strategies.in_redis") / "lua/sell.lua").read_text()
SELL = SELL.replace("tonumber(counter[4])", "tonumber(ARGV[6])")
RESERVE = source("reserve").replace("tonumber(sale[6])", "tonumber(table.remove(ARGV))")
FUNCTION = "reserve_apart"
LIBRARY = f"#!lua name={FUNCTION}\nredis.register_function('{FUNCTION}', function(KEYS, ARGV)\n{RESERVE}\nend)"

LAST = {True: [1, 1], False: [2, 0]}
"""For a protected and an unprotected strategy: how many of two buyers get the last ticket, and how many Sold Out."""


class GateApart(Gate):
    command = "EVAL"

    def __init__(self, redis: "Redis", prefix: str, both_have_read: asyncio.Barrier) -> None:
        super().__init__(redis, prefix)
        self._both_have_read = both_have_read

    def _call_name(self, script: str) -> str:
        return RESERVE if script == "reserve" else super()._call_name(script)

    async def _evaluate(self, server: "Redis", name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        if name == "reserve":
            arguments = [*arguments, str(await server.hget(keys[0], "remaining"))]
            await self._both_have_read.wait()
        return await super()._evaluate(server, name, keys, arguments)


class FunctionApart(GateApart, FunctionGate):
    command = "FCALL"

    def _call_name(self, script: str) -> str:
        return FUNCTION if script == "reserve" else super()._call_name(script)


class CounterApart(StockCounter):
    def __init__(self, redis: "Redis", prefix: str, both_have_read: asyncio.Barrier) -> None:
        super().__init__(redis, prefix)
        self._both_have_read = both_have_read

    async def add(self, sale: str, round_: int, tickets: int) -> Counted | None:
        counted = await self.read(sale, round_)
        await self._both_have_read.wait()
        assert counted is not None
        left = counted.left + tickets
        await self.redis.hset(self.key(sale, round_), "left", str(left))
        return Counted(counted.stock, left)


class StandaloneCounterApart(StandaloneCounter):
    def __init__(self, redis: "Redis", prefix: str, both_have_read: asyncio.Barrier) -> None:
        super().__init__(redis, prefix)
        script = redis.register_script(SELL)

        async def sell(*, keys: Sequence[str], args: Sequence[Any]) -> Any:
            left = str(await redis.hget(keys[0], "left"))
            await both_have_read.wait()
            return await script(keys, [*args, left])

        self._sell = sell  # type: ignore[assignment]  # it is called like a Script


@pytest.fixture
def both_have_read() -> asyncio.Barrier:
    return asyncio.Barrier(2)


async def statuses(*purchases: Awaitable[Outcome]) -> list[int]:
    """Return how many purchases won, and how many were sold out."""
    outcomes = await asyncio.gather(*purchases)
    return [sum(isinstance(outcome, kind) for outcome in outcomes) for kind in (Reserved, SoldOut)]


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize(
    ("strategy", "whole", "apart"),
    [(AtomicStrategy, Gate, GateApart), (FunctionStrategy, FunctionGate, FunctionApart)],
    ids=["atomic", "function"],
)
async def test_the_gate_decides_and_takes_in_one_call(
    strategy: type[AtomicStrategy],
    whole: type[Gate],
    apart: type[GateApart],
    dependencies: StrategyDependencies,
    both_have_read: asyncio.Barrier,
    *,
    protected: bool,
) -> None:
    """Without protection the ledger still rejects the second order, but its buyer was promised a ticket."""
    prefix = dependencies.gate_settings.key_prefix
    sale = await create_sale(AtomicStrategy.build(dependencies), dependencies, stock=1)
    await dependencies.redis.function_load(LIBRARY, replace=True)
    gates = [
        whole(dependencies.redis, prefix) if protected else apart(dependencies.redis, prefix, both_have_read)
        for _ in range(2)
    ]
    instances = [strategy(replace(dependencies, gate=gate)) for gate in gates]
    assert await statuses(*(instance.buy(a_purchase()) for instance in instances)) == LAST[protected]
    await Drain(dependencies.redis, dependencies.engine, DrainSettings(), key_prefix=prefix).sale("drop", 5)
    tally = await tally_of(dependencies, sale)
    assert (tally.booked, tally.rejected) == (1, 0 if protected else 1)
    for instance in instances:
        await instance.close()
    await dependencies.redis.function_delete(FUNCTION)


@pytest.mark.parametrize("protected", [True, False])
async def test_the_counter_is_read_and_taken_from_in_one_command(
    dependencies: StrategyDependencies, both_have_read: asyncio.Barrier, *, protected: bool
) -> None:
    prefix = dependencies.gate_settings.key_prefix
    sale = await create_sale(RedisDecrStrategy.build(dependencies), dependencies, stock=1)
    whole, apart = StockCounter(dependencies.redis, prefix), CounterApart(dependencies.redis, prefix, both_have_read)
    instances = [RedisDecrStrategy(dependencies.engine, whole if protected else apart) for _ in range(2)]
    assert await statuses(*(instance.buy(a_purchase()) for instance in instances)) == LAST[protected]
    assert (await tally_of(dependencies, sale)).booked == LAST[protected][0]


@pytest.mark.parametrize("protected", [True, False])
async def test_the_standalone_counter_decides_and_takes_in_one_call(
    dependencies: StrategyDependencies, both_have_read: asyncio.Barrier, *, protected: bool
) -> None:
    prefix = dependencies.gate_settings.key_prefix
    strategy = LuaFireAndForgetStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=1)
    counters = [
        StandaloneCounter(dependencies.redis, prefix)
        if protected
        else StandaloneCounterApart(dependencies.redis, prefix, both_have_read)
    ] * 2

    async def buy(counter: StandaloneCounter) -> Outcome:
        sold = await counter.sell(a_purchase())
        assert isinstance(sold, Sold)
        if sold.order is not None:
            await book_published(dependencies.engine, sold.order)  # as the worker does that gets the task
        return sold.outcome

    assert await statuses(*(buy(counter) for counter in counters)) == LAST[protected]
    tally = await tally_of(dependencies, sale)
    assert (tally.booked, tally.rejected) == (1, 0 if protected else 1)
    await strategy.close()
