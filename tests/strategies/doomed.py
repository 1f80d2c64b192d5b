"""A purchase in a process that dies at a failpoint."""

import asyncio
import multiprocessing
import signal

from app.sales.model import Purchase
from app.strategies.dependencies import RegisteredStrategy
from tests.support.rush import StoreAddresses, dependencies_at, selling


async def buy_and_die(strategy: type[RegisteredStrategy], addresses: StoreAddresses, purchase: Purchase) -> None:
    """Buy in a process of its own, and return when the process has died.

    The caller must arm a failpoint first, with FailpointController.kill_at.
    """
    process = multiprocessing.get_context("spawn").Process(target=_buy, args=(strategy, addresses, purchase))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == -signal.SIGKILL


def _buy(strategy: type[RegisteredStrategy], addresses: StoreAddresses, purchase: Purchase) -> None:
    asyncio.run(_sell(strategy, addresses, purchase))


async def _sell(strategy: type[RegisteredStrategy], addresses: StoreAddresses, purchase: Purchase) -> None:
    async with dependencies_at(addresses) as dependencies, selling(strategy, dependencies) as instance:
        await instance.buy(purchase)
