"""Batching of the purchases of a sale that wait in one process: one script call, or one transaction, decides them.

A single purchase does not wait: it is sent in the same turn of the event loop. Purchases queue only while
`batches_in_flight` calls of the sale are under way; then up to `batch_purchases` of them are sent in one call.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from opentelemetry.trace import Span

from app.errors import AtomicTicketsError, TemporarilyUnavailable
from app.gate.replies import BatchReply, Decision, DecisionFailed, FencingToken, GateBusy, GateForgot, GateUnavailable
from app.gate.tracing import call_span, record_reply, reserve_span
from app.sales.model import Purchase
from app.sales.outcomes import Outcome, Reserved
from app.sales.recent import KNOWN_SALES, remember
from app.settings import GateSettings
from app.telemetry.spans import current_traceparent

OnAccepted = Callable[[str, FencingToken, Sequence[tuple[Purchase, Decision]]], None]
OnNotice = Callable[[str, FencingToken, str], None]


class Counter(Protocol):
    """A store that decides purchases of one sale in their order, or raises TemporarilyUnavailable for all of them."""

    async def reserve(self, sale: str, purchases: Sequence[Purchase], token: FencingToken) -> BatchReply: ...


REFUSAL_DETAILS = {
    "missing": "The stock server has no such sale any more",
    "behind": "The stock server went back in time",
    "moved": "The stock server was restarted or replaced",
    "fenced": "The sale is being recounted",
    "stale": "The sale is being reset",
}

UNCONFIRMED = "The purchase may have been accepted, but too few replicas have it yet. Retry with the same key."

log = structlog.get_logger()


@dataclass(slots=True)
class QueuedPurchase:
    """A purchase that waits to be sent. `deadline` is in seconds of the event loop's clock."""

    purchase: Purchase
    deadline: float
    future: asyncio.Future[Outcome]
    span: Span | None = None


@dataclass(slots=True)
class SaleQueue:
    """The purchases of one sale that wait in this process, and what the process knows of the sale.

    `in_flight`: calls under way. `scheduled`: whether the event loop will call `_flush`.
    `token`: the newest epoch and round that the process knows. `highest_number`: the highest order number seen in it.
    `seeded_by`: the traceparent of the span that seeded the epoch, until a call has linked to it.
    """

    sale: str
    waiting: deque[QueuedPurchase] = field(default_factory=deque)
    in_flight: int = 0
    scheduled: bool = False
    token: FencingToken = field(default_factory=FencingToken)
    highest_number: int = 0
    seeded_by: str = ""


def _ignore(*_: object) -> None:
    """Ignore the report. This is the default of both callbacks."""


