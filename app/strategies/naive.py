"""`naive`: reads the stock, thinks, writes back what it computed. Wrong on purpose.

How it works: SELECT the counter, check it, think, UPDATE it to an absolute value, INSERT the booking; one transaction
under READ COMMITTED, as many services do it.
Guarantees: one booking per customer and idempotency key. Nothing about the stock.
What breaks it: any two purchases that overlap. Both read the same counter and both write the same value, so that one
update is lost: two tickets are sold, and the counter fell by one. The customer's limit races in the same way.
Who uses it: whoever saves an object that an ORM had loaded.
Source: "P4, lost update" at READ COMMITTED, https://github.com/ept/hermitage/blob/master/postgres.md
"""

from typing import ClassVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.purchases import Seen
from app.races.attempt import Hazard
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.in_ledger import LedgerStrategy, Taken, think

WRITE = text("""
    UPDATE inventory SET remaining = :remaining WHERE sale = :sale AND round = :round RETURNING xmin::text
""")


class NaiveStrategy(LedgerStrategy):
    name: ClassVar[str] = "naive"
    promises_exactness: ClassVar[bool] = False
    keeps_limit: ClassVar[bool] = False
    hazard: ClassVar[Hazard | None] = Hazard.LOST_UPDATE

    async def take(self, connection: AsyncConnection, purchase: Purchase, seen: Seen) -> Taken | SoldOut:
        if purchase.quantity > seen.remaining:
            return SoldOut(seen.remaining)
        await think(seen)
        remaining = seen.remaining - purchase.quantity
        values = {"sale": purchase.sale, "round": seen.round, "remaining": remaining}
        row_version = (await connection.execute(WRITE, values)).scalar_one()
        return Taken(seen.stock - seen.remaining + 1, remaining, row_version)
