"""A map of a round's tickets, of bounded size: how many are sold, and how many of them more than once."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.availability import ledger_reachable

MAX_CELLS = 400

# An order's tickets are the `quantity` consecutive numbers from `ticket` on, as the strategy's counter numbered them.
MAP = text("""
    SELECT cell, count(*) AS sold, count(*) FILTER (WHERE orders > 1) AS sold_twice, max(orders) AS most
    FROM (
        SELECT (seat - 1) / :per_cell AS cell, count(*) AS orders
        FROM bookings, generate_series(ticket, ticket + quantity - 1) AS seat
        WHERE sale = :sale AND round = :round AND status = 'booked' AND seat BETWEEN 1 AND :stock
        GROUP BY seat
    ) tickets
    GROUP BY cell ORDER BY cell
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketMap:
    """A round's tickets in cells of `tickets_per_cell` each; the last cell may have fewer.

    Each list has one number for each cell.
    `sold`: tickets with a booking. `sold_twice`: tickets with two or more bookings.
    `most`: the bookings of the ticket that has the most.
    """

    round: int
    stock: int
    tickets_per_cell: int
    sold: list[int]
    sold_twice: list[int]
    most: list[int]


class TicketRepository:
    """The tickets in the ledger. Each call raises LedgerUnavailable if Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def map(self, name: str, round_: int, stock: int) -> TicketMap:
        """Return the map of a round, counted from its bookings. All numbers are 0 if there are none."""
        per_cell = -(-stock // MAX_CELLS)
        cells = -(-stock // per_cell)
        sold, twice, most = [0] * cells, [0] * cells, [0] * cells
        with ledger_reachable():
            async with self._engine.connect() as connection:
                values = {"sale": name, "round": round_, "stock": stock, "per_cell": per_cell}
                for row in await connection.execute(MAP, values):
                    sold[row.cell], twice[row.cell], most[row.cell] = row.sold, row.sold_twice, row.most
        return TicketMap(round=round_, stock=stock, tickets_per_cell=per_cell, sold=sold, sold_twice=twice, most=most)
