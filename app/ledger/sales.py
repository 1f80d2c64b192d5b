"""Sales and their rounds. Every change is one transaction that locks the sale's row first, and then its inventory row.

The epoch is stored in the inventory row of the present round. A new round raises it too, so each sale has one number
that only rises.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.errors import AtomicTicketsError
from app.ledger.availability import ledger_reachable
from app.ledger.tally import Tally, tally
from app.sales.model import Sale, SaleTerms, unknown_sale

SALES = """
    SELECT s.name, s.strategy, i.stock, s.opens_at, s.closes_at, s.customer_limit, s.think_ms, s.round, i.epoch,
        s.paused, s.managed_by, s.owner_uid, s.owner_round, s.owner_generation, s.created_at, s.ended_at, s.removed_at,
        s.generation, coalesce(s.closes_at <= now(), false) AS closed, i.guarded
    FROM sales s JOIN inventory i ON i.sale = s.name AND i.round = s.round
"""
GET = text(f"{SALES} WHERE s.name = :name")
PAGE = text(f"{SALES} WHERE s.name > :after ORDER BY s.name LIMIT :limit")
ACTIVE = text(f"{SALES} WHERE s.name > :after AND s.removed_at IS NULL ORDER BY s.name LIMIT :limit")
LOCK_SALE = text("SELECT 1 FROM sales WHERE name = :name FOR NO KEY UPDATE")
LOCK_INVENTORY = text(f"{SALES} WHERE s.name = :name FOR NO KEY UPDATE OF i")
CREATE = text("""
    INSERT INTO sales (name, strategy, customer_limit, opens_at, closes_at, think_ms)
    VALUES (:name, :strategy, :customer_limit, :opens_at, :closes_at, :think_ms)
    ON CONFLICT (name) DO NOTHING RETURNING name
""")
RESTART = text("""
    UPDATE sales SET customer_limit = :customer_limit, opens_at = :opens_at, closes_at = :closes_at,
        think_ms = :think_ms, managed_by = 'http', owner_uid = NULL, paused = false,
        ended_at = NULL, removed_at = NULL, generation = generation + 1
    WHERE name = :name
""")
ADD_ROUND = text("""
    INSERT INTO inventory (sale, round, epoch, stock, remaining, guarded)
    VALUES (:sale, :round, :epoch, :stock, :stock, :guarded)
""")
SET_ROUND = text("UPDATE sales SET round = :round WHERE name = :name")
RAISE_EPOCH = text("""
    UPDATE inventory SET epoch = greatest(epoch, :beyond) + 1, recount = false, seeded = false
    WHERE sale = :sale AND round = :round
""")
CLAIM_SEED = text("""
    UPDATE inventory SET seeded = true WHERE sale = :sale AND round = :round AND epoch = :epoch AND NOT seeded
""")
SET_PAUSED = text("UPDATE sales SET paused = :paused, generation = generation + 1 WHERE name = :name")
END = text("UPDATE sales SET ended_at = now(), generation = generation + 1 WHERE name = :name AND ended_at IS NULL")


@dataclass(frozen=True, slots=True)
class Creation:
    """The result of creating a sale.

    `created` is False if a sale that has not ended had exactly these terms already.
    """

    sale: Sale
    created: bool


class SaleExists(AtomicTicketsError):
    """A sale of this name exists, and it can't take the new terms. `sale` is the existing sale."""

    status, slug, title = 409, "sale-exists", "Sale Exists"

    def __init__(self, detail: str, sale: Sale) -> None:
        super().__init__(detail)
        self.sale = sale


class SaleEnded(AtomicTicketsError):
    """The sale has ended, so it can't be reset, paused or resumed."""

    status, slug, title = 409, "sale-ended", "Sale Ended"


