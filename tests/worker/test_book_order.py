"""Orders that are published as tasks, one task each, and the worker that books them."""

from dataclasses import replace

from app.drain.published import OrderPublisher
from app.gate.keys import instance_key
from app.sales.order import Order
from tests.support.sale_stream import SaleStream
from tests.support.until import until
from tests.worker.conftest import START_SECONDS, MakeWorker, logged


async def publish(broker_url: str, *orders: Order) -> None:
    publisher = OrderPublisher(broker_url)
    for order in orders:
        await publisher.publish(order)
    await publisher.close()


async def test_an_order_is_booked_once_and_what_cannot_be_is_logged(
    sale_stream: SaleStream, make_worker: MakeWorker, broker_url: str
) -> None:
    worker = make_worker(DRAIN_SWEEP_SECONDS="3600")
    order = sale_stream.unwritten(quantity=2)
    elsewhere = sale_stream.unwritten()
    elsewhere = replace(elsewhere, id=replace(elsewhere.id, round=7))
    unreadable = replace(sale_stream.unwritten(), quantity=0)
    await publish(broker_url, elsewhere, unreadable, order, order, sale_stream.unwritten())

    async def all_are_booked() -> bool:
        return await sale_stream.booked() == 3

    await until(all_are_booked)
    assert logged(worker, "a published order can't be booked; it is lost")
    assert logged(worker, "a published order can't be read; it is lost")
    assert await sale_stream.statuses() == {"booked": 2}
    assert worker.stop(seconds=30)


async def test_an_order_waits_for_the_stores(
    sale_stream: SaleStream, make_worker: MakeWorker, broker_url: str, key_prefix: str
) -> None:
    """At first the stores belong to another installation. The worker treats them as away, and waits."""
    await sale_stream.redis.set(instance_key(key_prefix), "another")
    worker = make_worker(wait=False, LOG_LEVEL="DEBUG")
    await publish(broker_url, sale_stream.unwritten())
    await until(lambda: logged(worker, "the published order comes again"), seconds=START_SECONDS)
    assert await sale_stream.booked() == 0
    await sale_stream.redis.delete(instance_key(key_prefix))

    async def is_booked() -> bool:
        return await sale_stream.booked() == 1

    await until(is_booked, seconds=START_SECONDS)
    assert worker.stop(seconds=30)
