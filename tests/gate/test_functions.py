"""The gate as a Redis function: it decides as the script does, and the server keeps it over a restart."""

from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from app.gate.connection import make_redis
from app.gate.functions import FunctionGate, function_name, library_name
from app.gate.gate import Gate
from app.gate.replies import FencingToken, GateUnavailable
from app.lab.stack.servers.valkey import ValkeyServer
from app.sales.outcomes import Reserved
from app.settings import GateSettings
from tests.support.sales import a_purchase, a_sale, open_sale

NOW = FencingToken(epoch=1, round=1)


@pytest.fixture
def server(make_valkey: Callable[..., ValkeyServer]) -> ValkeyServer:
    """Return a server for this test alone, because functions and scripts belong to the whole server."""
    return make_valkey()


@pytest.fixture
async def redis(server: ValkeyServer) -> AsyncIterator[Redis]:
    redis = make_redis(server.url, "test", GateSettings(command_timeout_seconds=10))
    yield redis
    await redis.aclose()


async def calls(redis: Redis, command: str) -> tuple[int, int]:
    """Return how often the server executed the command, and how many of these calls failed."""
    seen = (await redis.info("commandstats")).get(f"cmdstat_{command}", {})
    return seen.get("calls", 0), seen.get("failed_calls", 0)


async def result(gate: Gate) -> str:
    return (await gate.reserve("drop", [a_purchase()], NOW)).result


async def test_it_decides_as_the_script_does(redis: Redis) -> None:
    gate = FunctionGate(redis, "test")
    await gate.load_scripts()
    await open_sale(gate, a_sale(stock=3))
    first, again = a_purchase(key="k", quantity=2), a_purchase(key="k", quantity=2)
    (won,) = (await gate.reserve("drop", [first], NOW)).decisions
    (replay,) = (await Gate(redis, "test").reserve("drop", [again], NOW)).decisions  # the same keys, by the script
    assert isinstance(won.outcome, Reserved)
    assert isinstance(replay.outcome, Reserved)
    assert (replay.outcome.reservation, replay.outcome.replayed) == (won.outcome.reservation, True)
    assert await gate.has_entry(won.outcome.reservation)


async def test_it_outlives_a_restart_and_a_flush_of_the_scripts(server: ValkeyServer, redis: Redis) -> None:
    gate = FunctionGate(redis, "test")
    await gate.load_scripts()
    await open_sale(gate, a_sale())
    await redis.script_flush()
    assert await result(gate) == "decided"
    server.kill()
    server.start()
    await redis.connection_pool.disconnect()
    assert await result(gate) == "moved"  # the function answers, and itself detects the server's new run id
    assert await calls(redis, "fcall") == (1, 0)
    assert await calls(redis, "function|load") == (0, 0)


async def test_the_script_is_forgotten_by_both(server: ValkeyServer, redis: Redis) -> None:
    """The control: the plain gate recovers by itself, but only after a refused call."""
    gate = Gate(redis, "test")
    await gate.load_scripts()
    await open_sale(gate, a_sale())
    await redis.script_flush()
    assert await result(gate) == "decided"
    assert (await calls(redis, "evalsha"))[1] == 1
    server.kill()
    server.start()
    await redis.connection_pool.disconnect()
    assert await result(gate) == "moved"
    assert (await calls(redis, "evalsha"))[1] == 1


async def test_a_function_that_somebody_deleted_is_loaded_again(redis: Redis) -> None:
    gate = FunctionGate(redis, "test")
    await gate.load_scripts()
    await gate.load_scripts()  # any number of processes may load them
    await open_sale(gate, a_sale())
    await redis.function_delete(library_name("reserve"))
    assert await result(gate) == "decided"
    (loaded,) = await redis.function_list()
    assert function_name("reserve") in str(loaded)


async def test_a_full_server_refuses_even_replays(redis: Redis) -> None:
    """This is the price of a library's header: on a full server the plain script still answers a replay."""
    gate = FunctionGate(redis, "test")
    await gate.load_scripts()
    await open_sale(gate, a_sale())
    won = a_purchase(key="k")
    await gate.reserve("drop", [won], NOW)
    await redis.config_set("maxmemory", 1)
    with pytest.raises(GateUnavailable):
        await gate.reserve("drop", [won], NOW)
    assert (await Gate(redis, "test").reserve("drop", [won], NOW)).result == "decided"
