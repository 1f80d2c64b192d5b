"""Many workers die at random steps of their batches. In the end every order is decided exactly once."""

import asyncio
import random
from collections import defaultdict

import pytest

from app.drain import drain as drain_module
from app.drain.drain import Drain
from app.failpoints import Failpoint
from tests.drain.conftest import MakeDrain
from tests.drain.deaths import AcknowledgesFirst, WorkerDied
from tests.support.sale_stream import SaleStream

STOCK, ORDERS, WORKERS = 80, 100, 4
CHANCE = 0.3  # of a death at each of the three failpoints


async def drain_with_deaths(sale_stream: SaleStream, make_drain: MakeDrain, kind: type[Drain]) -> None:
    """Run the workers until the stream is empty. After each death a worker goes on under a new consumer name."""

    async def worker(number: int) -> None:
        life = 0
        while await sale_stream.length():
            life += 1
            try:
                await make_drain(f"worker-{number}-{life}", kind=kind, batch_orders=7).sale(sale_stream.name, 10)
            except WorkerDied:
                continue

    await asyncio.gather(*(worker(number) for number in range(WORKERS)))


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> None:
    dice: dict[Failpoint, random.Random] = defaultdict(lambda: random.Random(20))  # noqa: S311  a fixed seed: the same deaths at each point every time

    async def perhaps(point: Failpoint) -> None:
        if dice[point].random() < CHANCE:
            raise WorkerDied(point)

    monkeypatch.setattr(drain_module, "failpoint", perhaps)


@pytest.fixture
async def sold_out(sale_stream: SaleStream) -> SaleStream:
    """Return a sale with more orders than tickets, as after a rollback of the gate.

    One buyer's answer was lost, and the buyer bought again.
    """
    await sale_stream.open(STOCK)
    await sale_stream.orders(ORDERS - 1)
    await sale_stream.order(customer="customer-1")
    return sale_stream


@pytest.mark.usefixtures("deaths")
async def test_every_order_is_decided_once(sold_out: SaleStream, make_drain: MakeDrain) -> None:
    await drain_with_deaths(sold_out, make_drain, Drain)
    assert await sold_out.statuses() == {"booked": STOCK, "rejected": ORDERS - 1 - STOCK, "duplicate": 1}
    assert await sold_out.booked() == STOCK
    assert (await sold_out.backlog(), await sold_out.length(), await sold_out.pending()) == (0, 0, 0)


@pytest.mark.usefixtures("deaths")
async def test_acknowledged_before_the_commit_the_same_deaths_lose_orders(
    sold_out: SaleStream, make_drain: MakeDrain
) -> None:
    await drain_with_deaths(sold_out, make_drain, AcknowledgesFirst)
    assert sum((await sold_out.statuses()).values()) < ORDERS
