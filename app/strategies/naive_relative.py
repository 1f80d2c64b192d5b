"""`naive-relative`: The check uses the value it has read, the write changes the current one. It is wrong on purpose.

How it works: As `naive`, but with UPDATE ... SET remaining = remaining - n. No update is lost, and the counter is
correct, below zero if need be.
Guarantees: One booking per customer and idempotency key. The counter agrees with the bookings.
What breaks it: Any two purchases that overlap near the end. One value that was read lets both pass the check, and the
stock is oversold by as many tickets as were under way when it ran out. The customer's limit races in the same way.
Who uses it: Programs that rely on `x = x - 1` being atomic. It is, but the check before it is not part of it.
Source: "stale guard"; a rival lab's counter ends at -2,278, https://github.com/qwan30/Flash-Sale-Concurrency-Engine
"""

from typing import ClassVar

from sqlalchemy import TextClause

from app.ledger.counter import counter_update
from app.sales.attempt import Hazard
from app.strategies.in_ledger.read_then_write import ReadThenWrite


class NaiveRelativeStrategy(ReadThenWrite):
    name: ClassVar[str] = "naive-relative"
    promises_exactness: ClassVar[bool] = False
    keeps_limit: ClassVar[bool] = False
    hazard: ClassVar[Hazard | None] = Hazard.STALE_GUARD
    write: ClassVar[TextClause] = counter_update("remaining = remaining - :quantity")
