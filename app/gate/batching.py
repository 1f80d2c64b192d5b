"""Purchases that wait in one process at the same moment are decided together: by one script call, or one transaction.

A lone purchase doesn't wait: it leaves in the same turn of the event loop. Only while `batches_in_flight` calls are
under way do others queue behind them, and then up to `batch_purchases` of them leave as one.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from opentelemetry.trace import Span

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.gate.replies import BatchReply, Decision, DecisionFailed, Fence, GateBusy, GateForgot, GateUnavailable
from app.gate.tracing import calling, reserving, tell
from app.sales.model import Purchase
from app.sales.outcomes import Outcome
from app.sales.recent import KNOWN_SALES, remember
from app.settings import GateSettings
from app.telemetry.spans import current_traceparent

Accepted = Callable[[str, Fence, Sequence[tuple[Purchase, Decision]]], None]
Noticed = Callable[[str, Fence, str], None]


class Counter(Protocol):
    """Decides purchases of one sale in their order. What it can't know now is a TemporarilyUnavailable, for all."""

    async def reserve(self, sale: str, purchases: Sequence[Purchase], fence: Fence) -> BatchReply: ...


WHY_FORGOTTEN = {
    "missing": "The stock server has no such sale any more",
    "behind": "The stock server went back in time",
    "moved": "The stock server was restarted or replaced",
    "fenced": "The sale is being recounted",
    "stale": "The sale is being reset",
}

log = structlog.get_logger()


@dataclass(slots=True)
class QueuedPurchase:
    """One buyer's place in the queue. `deadline`: seconds of the loop's clock."""

    purchase: Purchase
    deadline: float
    future: asyncio.Future[Outcome]
    span: Span | None = None


@dataclass(slots=True)
class SaleQueue:
    """The purchases of one sale in this process.

    `seeded_by`: the traceparent of what began the epoch, until a call has linked to it.
    """

    sale: str
    waiting: deque[QueuedPurchase] = field(default_factory=deque)
    in_flight: int = 0
    scheduled: bool = False
    fence: Fence = field(default_factory=Fence)
    highest_number: int = 0
    seeded_by: str = ""


def unheard(*_: object) -> None:
    """For a counter that nothing has to be done about."""


