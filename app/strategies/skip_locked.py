"""`skip-locked`: Each free ticket is a row, and a purchase takes rows that no other transaction has locked.

How it works: DELETE of the first n rows that a SELECT ... FOR UPDATE SKIP LOCKED finds, so purchases pass each other
instead of waiting. Tickets get their rows DEALT_TICKETS at a time: a purchase that finds too few free rows locks the
counter and deals more. A sale of millions thus needs no millions of rows beforehand, and a growing stock needs nothing
done.
Guarantees: It never oversells, since a row is deleted once. It never undersells: rows that other purchases hold are
locked, not sold, and those purchases may still fail. The purchase is therefore tried again, and fails with `contention`
in the end. If it found fewer rows than it needs, it gives the rows back. A lock per customer keeps the limit.
What breaks it: Nothing makes it wrong. Deleted rows stay in the index until they are vacuumed or met again, so a long
transaction elsewhere makes every purchase slower. Each purchase also costs a row that is written twice.
Who uses it: Shopify since 2025, in place of Redis, with a pool of 1,000 rows for each item; job queues.
Source: https://shopify.engineering/scaling-inventory-reservations,
https://www.postgresql.org/docs/18/sql-select.html#SQL-FOR-UPDATE-SHARE
"""

from typing import Any, ClassVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.purchases import SaleState
from app.sales.model import Purchase
from app.sales.outcomes import SoldOut
from app.strategies.contention import Conflict
from app.strategies.in_ledger.strategy import LedgerStrategy, Taken

DEALT_TICKETS = 1_000  # more than any purchase may ask for

# MATERIALIZED, because the planner might otherwise run the inner SELECT more than once and lock more than it deletes.
TAKE = text("""
    WITH free AS MATERIALIZED (
        SELECT ticket FROM units WHERE sale = :sale AND round = :round
        ORDER BY ticket LIMIT :wanted FOR UPDATE SKIP LOCKED
    )
    DELETE FROM units u USING free WHERE u.sale = :sale AND u.round = :round AND u.ticket = free.ticket
    RETURNING u.ticket
""")
# One statement, so one instant: a ticket is in the counter or has a row, also while another transaction moves it.
LEFT = text("""
    SELECT i.remaining AS undealt, (SELECT count(*) FROM units u WHERE u.sale = i.sale AND u.round = i.round) AS dealt
    FROM inventory i WHERE i.sale = :sale AND i.round = :round
""")
LOCK_COUNTER = text("SELECT 1 FROM inventory WHERE sale = :sale AND round = :round FOR NO KEY UPDATE")
DEAL = text("""
    WITH dealt AS (
        UPDATE inventory i SET remaining = i.remaining - least(i.remaining, :tickets)
        FROM inventory before
        WHERE i.sale = :sale AND i.round = :round AND before.sale = i.sale AND before.round = i.round
        RETURNING i.stock - before.remaining + 1 AS first, i.stock - i.remaining AS last
    )
    INSERT INTO units (sale, round, ticket) SELECT :sale, :round, generate_series(first, last) FROM dealt
""")


class SkipLockedStrategy(LedgerStrategy):
    name: ClassVar[str] = "skip-locked"
    locks_customer: ClassVar[bool] = True
    dealt: ClassVar[str] = "SELECT count(*) FROM units u WHERE u.sale = i.sale AND u.round = i.round"

    async def take(self, connection: AsyncConnection, purchase: Purchase, state: SaleState) -> Taken | SoldOut:
        round_key = {"sale": purchase.sale, "round": state.round}
        tickets = await self._take_free(connection, round_key, purchase.quantity)
        if len(tickets) < purchase.quantity:
            left = (await connection.execute(LEFT, round_key)).one()
            left_in_all = len(tickets) + left.dealt + left.undealt
            if left_in_all < purchase.quantity:
                return SoldOut(left_in_all)
            if not left.undealt:
                raise Conflict("locked")
            tickets += await self._deal_and_take(connection, round_key, purchase.quantity - len(tickets))
        return Taken(min(tickets))

    async def _deal_and_take(self, connection: AsyncConnection, round_key: dict[str, Any], wanted: int) -> list[int]:
        """Deal more tickets from the counter, and return `wanted` of them. Raise Conflict if too few are free.

        Of the purchases that find too few rows one deals; the others wait for its lock and find what it dealt.
        """
        await connection.execute(LOCK_COUNTER, round_key)
        tickets = await self._take_free(connection, round_key, wanted)
        if len(tickets) < wanted:
            await connection.execute(DEAL, round_key | {"tickets": DEALT_TICKETS})
            tickets += await self._take_free(connection, round_key, wanted - len(tickets))
        if len(tickets) < wanted:
            raise Conflict("locked")
        return tickets

    async def _take_free(self, connection: AsyncConnection, round_key: dict[str, Any], wanted: int) -> list[int]:
        return list((await connection.execute(TAKE, round_key | {"wanted": wanted})).scalars())
