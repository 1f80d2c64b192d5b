"""`naive`: reads the stock, thinks, writes back what it computed. Wrong on purpose.

How it works: SELECT the counter, check it, think, UPDATE it to an absolute value, INSERT the booking; one transaction
under READ COMMITTED, as many services do it.
Guarantees: one booking per customer and idempotency key. Nothing about the stock.
What breaks it: any two purchases that overlap. Both read the same counter and both write the same value, so that one
update is lost: two tickets are sold, and the counter fell by one. The customer's limit races in the same way.
Who uses it: whoever saves back an object that an ORM had loaded.
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
