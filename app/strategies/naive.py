"""`naive`: The purchase reads the stock, pauses, and writes back the number that it computed. It is wrong on purpose.

How it works: SELECT the counter, check it, pause for `think_ms`, UPDATE it to an absolute value, and INSERT the
booking, in one transaction under READ COMMITTED, as many services do it.
Guarantees: One booking per customer and idempotency key. It guarantees nothing about the stock.
What breaks it: Any two purchases that overlap. Both read the same counter and both write the same value, so one update
is lost: two tickets are sold, and the counter fell by one. The customer's limit races in the same way.
Who uses it: Every program that saves back an object that an ORM has loaded.
Source: P4 "lost update" at READ COMMITTED, https://github.com/ept/hermitage/blob/master/postgres.md
"""

from typing import ClassVar

from app.sales.attempt import Hazard
from app.strategies.in_ledger.read_then_write import ReadThenWrite


class NaiveStrategy(ReadThenWrite):
    name: ClassVar[str] = "naive"
    promises_exactness: ClassVar[bool] = False
    keeps_limit: ClassVar[bool] = False
    hazard: ClassVar[Hazard | None] = Hazard.LOST_UPDATE
