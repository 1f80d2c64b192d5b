"""The Celery tasks, by name. They contain no rules of their own: they call app.drain."""

import re
from collections.abc import Mapping

import structlog
from celery import Task
from kombu.exceptions import OperationalError

from app.drain.failures import STORE_ERRORS, is_poison
from app.drain.hints import DRAIN_TASK, HINT_LIFE_SECONDS
from app.drain.published import BOOK_TASK
from app.ledger.bookings import UnknownRound
from app.sales.model import SALE_NAME
from app.sales.order import Order, parse_entry
from worker import runtime
from worker.main import app

BOOK_TRIES = 12  # about four minutes
# Below the visibility timeout: a message that waits in this worker must not be delivered to another one too.
MAX_PAUSE_SECONDS = 30

log = structlog.get_logger()


@app.task(name=DRAIN_TASK)
def drain_orders(sale: str) -> None:
    """Drain a sale that has orders, for `task_seconds` at most. Send another hint if it has more."""
    if not re.fullmatch(SALE_NAME, sale):
        log.warning("a hint has no valid sale name", sale=sale[:100])
        return
    try:
        drained = runtime.running().drain(sale)
    except STORE_ERRORS as error:
        log.debug("a store is away; the sweep goes on", sale=sale, error=str(error))  # the sweep logs the warning, once
        return
    log.debug("drained", sale=sale, orders=drained.orders, booked=drained.booked, more=drained.more)
    if drained.more:
        try:
            drain_orders.apply_async((sale,), expires=HINT_LIFE_SECONDS, retry=False)
        except OperationalError as error:
            log.debug("the broker is away; the sweep goes on", sale=sale, error=str(error))


@app.task(name=BOOK_TASK, bind=True, max_retries=BOOK_TRIES)
def book_order(self: "Task[..., None]", sale: str, entry: str, fields: Mapping[str, str]) -> None:
    """Book one order of which this message is the only copy. An order that can't be booked is lost, which is logged."""
    order = parse_entry(sale, entry, fields)
    if not isinstance(order, Order):
        log.error(
            "a published order can't be read; it is lost", sale=sale[:100], entry=entry[:100], reason=order.reason
        )
        return
    try:
        booked = runtime.running().book(order)
    except (*STORE_ERRORS, UnknownRound) as error:
        if is_poison(error) or self.request.retries >= BOOK_TRIES:
            log.exception("a published order can't be booked; it is lost", sale=sale, order=order.reservation_id)
            return
        log.debug("a store is away; the published order comes again", sale=sale, order=order.reservation_id)
        raise self.retry(exc=error, countdown=min(2**self.request.retries, MAX_PAUSE_SECONDS)) from error
    log.debug("booked", sale=sale, booked=booked.booked, rejected=booked.rejected, duplicates=booked.duplicates)
