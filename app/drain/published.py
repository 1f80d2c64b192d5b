"""Orders that a strategy without an outbox publishes as Celery tasks. The message is the only copy of such an order.

The order is lost if the API process dies before the broker has the message, or if the broker loses the message.
Otherwise the order is booked once: a worker acknowledges the message after the commit, and the ledger recognizes an
order that is delivered again.
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
PUBLISH_SECONDS = 3.0  # the longest wait of a buyer: if the broker hangs, each would wait for all earlier ones


class OrderPublisher:
    """The publisher of one process. Use it from one event loop."""

    def __init__(self, broker_url: str, publish_seconds: float = PUBLISH_SECONDS) -> None:
        self._publish_seconds = publish_seconds
        self._sender = make_sender(broker_url)
        self._threads = ThreadPoolExecutor(PUBLISHING_AT_ONCE, thread_name_prefix="publisher")

    async def publish(self, order: Order) -> None:
        """Publish the order, and return once the broker has it.

        Raise TemporarilyUnavailable if the broker can't be reached or takes longer than `publish_seconds`; it may
        have received the order all the same. After that time the order stays queued: a slow broker gets it later.
        """
        publication = asyncio.get_running_loop().run_in_executor(self._threads, self._send, message(order))
        done, _ = await asyncio.wait((publication,), timeout=self._publish_seconds)
        if not done:
            publication.add_done_callback(_discard_error)
            raise TemporarilyUnavailable("The broker is slow. It is not known yet whether the order will be booked.")
        try:
            publication.result()
        except (OperationalError, OSError) as error:
            raise TemporarilyUnavailable("The broker can't be reached. No worker will book this order.") from error

    async def close(self) -> None:
        """Wait for the publications in progress. Orders that still wait for a thread are lost."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._sender.close()

    def _send(self, order: dict[str, Any]) -> None:
        self._sender.send_task(BOOK_TASK, kwargs=order, queue=DRAIN_QUEUE, retry=False)


def _discard_error(publication: "asyncio.Future[None]") -> None:
    """Discard the error of a publication whose buyer has already been answered."""
    if not publication.cancelled():
        publication.exception()


def message(order: Order) -> dict[str, Any]:
    """Return the arguments of the task: the sale, and an entry as the gate would have written it to the stream."""
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
    """Book one published order in one transaction, in a worker. Raise what `book` raises; nothing is booked then."""
    await failpoint("task_taken")
    async with engine.begin() as connection:
        return await book(connection, order.id.sale, [order])
