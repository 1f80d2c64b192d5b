"""Sales that follow a FlashSale resource. Each transaction takes one step, decided on the row that it has locked."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger.availability import ledger_reachable
from app.ledger.sales import add_round, lock_sale, read_sale, start_round
from app.sales.desired_state import DesiredSale, Step, next_step
from app.sales.model import Sale

CREATE = text("""
    INSERT INTO sales (name, strategy, round, managed_by) VALUES (:name, :strategy, :round, 'flashsale')
    ON CONFLICT (name) DO NOTHING RETURNING name
""")
FOLLOW = text("""
    UPDATE sales SET customer_limit = :customer_limit, opens_at = :opens_at, closes_at = :closes_at, paused = :paused,
        think_ms = coalesce(:think_ms, think_ms), managed_by = 'flashsale', owner_uid = :uid, owner_round = :round,
        owner_generation = :generation, ended_at = NULL, removed_at = NULL, generation = sales.generation + 1
    WHERE name = :name
""")
GROW = text("""
    UPDATE inventory SET stock = :stock, remaining = remaining + :stock - stock
    WHERE sale = :name AND round = :round AND stock < :stock
""")
END = text("""
    UPDATE sales SET ended_at = now(), generation = generation + 1
    WHERE name = :name AND managed_by = 'flashsale' AND owner_uid = :uid AND ended_at IS NULL
    RETURNING name
""")
NEW_ROUND_STEPS = (Step.CREATE, Step.NEXT_ROUND)


@dataclass(frozen=True, slots=True)
class Followed:
    """The sale as it is now, and the step that was taken."""

    sale: Sale
    step: Step


class ManagedSales:
    """The sales of resources. Each call is one transaction and raises LedgerUnavailable if Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def follow(self, desired: DesiredSale, observed: Sale | None, *, guarded: bool) -> Followed:
        """Make the sale's row match the resource, and return the sale and the step taken. The call is idempotent.

        If `observed` matches already, nothing is locked or written. Raise NameTaken, StrategyDiffers or StockShrinks.
        """
        if observed is not None and next_step(desired, observed) is Step.NOTHING:
            return Followed(observed, Step.NOTHING)
        with ledger_reachable():
            async with self._engine.begin() as connection:
                step = await _follow(connection, desired, guarded=guarded)
                return Followed(await read_sale(connection, desired.name), step)

    async def end(self, name: str, uid: str) -> Sale | None:
        """End the sale if it still follows this resource. Return None if it does not, or if it has ended already."""
        with ledger_reachable():
            async with self._engine.begin() as connection:
                ended = await connection.scalar(END, {"name": name, "uid": uid})
                return None if ended is None else await read_sale(connection, name)


async def _follow(connection: AsyncConnection, desired: DesiredSale, *, guarded: bool) -> Step:
    """Create the sale, or lock it and take the next step. Return the step."""
    terms, name = desired.terms, desired.name
    created = await connection.scalar(CREATE, {"name": name, "strategy": terms.strategy, "round": desired.round})
    if created is not None:
        step = Step.CREATE
        await add_round(connection, name, desired.round, epoch=1, stock=terms.stock, guarded=guarded)
    else:
        sale, guarded_before = await lock_sale(connection, name)
        step = next_step(desired, sale)
        if step is Step.NEXT_ROUND:
            await start_round(connection, sale, terms.stock, guarded=guarded_before, at_least=desired.round)
        elif step is not Step.NOTHING:
            await connection.execute(GROW, {"name": name, "round": sale.round, "stock": terms.stock})
    if step is not Step.NOTHING:
        await connection.execute(
            FOLLOW,
            {
                "name": name,
                "customer_limit": terms.customer_limit,
                "opens_at": terms.opens_at,
                "closes_at": terms.closes_at,
                "paused": desired.paused,
                # A pause that the resource does not set is decided when a round starts, and kept while it lasts.
                "think_ms": terms.think_ms if terms.think_is_explicit or step in NEW_ROUND_STEPS else None,
                "uid": desired.uid,
                "round": desired.round,
                "generation": desired.generation,
            },
        )
    return step
