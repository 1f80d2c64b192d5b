"""What a check of a sale looks at first: both stores, without any sum over bookings.

A sum over millions of bookings may exceed the ledger's statement timeout. So whatever fences, recounts or repairs a
sale is decided on this, and the sums (app.reconcile.measure) come later.

The gate's snapshots are taken before and after the ledger is read: see app.reconcile.gate_loss.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.gate import Gate
from app.gate.replies import GateSnapshot
from app.ledger.availability import ledger_reachable
from app.ledger.incarnation import ledger_incarnation
from app.sales.model import Sale

# The newest booking is looked up in an index, whatever the number of bookings.
ROUND = text("""
    SELECT i.epoch, i.stock, i.booked AS counter, i.recount, s.generation,
        s.ended_at IS NOT NULL OR coalesce(s.closes_at <= now(), false) AS over,
        coalesce(h.epoch, 0) AS highest_epoch, coalesce(h.number, 0) AS highest_number
    FROM sales s
    JOIN inventory i ON i.sale = s.name AND i.round = s.round
    LEFT JOIN LATERAL (
        SELECT epoch, number FROM bookings WHERE sale = i.sale AND round = i.round AND epoch IS NOT NULL
        ORDER BY epoch DESC, number DESC LIMIT 1
    ) h ON true
    WHERE s.name = :sale AND s.round = :round
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRound:
    """The round of a sale as the ledger has it.

    stock: in tickets. `counter` is the inventory's own count of booked tickets: it shows whether anything was booked
    recount: True if the drain has requested a check
    generation: of the terms. `over`: the sale has ended, or the ledger's clock has reached its close
    highest: the newest (epoch, number) of a booking, (0, 0) if there is none
    incarnation: of the ledger's server, '' if it is hidden
    """

    epoch: int
    stock: int
    counter: int
    recount: bool
    generation: int
    over: bool
    highest: tuple[int, int]
    incarnation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at both stores.

    round: the sale's round, in both the ledger and the caller's view
    server: the run id of the stock server that was read, or '' if it hides its run id
    remembered: how many answers of the round the gate had between the two snapshots
    before, after: the snapshots before and after the reading of the ledger, or None if the gate has no such sale
    """

    round: int
    server: str
    remembered: int
    before: GateSnapshot | None
    after: GateSnapshot | None
    ledger: LedgerRound

    @property
    def ledger_changed(self) -> bool:
        """Return whether the ledger's server is another than the one that had all orders of the sale."""
        return self.after is not None and self.ledger.incarnation not in ("", self.after.ledger)


async def observe(sale: Sale, gate: Gate, engine: AsyncEngine) -> Observation | None:
    """Look at the sale in both stores. Return None if a newer round has begun.

    Raise TemporarilyUnavailable if a store is away.
    """
    server = await gate.run_id(sale.name)
    before = await gate.snapshot(sale.name)
    ledger = await read_round(sale, engine)
    if ledger is None:
        return None
    remembered = await gate.remembered(sale.name, sale.round)
    after = await gate.snapshot(sale.name)
    return Observation(
        round=sale.round, server=server, remembered=remembered, before=before, after=after, ledger=ledger
    )


async def read_round(sale: Sale, engine: AsyncEngine) -> LedgerRound | None:
    """Read the round of `sale`. Return None if it is no longer the current one."""
    incarnation = await ledger_incarnation(engine)
    with ledger_reachable():
        async with engine.connect() as connection:
            row = (await connection.execute(ROUND, {"sale": sale.name, "round": sale.round})).mappings().first()
    if row is None:
        return None
    read = dict(row)
    highest = (read.pop("highest_epoch"), read.pop("highest_number"))
    return LedgerRound(**read, highest=highest, incarnation=incarnation)
