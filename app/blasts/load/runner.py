"""Run one load in this process. All connections are open before the first request is sent.

Closed and open loop differ only in the intended time of a request, from which its latency is counted. In the open loop
this is the time of the schedule, even if no connection is free then, so a slow server cannot delay its own measurement.
"""

import asyncio
import time
from array import array
from collections import Counter
from time import monotonic
from urllib.parse import urlsplit

from app.blasts.load.buyer import Buyer, outcome_of
from app.blasts.load.failures import NoReply, TargetUnreachable
from app.blasts.load.plan import LoadPlan
from app.blasts.load.result import Latency, LoadResult, PurchaseRecord
from app.blasts.load.tracing import TracedPurchases
from app.blasts.load.wire import PurchaseWriter, Reply
from app.telemetry.tracing import tracing_is_on

CONNECTING_AT_ONCE = 64  # below the shortest usual listen backlog (100), whose overflow costs a SYN retry of 1 s
OPENING_SECONDS = 30.0
WATCH_SECONDS = 0.05


async def run_load(plan: LoadPlan) -> LoadResult:
    """Run a load and return its result. Raise TargetUnreachable, before anything is sent, if it cannot connect."""
    return await Load(plan).run()


class Load:
    """One load. `progress` and `result()` may be read at any time, also after the load was cancelled."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._writer = PurchaseWriter(plan)
        # If spans are not exported, no traceparent is sent: with it, the service's traces would lack their root.
        untraced = plan.trace_ratio is None or not tracing_is_on()
        self._traced = None if untraced else TracedPurchases(plan)
        self._numbers = iter(range(plan.requests))
        self._outcomes: Counter[str] = Counter()
        self._latencies = array("d")
        self._lags = array("d")
        self._records: list[PurchaseRecord] = []
        self._errors = self._replayed = self._retried = 0
        self._started_at = time.time()
        self._start = self._ended = self._accepted = monotonic()
        self._stopped = False

    @property
    def progress(self) -> dict[str, int]:
        """Return the number of finished purchases so far, by outcome."""
        return dict(self._outcomes)

    async def run(self) -> LoadResult:
        """Run the load and return its result. A cancellation closes all connections and drops unfinished purchases."""
        target = urlsplit(self._plan.url)
        buyers = [
            Buyer(str(target.hostname), target.port or 80, self._plan.retries, insist=self._plan.insist)
            for _ in range(self._plan.connections)
        ]
        try:
            await open_all(buyers)
            self._started_at = time.time()
            self._start = self._ended = self._accepted = monotonic()
            await self._sell_to(buyers)
        finally:
            for buyer in buyers:
                buyer.close()
        return self.result()

    def stop(self) -> None:
        """Send no further request. Those under way get their answers, and then `run` returns."""
        self._stopped = True

    def result(self) -> LoadResult:
        """Return the result so far."""
        return LoadResult(
            plan=self._plan,
            outcomes=dict(self._outcomes),
            errors=self._errors,
            replayed=self._replayed,
            retried=self._retried,
            latency=Latency.of(self._latencies),
            lag=Latency.of(self._lags),
            started_at=self._started_at,
            seconds=self._ended - self._start,
            accepted_seconds=self._accepted - self._start,
            records=tuple(sorted(self._records, key=lambda record: record.number)),
        )

    async def _sell_to(self, buyers: list[Buyer]) -> None:
        watch = asyncio.create_task(self._give_up_on_overdue(buyers))
        try:
            async with asyncio.TaskGroup() as tasks:
                for buyer in buyers:
                    tasks.create_task(self._buy_in_turn(buyer))
        finally:
            watch.cancel()
            await asyncio.wait({watch})

    async def _buy_in_turn(self, buyer: Buyer) -> None:
        rate, deadline = self._plan.rate, self._start + self._plan.seconds
        for number in self._numbers:
            now = monotonic()
            intended = now if rate is None else self._start + number / rate
            if self._stopped or intended >= deadline or now >= deadline:
                return
            if intended > now:
                await asyncio.sleep(intended - now)
                now = monotonic()
            request = self._writer.request(number)
            if self._traced is None:
                answer, attempts = await buyer.buy(request, deadline)
            else:
                answer, attempts = await self._traced.buy(buyer, request, deadline)
            self._lags.append(max(0.0, now - intended))
            self._record(number, answer, attempts, intended, now)

    async def _give_up_on_overdue(self, buyers: list[Buyer]) -> None:
        """Give up on overdue requests of all connections. A timer for each request would cost more than its parsing."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            moment = monotonic() - self._plan.reply_seconds
            for buyer in buyers:
                buyer.abort_if_sent_before(moment)

    def _record(self, number: int, answer: Reply | NoReply, attempts: int, intended: float, sent: float) -> None:
        if isinstance(answer, Reply):
            status, ended = answer.status, answer.received_at
        else:
            status, ended = 0, monotonic()
        outcome = outcome_of(answer)
        replayed = status == 200 and isinstance(answer, Reply) and answer.replayed
        latency = max(0.0, ended - intended)
        self._outcomes[outcome] += 1
        self._latencies.append(latency)
        self._errors += status == 0 or status >= 500
        self._replayed += replayed
        self._retried += attempts > 1
        self._ended = max(self._ended, ended)
        if status == 200:
            self._accepted = max(self._accepted, ended)
        if self._plan.records:
            reservation_id = answer.reservation_id if status == 200 and isinstance(answer, Reply) else None
            trace_id = answer.trace_id if isinstance(answer, Reply) else None
            key, customer = self._plan.key(number), self._plan.customer(number)
            sent_at = self._started_at + sent - self._start
            self._records.append(
                PurchaseRecord(
                    number,
                    key,
                    customer,
                    outcome,
                    status,
                    latency,
                    attempts,
                    replayed,
                    reservation_id,
                    trace_id,
                    sent_at,
                )
            )


async def open_all(buyers: list[Buyer]) -> None:
    """Open the connections of all buyers. Raise TargetUnreachable as soon as one buyer gives up."""
    slots = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def open_one(buyer: Buyer) -> None:
        async with slots:
            await buyer.open()

    try:
        async with asyncio.timeout(OPENING_SECONDS), asyncio.TaskGroup() as tasks:
            for buyer in buyers:
                tasks.create_task(open_one(buyer))
    except TimeoutError as error:
        raise TargetUnreachable(f"{len(buyers)} connections did not open in {OPENING_SECONDS:.0f} s.") from error
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
