"""A purchase in a process that dies at a failpoint."""

import asyncio
import multiprocessing
import signal

from app.sales.model import Purchase
from app.strategies.dependencies import RegisteredStrategy
from tests.support.rush import Place, parts_at, selling


async def buy_and_die(strategy: type[RegisteredStrategy], place: Place, purchase: Purchase) -> None:
    """Buy in a process of its own, and return when the process has died.

    The caller must arm a failpoint first, with FailpointController.kill_at.
    """
    process = multiprocessing.get_context("spawn").Process(target=_buy, args=(strategy, place, purchase))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == -signal.SIGKILL


def _buy(strategy: type[RegisteredStrategy], place: Place, purchase: Purchase) -> None:
    asyncio.run(_sell(strategy, place, purchase))


async def _sell(strategy: type[RegisteredStrategy], place: Place, purchase: Purchase) -> None:
    async with parts_at(place) as parts, selling(strategy, parts) as desk:
        await desk.buy(purchase)
