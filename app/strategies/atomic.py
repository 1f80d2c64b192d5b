"""`atomic`: One Lua script decides a purchase and writes the order to a stream, and workers carry it to the ledger.

How it works: The replay check, the limit, the stock, the decrement, the stored answer and the stream entry are one
script call, so either all of a purchase happens or none of it. Purchases that wait in one process at the same moment
share a call. The stream is the outbox: an accepted order stays in Redis until its booking is committed in Postgres. The
ledger's check constraint has the last word.
Guarantees: It never oversells. Each accepted order is booked once, even if any process dies.
What breaks it: A stock server that loses data (a lost AOF, or a failover to a replica that lags). The loss is noticed
by the server's run id, by the epoch and by the orders' numbers. The sale is then fenced and recounted, and orders that
buyers were promised but that no store has are counted as lost.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar, Self

import structlog

from app.errors import TemporarilyUnavailable
from app.failpoints import failpoint
from app.gate.batching import PurchaseBatcher
from app.gate.recent_acceptances import AcceptedBatch, RecentAcceptances
from app.gate.replies import Decision, FencingToken, GateForgot
from app.ledger.receipts import ReceiptRepository
from app.ledger.reservations import ReservationRepository
from app.ledger.sales import SaleRepository
from app.reconcile.follow import follow
from app.reconcile.recount import recount
from app.sales.model import Purchase, ReservationId, Sale, unknown_sale
from app.sales.outcomes import KeyReused, NotOpen, Outcome
from app.sales.recent import KNOWN_SALES, remember
from app.sales.strategy import AcceptedIn, Snapshot
from app.strategies.dependencies import StrategyDependencies

WATCH_SECONDS = 1.0

log = structlog.get_logger()


class AtomicStrategy:
    """The default strategy of the platform."""

    name: ClassVar[str] = "atomic"
    promises_exactness: ClassVar[bool] = True
    sells_at_gate: ClassVar[bool] = True
    keeps_limit: ClassVar[bool] = True
    accepted_in: ClassVar[AcceptedIn] = AcceptedIn.STREAM

    def __init__(self, dependencies: StrategyDependencies) -> None:
        self._gate = dependencies.gate
        self._engine = dependencies.engine
        self._hints = dependencies.hints
        self._sales = SaleRepository(dependencies.engine)
        self._receipts = ReceiptRepository(dependencies.engine)
        self._reservations = ReservationRepository(dependencies.engine)
        self._batcher = PurchaseBatcher(
            dependencies.gate, dependencies.gate_settings, self._accepted, self._on_notice, dependencies.gate.command
        )
        self._recent = RecentAcceptances()
        self._epochs: OrderedDict[str, int] = OrderedDict()  # by sale: the newest in which this process accepted
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeping_receipts: set[str] = set()
        self._fenced: OrderedDict[str, int] = OrderedDict()  # by sale: the newest that this process fenced
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        return cls(dependencies)

    async def buy(self, purchase: Purchase) -> Outcome:
        try:
            outcome = await self._batcher.buy(purchase)
        except GateForgot as forgot:
            if forgot.result != "missing":
                raise
            return await self._answer_from_ledger(purchase, forgot)
        await failpoint("after_decrement")
        return outcome

    async def prepare(self, sale: Sale) -> None:
        if not await follow(sale, self._gate) and sale.ended_at is None:
            await recount(sale, self._gate, self._engine)

    async def snapshot(self, sale: Sale) -> Snapshot | None:
        snapshot = await self._gate.snapshot(sale.name)
        return None if snapshot is None else snapshot.as_counter()

    async def is_pending(self, reservation: ReservationId) -> bool:
        return await self._gate.has_entry(reservation)

    async def close(self) -> None:
        await self._batcher.close()
        if self._watch is not None:
            self._watch.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _answer_from_ledger(self, purchase: Purchase, forgot: GateForgot) -> Outcome:
        """Answer a purchase from the ledger because the gate has no keys of the sale.

        An ended sale has no keys once it is removed from the gate; its ledger still knows the keys that won. Raise
        UnknownSale if there is no such sale, and `forgot` if the sale has not ended.
        """
        sale = await self._sales.get(purchase.sale)
        if sale is None:
            raise unknown_sale(purchase.sale) from forgot
        if sale.ended_at is None:
            raise forgot
        won = await self._reservations.of_buyer(purchase.sale, sale.round, purchase.customer, purchase.key)
        if won is None:
            return NotOpen("closed")
        return won if won.quantity == purchase.quantity else KeyReused(won.quantity)

    def _accepted(self, sale: str, token: FencingToken, accepted: Sequence[tuple[Purchase, Decision]]) -> None:
        """Remember the acceptances that buyers were told of, owe the workers a hint, and start the watch if it is off.

        `accepted` is empty if the call accepted purchases whose buyers were not told.
        """
        remember(self._epochs, sale, token.epoch, KNOWN_SALES)
        self._recent.add(AcceptedBatch(time.monotonic(), sale, token, accepted))
        self._hints.send_later(sale)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watch_recent_sales())

    def _on_notice(self, sale: str, token: FencingToken, reason: str) -> None:
        """Act on a reply of the gate.

        `reason` is `hint` (a hint is due), or the reason for suspecting that the gate lost orders: `fenced`, `stale`,
        `behind`, `moved` or `missing`.
        """
        if reason == "hint":
            self._hints.send(sale)
            return
        if sale not in self._keeping_receipts and sale in self._epochs:
            self._keeping_receipts.add(sale)
            task = asyncio.create_task(self._keep_receipts(sale, token, reason))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _keep_receipts(self, sale: str, token: FencingToken, reason: str) -> None:
        """Keep receipts of the orders that buyers were promised before the loss, so that lost ones can be counted.

        If the gate went back in time, the sale is fenced first.
        """
        try:
            if reason in ("behind", "moved") and self._fenced.get(sale, 0) < token.epoch:
                log.warning("the stock server went back in time; the sale is fenced", sale=sale, reason=reason)
                await self._gate.fence(sale, token.epoch)
                remember(self._fenced, sale, token.epoch, KNOWN_SALES)
            before = token.epoch if reason == "stale" else token.epoch + 1
            batches = self._recent.of(sale, before)
            await self._receipts.keep([acceptance for batch in batches for acceptance in batch])
            self._recent.forget(batches)
        except TemporarilyUnavailable as error:
            log.warning("receipts not kept yet; the next reply or watch tries again", sale=sale, error=error.detail)
        finally:
            self._keeping_receipts.discard(sale)

    async def _watch_recent_sales(self) -> None:
        """Watch the sales that this process sold lately, until none is left.

        If Redis loses a sale, there may be no further purchase whose reply would show the loss.
        """
        while sales := self._recent.sales(time.monotonic()):
            await asyncio.sleep(WATCH_SECONDS)
            for sale, epoch in sales.items():
                try:
                    snapshot = await self._gate.snapshot(sale)
                except TemporarilyUnavailable:
                    continue  # the stock server is away, which is no loss; the next round of the loop asks again
                if snapshot is None or snapshot.state == "fenced":
                    self._on_notice(sale, FencingToken(epoch), "fenced")
                elif self._recent.of(sale, snapshot.epoch):
                    self._on_notice(sale, FencingToken(snapshot.epoch), "stale")
