"""`db-gathered`: Purchases that wait in one process at the same moment share one transaction.

How it works: As `atomic` batches purchases for its script, this strategy batches them for the database. Up to 128
purchases of a sale lock the counter once, are decided in their order in memory, and are booked by one statement and one
commit. A lone purchase does not wait for others.
Guarantees: It never oversells or undersells and keeps the limit, because what is read under the lock stays true until
the commit. No buyer gets an answer before the commit.
What breaks it: Nothing makes it wrong. All purchases of a transaction share its fate: if the answer to its commit is
lost, all of them must ask again with their keys. Processes still meet at the row, but a hundred times less often, so a
few processes do better than many.
Who uses it: Group commit by hand; "hot row" batching as in AliSQL and PolarDB. With `single-statement` it is the fair
database rival to a batched script in Redis.
Source: https://www.alibabacloud.com/help/en/polardb/polardb-for-mysql/user-guide/hot-row-optimization
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.batching import PurchaseBatcher
from app.gate.replies import BatchReply, Decision, FencingToken, GateForgot
from app.ledger.availability import ledger_reachable
from app.ledger.purchase_batch import decide
from app.ledger.purchases import read
from app.sales.model import Purchase, UnknownSale, unknown_sale
from app.sales.outcomes import Outcome
from app.settings import GateSettings
from app.strategies.contention import retried
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_ledger.strategy import LedgerStrategy, lost_races_translated

MISSING = "missing"


class DbGatheredStrategy(LedgerStrategy):
    name: ClassVar[str] = "db-gathered"
    locking: ClassVar[str] = "FOR NO KEY UPDATE OF i"

    def __init__(self, engine: AsyncEngine, settings: GateSettings) -> None:
        super().__init__(engine)
        self._batcher = PurchaseBatcher(self, settings)

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        return cls(dependencies.engine, dependencies.gate_settings)

    async def buy(self, purchase: Purchase) -> Outcome:
        """Decide one purchase, in a batch with others that wait.

        Raise LedgerUnavailable or DecisionFailed if the outcome is unknown; the same key finds it out. Raise GateBusy
        if the queue is full, or Contention; nothing was taken then. Raise UnknownSale if there is no such sale.
        """
        # The batcher's spans would describe a script call; the request's own span covers this transaction.
        purchase.traceparent = ""
        try:
            return await self._batcher.buy(purchase)
        except GateForgot as missing:
            raise unknown_sale(purchase.sale) from missing

    async def reserve(self, sale: str, purchases: Sequence[Purchase], token: FencingToken) -> BatchReply:
        """Decide one batch, for the batcher.

        The token cannot be stale here: a reset waits for the row's lock, or was committed before this transaction took
        it.
        """
        return await retried(self.name, lambda: self._decide(sale, purchases, token))

    async def _decide(self, sale: str, purchases: Sequence[Purchase], token: FencingToken) -> BatchReply:
        with ledger_reachable(), lost_races_translated():
            async with self._engine.connect() as connection:
                try:
                    state = await read(connection, sale, self.locking)
                except UnknownSale:
                    return BatchReply(MISSING, token, hint_due=False, remaining=0, decisions=[])
                outcomes = await decide(connection, state, purchases)
                await connection.commit()
        return BatchReply(
            "decided", token, hint_due=False, remaining=0, decisions=[Decision(outcome) for outcome in outcomes]
        )

    async def close(self) -> None:
        await self._batcher.close()
