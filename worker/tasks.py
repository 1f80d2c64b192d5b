"""The tasks, by name. They hold no rule of their own."""

import re

import structlog
from kombu.exceptions import OperationalError

from app.drain.failures import STORE_ERRORS
from app.drain.hints import DRAIN_TASK, HINT_LIFE_SECONDS
from app.sales.model import SALE_NAME
from worker import runtime
from worker.main import app

log = structlog.get_logger()


@app.task(name=DRAIN_TASK)
def drain_orders(sale: str) -> None:
    """A sale has orders. Works for `task_seconds` at most, and hints again where there are more."""
    if not re.match(SALE_NAME, sale):
        log.warning("a hint names no sale", sale=sale[:100])
        return
    try:
        drained = runtime.running().drain(sale)
    except STORE_ERRORS as error:
        log.debug("a store is away; the sweep goes on", sale=sale, error=str(error))  # the sweep warns, once
        return
    log.debug("drained", sale=sale, orders=drained.orders, booked=drained.booked, more=drained.more)
    if drained.more:
        try:
            drain_orders.apply_async((sale,), expires=HINT_LIFE_SECONDS, retry=False)
        except OperationalError as error:
            log.debug("the broker is away; the sweep goes on", sale=sale, error=str(error))
