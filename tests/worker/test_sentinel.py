"""A broker behind Sentinels: hints go to the server that is the primary at the time."""

from collections.abc import Callable

from celery import Celery
from kombu.exceptions import OperationalError

from app.drain.broker import broker_settings
from app.drain.hints import DRAIN_QUEUE
from tests.support.sale_stream import SaleStream
from tests.support.sentinel import SentinelGroup
from tests.support.until import until
from tests.worker.conftest import MakeWorker

NEVER = "600"  # seconds between sweeps: during the test only hints start the drain
PROMOTED_SECONDS = 60


async def test_hints_go_by_the_promoted_replica(
    sale_stream: SaleStream, make_worker: MakeWorker, make_sentinel_group: Callable[[], SentinelGroup]
) -> None:
    group = make_sentinel_group()

    async def booked_by_a_hint(orders: int) -> bool:
        with Celery(set_as_current=False) as sender:
            sender.conf.update(broker_settings(group.url, socket_connect_timeout=5, socket_timeout=5, max_retries=0))
            try:
                sender.send_task(
                    "drain_orders", (sale_stream.name,), queue=DRAIN_QUEUE, retry=False, ignore_result=True
                )
            except OperationalError:
                return False
        return await sale_stream.booked() == orders

    first = make_worker(BROKER_URL=group.url, DRAIN_SWEEP_SECONDS=NEVER)
    await sale_stream.orders(5)
    await until(lambda: booked_by_a_hint(5), seconds=PROMOTED_SECONDS)
    group.primary.kill()
    first.kill()  # kombu 5.7 may end it anyway if a hint was not acknowledged; a supervisor then restarts it
    make_worker(BROKER_URL=group.url, DRAIN_SWEEP_SECONDS=NEVER)
    await sale_stream.orders(5)
    await until(lambda: booked_by_a_hint(10), seconds=PROMOTED_SECONDS)
