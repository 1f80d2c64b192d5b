"""The connections of a process to the stock server."""

import asyncio

from redis.asyncio import Redis

CALLS = 200


async def lost_cancellations(redis: Redis) -> int:
    """Start CALLS tasks that call the server without end, and cancel each at a random moment of a call.

    Return how many of them go on after that.
    """

    async def call_without_end() -> None:
        while True:
            await redis.ping()

    lost = 0
    for turn in range(CALLS):
        task = asyncio.create_task(call_without_end())
        for _ in range(1 + turn % 23):
            await asyncio.sleep(0)  # each turn cancels at another step of the call
        task.cancel()
        _, running = await asyncio.wait({task}, timeout=60)
        if running:
            lost += 1
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)  # lets the cancellation arrive
    return lost


async def test_no_cancellation_is_lost(stock_redis: Redis) -> None:
    assert await lost_cancellations(stock_redis) == 0
