"""Orders that are published to a broker that hangs."""

import asyncio

from app.drain.published import OrderPublisher
from app.errors import TemporarilyUnavailable
from tests.support.sale_stream import SaleStream
from tests.support.silent_broker import SilentBroker


async def test_behind_a_broker_that_hangs_no_buyer_waits_for_all_earlier_ones(
    sale_stream: SaleStream, silent_broker: SilentBroker
) -> None:
    publisher = OrderPublisher(silent_broker.url)
    publications = (publisher.publish(sale_stream.unwritten()) for _ in range(30))
    outcomes = await asyncio.gather(*publications, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {TemporarilyUnavailable}
    assert silent_broker.connections > 0
    await publisher.close()