class PurchaseBatcher:
    """The bounded queues of one process before a counter, usually the gate. Each sale has its own, first in, first out.

    `on_accepted(sale, token, acceptances)` is called after each call that accepted purchases. `acceptances` is empty if
    their buyers were not told, because too few replicas have the orders.
    `on_notice(sale, token, notice)` is called if a reply is a reason to send a hint (the notice is 'hint') or to check
    the sale ('behind' or a result other than 'decided').
    `command` is the Redis command that calls the gate; it names the call's span.
    """

    def __init__(
        self,
        counter: Counter,
        settings: GateSettings,
        on_accepted: OnAccepted = _ignore,
        on_notice: OnNotice = _ignore,
        command: str = "EVALSHA",
    ) -> None:
        self._counter = counter
        self._command = command
        self._settings = settings
        self._on_accepted = on_accepted
        self._on_notice = on_notice
        self._queues: OrderedDict[str, SaleQueue] = OrderedDict()
        self._sending: set[asyncio.Task[None]] = set()

    async def buy(self, purchase: Purchase) -> Outcome:
        """Queue the purchase and return its decision. If the caller is cancelled, the shared call goes on.

        Raise GateBusy or GateForgot if nothing was taken. Raise GateUnavailable or DecisionFailed if the outcome is
        unknown; a retry with the same key returns it.
        """
        queue = self._queues.get(purchase.sale) or self._add_queue(purchase.sale)
        if len(queue.waiting) >= self._settings.queue_purchases:
            raise GateBusy("Too many purchases wait for this sale; nothing was taken.")
        loop = asyncio.get_running_loop()
        queued = QueuedPurchase(purchase, loop.time() + self._settings.queue_seconds, loop.create_future())
        queue.waiting.append(queued)
        if not queue.scheduled and queue.in_flight < self._settings.batches_in_flight:
            queue.scheduled = True
            loop.call_soon(self._flush, queue)
        if purchase.traceparent:
            with reserve_span(purchase.sale) as queued.span:
                purchase.traceparent = current_traceparent()  # the order's trace continues from this span
                return await queued.future
        return await queued.future

    async def close(self) -> None:
        """Wait for the calls under way. The caller must send no new purchases."""
        while self._sending:
            await asyncio.wait(self._sending)

    def _add_queue(self, sale: str) -> SaleQueue:
        queue = SaleQueue(sale)
        remember(self._queues, sale, queue, KNOWN_SALES)
        return queue

    def _flush(self, queue: SaleQueue) -> None:
        """Send waiting purchases in batches while calls are free. Purchases past their deadline fail with GateBusy."""
        queue.scheduled = False
        batch: list[QueuedPurchase] = []
        now = asyncio.get_running_loop().time()
        while queue.waiting and len(batch) < self._settings.batch_purchases:
            queued = queue.waiting.popleft()
            if queued.future.done():  # the caller was cancelled
                continue
            if queued.deadline < now:
                queued.future.set_exception(GateBusy("The purchase waited too long; nothing was taken."))
                continue
            batch.append(queued)
        if batch:
            remember(self._queues, queue.sale, queue, KNOWN_SALES)  # marks the sale as used, once per call
            queue.in_flight += 1
            task = asyncio.create_task(self._send(queue, batch))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        if queue.waiting and queue.in_flight < self._settings.batches_in_flight:
            self._flush(queue)

    async def _send(self, queue: SaleQueue, batch: list[QueuedPurchase]) -> None:
        """Make one call and set the result or the error of each purchase in it. Then send the next batch."""
        try:
            self._answer(batch, await self._call(queue, batch))
        except TemporarilyUnavailable as error:
            _fail(batch, error)
        except Exception as defect:  # whatever it is, each waiting purchase must get an answer
            log.exception("a shared call failed unexpectedly", sale=queue.sale, purchases=len(batch))
            _fail(batch, DecisionFailed(defect))
        except BaseException:
            _fail(batch, GateUnavailable("The process is shutting down; retry with the same key."))
            raise
        finally:
            queue.in_flight -= 1
            if not queue.scheduled:
                self._flush(queue)
            if not (queue.waiting or queue.in_flight or queue.token.epoch):
                self._queues.pop(queue.sale, None)  # a name that the gate does not know must not stay

    def _answer(self, batch: list[QueuedPurchase], reply: BatchReply) -> None:
        """Set the outcome of each purchase, and report the acceptances, also those whose caller was cancelled.

        If too few replicas have the orders, no buyer is told of one; refusals took nothing, and are told.
        """
        accepted = []
        for queued, decision in zip(batch, reply.decisions, strict=True):
            if decision.number:
                accepted.append((queued.purchase, decision))
            if not reply.confirmed and isinstance(decision.outcome, Reserved):
                _fail([queued], GateUnavailable(UNCONFIRMED))
            elif not queued.future.done():
                queued.future.set_result(decision.outcome)
        if accepted:
            self._on_accepted(batch[0].purchase.sale, reply.token, accepted if reply.confirmed else [])

    async def _call(self, queue: SaleQueue, batch: list[QueuedPurchase]) -> BatchReply:
        """Make the shared call, in a span if one of its purchases is sampled."""
        purchases = [queued.purchase for queued in batch]
        spans = [queued.span for queued in batch if queued.span is not None]
        if not spans:
            return await self._decide(queue, purchases)
        with call_span(self._command, queue.sale, len(batch)) as call:
            reply = await self._decide(queue, purchases)
            record_reply(call, reply, spans, queue.seeded_by)
            queue.seeded_by = ""
            return reply

    async def _decide(self, queue: SaleQueue, purchases: list[Purchase]) -> BatchReply:
        """Make one call, or two if the first reported an epoch or round that this process did not know.

        Such a first call took nothing. Raise GateForgot if the gate decides nothing.
        """
        for _ in range(2):
            highest_before, token = queue.highest_number, queue.token
            reply = await self._counter.reserve(queue.sale, purchases, token)
            if reply.result == "decided":
                self._check_numbers(queue, reply, highest_before)
                return reply
            if reply.result != "stale":
                break
            if reply.token > queue.token:
                queue.token, queue.highest_number, queue.seeded_by = reply.token, 0, reply.seeded_by
                self._on_notice(queue.sale, reply.token, "stale")
        if reply.result != "stale":
            self._on_notice(queue.sale, queue.token, reply.result)
        raise GateForgot(f"{REFUSAL_DETAILS[reply.result]}; nothing was taken.", reply.result)

    def _check_numbers(self, queue: SaleQueue, reply: BatchReply, highest_before: int) -> None:
        """Record the reply's order numbers and report 'behind' or 'hint' if there is reason to.

        New numbers must exceed those known when the call was sent; otherwise the stock server went back in time (lost
        its newest writes).
        """
        numbers = [decision.number for decision in reply.decisions if decision.number]
        if numbers and reply.token == queue.token:
            queue.highest_number = max(queue.highest_number, *numbers)
            if min(numbers) <= highest_before:
                self._on_notice(queue.sale, reply.token, "behind")
        if reply.hint_due:
            self._on_notice(queue.sale, reply.token, "hint")


def _fail(batch: list[QueuedPurchase], error: AtomicTicketsError) -> None:
    for queued in batch:
        if not queued.future.done():
            queued.future.set_exception(error)