class SaleRepository:
    """The stored sales. Each call is one transaction and raises LedgerUnavailable if Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, terms: SaleTerms, *, guarded: bool) -> Creation:
        """Create the sale, or start the next round of an ended one. Concurrent calls are safe.

        Raise SaleExists if a sale that has not ended has other terms, or if an ended one has another strategy.
        """
        values = {
            "name": terms.name,
            "strategy": terms.strategy,
            "customer_limit": terms.customer_limit,
            "opens_at": terms.opens_at,
            "closes_at": terms.closes_at,
            "think_ms": terms.think_ms,
        }
        with ledger_reachable():
            async with self._engine.begin() as connection:
                if (await connection.execute(CREATE, values)).first() is not None:
                    await add_round(connection, terms.name, 1, epoch=1, stock=terms.stock, guarded=guarded)
                    return Creation(await read_sale(connection, terms.name), created=True)
                sale, _ = await lock_sale(connection, terms.name)
                if sale.ended_at is None:
                    if terms.as_change_of(sale.terms) == sale.terms:
                        return Creation(sale, created=False)
                    raise SaleExists(f"The sale {terms.name!r} exists with other terms.", sale)
                if sale.terms.strategy != terms.strategy:
                    strategy = sale.terms.strategy
                    raise SaleExists(
                        f"The ended sale {terms.name!r} keeps its strategy {strategy!r} forever; choose another name.",
                        sale,
                    )
                await connection.execute(RESTART, values)
                await start_round(connection, sale, terms.stock, guarded=guarded)
                return Creation(await read_sale(connection, terms.name), created=True)

    async def get(self, name: str) -> Sale | None:
        """Return the sale in its present round, ended or not, or None if there is no such sale."""
        with ledger_reachable():
            async with self._engine.connect() as connection:
                row = (await connection.execute(GET, {"name": name})).first()
        return None if row is None else _sale(row)

    async def page(self, after: str = "", limit: int = 100) -> list[Sale]:
        """Return up to `limit` sales whose names follow `after`, ended ones too, in the order of their names."""
        return await self._list(PAGE, after, limit)

    async def active(self, after: str = "", limit: int = 500) -> list[Sale]:
        """Return a page as `page` does, without the ended sales that are drained and removed from Redis."""
        return await self._list(ACTIVE, after, limit)

    async def next_round(self, name: str, stock: int | None = None) -> Sale:
        """Start the next round, with the same stock if `stock` is None. Raise UnknownSale or SaleEnded."""
        with ledger_reachable():
            async with self._engine.begin() as connection:
                sale, guarded = await lock_sale(connection, name)
                if sale.ended_at is not None:
                    raise SaleEnded(f"The sale {name!r} has ended; creating it again starts its next round.")
                await start_round(connection, sale, sale.terms.stock if stock is None else stock, guarded=guarded)
                return await read_sale(connection, name)

    async def raise_epoch(self, name: str, seen_epoch: int, *, beyond: int = 0) -> Sale:
        """Raise the epoch if it is still `seen_epoch`, so that two repairs of one finding raise it once.

        `beyond` is the same as in the function `raise_epoch`. Raise UnknownSale if there is no such sale.
        """
        with ledger_reachable():
            async with self._engine.begin() as connection:
                sale, _ = await lock_sale(connection, name)
                return sale if sale.epoch != seen_epoch else await raise_epoch(connection, sale, beyond=beyond)

    async def set_paused(self, name: str, *, paused: bool) -> Sale:
        """Pause or resume the sale, which may be so already. Raise UnknownSale or SaleEnded."""
        with ledger_reachable():
            async with self._engine.begin() as connection:
                sale, _ = await lock_sale(connection, name)
                if sale.ended_at is not None:
                    raise SaleEnded(f"The sale {name!r} has ended, and sells nothing.")
                await connection.execute(SET_PAUSED, {"name": name, "paused": paused})
                return await read_sale(connection, name)

    async def end(self, name: str) -> Sale:
        """End the sale; ending it again changes nothing. Raise UnknownSale if there is no such sale."""
        with ledger_reachable():
            async with self._engine.begin() as connection:
                await connection.execute(END, {"name": name})
                return await read_sale(connection, name)

    async def tally(self, name: str, round_: int) -> Tally:
        """Count the round in one statement, so that all figures are of one instant. Raise UnknownSale."""
        with ledger_reachable():
            async with self._engine.connect() as connection:
                return await tally(connection, name, round_)

    async def _list(self, statement: Any, after: str, limit: int) -> list[Sale]:
        with ledger_reachable():
            async with self._engine.connect() as connection:
                return [_sale(row) for row in await connection.execute(statement, {"after": after, "limit": limit})]


async def raise_epoch(connection: AsyncConnection, sale: Sale, *, beyond: int = 0) -> Sale:
    """Raise the epoch of a sale that this transaction has locked, and return the changed sale.

    The new epoch is one above the larger of the old one and `beyond`. `beyond` is the gate's epoch, which is ahead if
    the ledger was restored from an older copy. The call also clears the round's request for a recount, because the
    caller recounts after raising the epoch.
    """
    await connection.execute(RAISE_EPOCH, {"sale": sale.name, "round": sale.round, "beyond": beyond})
    return await read_sale(connection, sale.name)


async def claim_seed(connection: AsyncConnection, sale: Sale) -> bool:
    """Claim the only seeding of the sale's epoch. Return False if it was claimed before, or if the epoch is newer.

    A gate that was seeded twice under one epoch would hide what it forgot in between.
    """
    values = {"sale": sale.name, "round": sale.round, "epoch": sale.epoch}
    return (await connection.execute(CLAIM_SEED, values)).rowcount == 1


async def lock_sale(connection: AsyncConnection, name: str) -> tuple[Sale, bool]:
    """Lock the sale and its inventory row. Return the sale, and whether its inventory is guarded. Raise UnknownSale.

    There are two statements because one would join before it waits for the lock. Read again afterwards, the new round's
    number would be joined with the old round's inventory, and no row would be found.
    """
    await connection.execute(LOCK_SALE, {"name": name})
    row = (await connection.execute(LOCK_INVENTORY, {"name": name})).first()
    if row is None:
        raise unknown_sale(name)
    return _sale(row), row.guarded


async def read_sale(connection: AsyncConnection, name: str) -> Sale:
    """Return the sale in its present round. Raise UnknownSale if there is no such sale."""
    row = (await connection.execute(GET, {"name": name})).first()
    if row is None:
        raise unknown_sale(name)
    return _sale(row)


async def start_round(connection: AsyncConnection, sale: Sale, stock: int, *, guarded: bool, at_least: int = 1) -> None:
    """Start the next round, or round `at_least` if that is later. Rounds only rise."""
    following = max(sale.round + 1, at_least)
    await add_round(connection, sale.name, following, epoch=sale.epoch + 1, stock=stock, guarded=guarded)
    await connection.execute(SET_ROUND, {"name": sale.name, "round": following})


async def add_round(
    connection: AsyncConnection, name: str, round_: int, *, epoch: int, stock: int, guarded: bool
) -> None:
    """Insert the inventory row of a new round."""
    await connection.execute(
        ADD_ROUND, {"sale": name, "round": round_, "epoch": epoch, "stock": stock, "guarded": guarded}
    )


def _sale(row: Row[Any]) -> Sale:
    terms = SaleTerms(
        name=row.name,
        strategy=row.strategy,
        stock=row.stock,
        opens_at=row.opens_at,
        closes_at=row.closes_at,
        customer_limit=row.customer_limit,
        think_ms=row.think_ms,
    )
    return Sale(
        terms=terms,
        round=row.round,
        epoch=row.epoch,
        paused=row.paused,
        managed_by=row.managed_by,
        owner_uid=row.owner_uid,
        owner_round=row.owner_round,
        owner_generation=row.owner_generation,
        created_at=row.created_at,
        ended_at=row.ended_at,
        removed_at=row.removed_at,
        generation=row.generation,
        closed=row.closed,
    )