class PurchaseBatcher:
    """The front of a counter, the gate as a rule, in one process: bounded queues, first come first served.

    `accepted` hears of the acceptances of each call; `noticed` of each reply that is a reason to hint, fence or look.
    `command`: by which the gate is called, for the call's span.
    """

    def __init__(
        self,
        counter: Counter,
        settings: GateSettings,
        accepted: Accepted = unheard,
        noticed: Noticed = unheard,
        command: str = "EVALSHA",
    ) -> None:
        self._counter = counter
        self._command = command
        self._settings = settings
        self._accepted = accepted
        self._noticed = noticed
        self._queues: OrderedDict[str, SaleQueue] = OrderedDict()
        self._sending: set[asyncio.Task[None]] = set()

    async def buy(self, purchase: Purchase) -> Outcome:
        """Waits for the gate's decision. A caller that gives up leaves the shared call alone.

        Raises GateBusy (nothing was taken), GateUnavailable or DecisionFailed (unknown: the same key finds out), or
        GateForgot.
        """
        queue = self._queues.get(purchase.sale) or self._begin(purchase.sale)
        if len(queue.waiting) >= self._settings.queue_purchases:
            raise GateBusy("Too many purchases wait for this sale; nothing was taken.")
        loop = asyncio.get_running_loop()
        waiting = QueuedPurchase(purchase, loop.time() + self._settings.queue_seconds, loop.create_future())
        queue.waiting.append(waiting)
        if not queue.scheduled and queue.in_flight < self._settings.batches_in_flight:
            queue.scheduled = True
            loop.call_soon(self._flush, queue)
        if purchase.traceparent:
            with reserving(purchase.sale) as waiting.span:
                purchase.traceparent = current_traceparent()  # from here on it is this span that the order follows
                return await waiting.future
        return await waiting.future

    async def close(self) -> None:
        """Waits for the calls under way. New purchases are no longer expected."""
        while self._sending:
            await asyncio.wait(self._sending)

    def _begin(self, sale: str) -> SaleQueue:
        queue = SaleQueue(sale)
        remember(self._queues, sale, queue, KNOWN_SALES)
        return queue

    def _flush(self, queue: SaleQueue) -> None:
        queue.scheduled = False
        batch: list[QueuedPurchase] = []
        now = asyncio.get_running_loop().time()
        while queue.waiting and len(batch) < self._settings.batch_purchases:
            waiting = queue.waiting.popleft()
            if waiting.future.done():  # the client went away
                continue
            if waiting.deadline < now:
                waiting.future.set_exception(GateBusy("The purchase waited too long; nothing was taken."))
                continue
            batch.append(waiting)
        if batch:
            remember(self._queues, queue.sale, queue, KNOWN_SALES)  # as the newest: once for all who share the call
            queue.in_flight += 1
            task = asyncio.create_task(self._send(queue, batch))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        if queue.waiting and queue.in_flight < self._settings.batches_in_flight:
            self._flush(queue)

    async def _send(self, queue: SaleQueue, batch: list[QueuedPurchase]) -> None:
        try:
            self._answer(batch, await self._call(queue, batch))
        except TemporarilyUnavailable as error:
            _fail(batch, error)
        except Exception as defect:
            log.exception("a shared call failed unexpectedly", sale=queue.sale, purchases=len(batch))
            _fail(batch, DecisionFailed(defect))
        except BaseException:
            _fail(batch, GateUnavailable("The process ends; retry with the same key."))
            raise
        finally:
            queue.in_flight -= 1
            if not queue.scheduled:
                self._flush(queue)
            if not (queue.waiting or queue.in_flight or queue.fence.epoch):
                self._queues.pop(queue.sale, None)  # a name that no gate knows must not stay

    def _answer(self, batch: list[QueuedPurchase], reply: BatchReply) -> None:
        accepted = []
        for waiting, decision in zip(batch, reply.decisions, strict=True):
            if decision.number:
                accepted.append((waiting.purchase, decision))
            if not waiting.future.done():
                waiting.future.set_result(decision.outcome)
        if accepted:
            self._accepted(batch[0].purchase.sale, reply.fence, accepted)

    async def _call(self, queue: SaleQueue, batch: list[QueuedPurchase]) -> BatchReply:
        """The shared call, under a span if one of its purchases is sampled."""
        purchases = [waiting.purchase for waiting in batch]
        spans = [waiting.span for waiting in batch if waiting.span is not None]
        if not spans:
            return await self._decide(queue, purchases)
        with calling(self._command, queue.sale, len(batch)) as call:
            reply = await self._decide(queue, purchases)
            tell(call, reply, spans, queue.seeded_by)
            queue.seeded_by = ""
            return reply

    async def _decide(self, queue: SaleQueue, purchases: list[Purchase]) -> BatchReply:
        """One call, or two where this process had yet to learn of a newer epoch; nothing was taken by the first."""
        for _ in range(2):
            highest_before, fence = queue.highest_number, queue.fence
            reply = await self._counter.reserve(queue.sale, purchases, fence)
            if reply.verdict == "decided":
                self._watch(queue, reply, highest_before)
                return reply
            if reply.verdict != "stale":
                break
            if reply.fence > queue.fence:
                queue.fence, queue.highest_number, queue.seeded_by = reply.fence, 0, reply.seeded_by
                self._noticed(queue.sale, reply.fence, "stale")
        if reply.verdict != "stale":
            self._noticed(queue.sale, queue.fence, reply.verdict)
        raise GateForgot(f"{WHY_FORGOTTEN[reply.verdict]}; nothing was taken.", reply.verdict)

    def _watch(self, queue: SaleQueue, reply: BatchReply, highest_before: int) -> None:
        """Numbers given by a call must exceed all that were known when it was sent; otherwise Redis went back."""
        numbers = [decision.number for decision in reply.decisions if decision.number]
        if numbers and reply.fence == queue.fence:
            queue.highest_number = max(queue.highest_number, *numbers)
            if min(numbers) <= highest_before:
                self._noticed(queue.sale, reply.fence, "behind")
        if reply.hint_due:
            self._noticed(queue.sale, reply.fence, "hint")


def _fail(batch: list[QueuedPurchase], error: AtomicTicketsError) -> None:
    for waiting in batch:
        if not waiting.future.done():
            waiting.future.set_exception(error)
