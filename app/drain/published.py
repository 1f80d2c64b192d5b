"""Orders that are published as tasks of their own, by a strategy without an outbox. Such an order is its message.

Who dies before the message is with the broker, and a broker that forgets, take the order along. From there on it is
booked once: a worker lets go of the message after the commit, and the ledger knows an order that comes again.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kombu.exceptions import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.hints import DRAIN_QUEUE
from app.drain.sender import make_sender
from app.errors import TemporarilyUnavailable
from app.failpoints import failpoint
from app.ledger.bookings import Booked, book
from app.sales.order import Order

BOOK_TASK = "book_order"
PUBLISHING_AT_ONCE = 4  # threads, each with a connection of its own
PUBLISH_SECONDS = 3.0  # a buyer's wait: behind a broker that hangs each would wait for all before him


class OrderPublisher:
    """The publisher of one process. Use it from one event loop."""

    def __init__(self, broker_url: str) -> None:
        self._sender = make_sender(broker_url)
        self._threads = ThreadPoolExecutor(PUBLISHING_AT_ONCE, thread_name_prefix="publisher")

    async def publish(self, order: Order) -> None:
        """Returns when the broker has it. Raises TemporarilyUnavailable: it may have, or not.

        Who is told to come back leaves his order in the queue: a broker that is slow gets it later.
        """
        publication = asyncio.get_running_loop().run_in_executor(self._threads, self._send, message(order))
        done, _ = await asyncio.wait((publication,), timeout=PUBLISH_SECONDS)
        if not done:
            publication.add_done_callback(_look_away)
            raise TemporarilyUnavailable("The broker is slow; it isn't known yet whether the order will be booked.")
        try:
            publication.result()
        except (OperationalError, OSError) as error:
            raise TemporarilyUnavailable("The broker can't be reached; nobody will book this order.") from error

    async def close(self) -> None:
        """Waits for what is being published; what still waits for its turn is lost, as its buyer had to expect."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._sender.close()

    def _send(self, order: dict[str, Any]) -> None:
        self._sender.send_task(BOOK_TASK, kwargs=order, queue=DRAIN_QUEUE, retry=False)


def _look_away(publication: "asyncio.Future[None]") -> None:
    """Its buyer has gone; how it ended concerns nobody any more."""
    if not publication.cancelled():
        publication.exception()


def message(order: Order) -> dict[str, Any]:
    """The arguments of the task: the sale, and an entry as the gate would have written it to the sale's stream."""
    return {
        "sale": order.id.sale,
        "entry": order.entry,
        "fields": {
            "round": str(order.round),
            "epoch": str(order.epoch),
            "number": str(order.number),
            "customer": order.customer,
            "key": order.key,
            "quantity": str(order.quantity),
            "nonce": order.id.nonce,
            "ticket": str(order.ticket),
            "traceparent": order.traceparent,
        },
    }


async def book_published(engine: AsyncEngine, order: Order) -> Booked:
    """The worker's side: one order, one transaction. Raises what `book` raises; nothing is booked then."""
    await failpoint("task_taken")
    async with engine.begin() as connection:
        return await book(connection, order.id.sale, [order])
