"""Check and repair all sales at intervals. Level-triggered: a check starts from the present state, not from events."""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import TemporarilyUnavailable
from app.gate.gate import Gate
from app.gate.replies import GateUnavailable
from app.gate.server import ForeignStores
from app.ledger.engine import POOL_SIZES
from app.ledger.incarnation import ledger_incarnation
from app.ledger.receipts import LostOrders, ReceiptRepository
from app.ledger.retention import prune
from app.ledger.revisions import SchemaIncompatible
from app.ledger.sales import SaleRepository
from app.ledger.schema import installation_id
from app.reconcile.act import Finding, act, action_span
from app.reconcile.classify import Kind, classify
from app.reconcile.decide import Action, Suspicion, decide, suspect
from app.reconcile.gate_loss import evidence
from app.reconcile.measure import add_up
from app.reconcile.meters import ACTIONS, CHECKS, LAST_TURN
from app.reconcile.observation import observe
from app.reconcile.rebook import NONE, Rebooked
from app.reconcile.repair import remove
from app.reconcile.unknown_sales import stop_unknown_sales
from app.sales.model import Sale
from app.sales.strategy import Strategy
from app.settings import ReconcileSettings
from app.telemetry.names import CHANGED
from app.telemetry.spans import span

PAGE = 500  # sales
AT_ONCE = POOL_SIZES["reconciler"]  # sales; each holds one connection to the ledger
JITTER = 0.1  # of a pause, so that several reconcilers do not keep step
PRUNE_SECONDS = SEARCH_SECONDS = 600.0
FIRST_RETRY_FACTOR = 0.25  # of the interval: a restarted server is back within a second, and its sales stand still

NONE_LOST = LostOrders(orders=0, tickets=0)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one check. `kind` is None if the drift is unknown. `done` is True if the action took effect.

    `tickets`: the drift (app.reconcile.classify). `rebooked`: what this check booked again.
    `confirmed_at` (monotonic seconds) is the time at which suspected drift will have lasted for the grace period.
    """

    sale: str
    round: int
    epoch: int
    kind: Kind | None
    tickets: int = 0
    action: Action = Action.NOTHING
    reason: str = ""
    done: bool = True
    lost: LostOrders = NONE_LOST
    rebooked: Rebooked = NONE
    confirmed_at: float | None = None


class Reconciler:
    """The reconciler of an installation; any number may run. `results` holds the last result of each sale."""

    def __init__(
        self,
        engine: AsyncEngine,
        gate: Gate,
        strategies: Mapping[str, type[Strategy]],
        settings: ReconcileSettings,
    ) -> None:
        self.results: dict[str, Result] = {}
        self._engine = engine
        self._gate = gate
        self._strategies = strategies
        self._settings = settings
        self._sales = SaleRepository(engine)
        self._receipts = ReceiptRepository(engine)
        self._suspicions: dict[str, Suspicion] = {}
        self._failing: set[str] = set()
        self._installation: str | None = None
        self._incarnation: str | None = None  # of the ledger's server, at the last search for unknown sales
        self._unknown: frozenset[str] = frozenset()  # the sales that it found
        self._search_failing = False
        self._search_at = self._prune_at = 0.0
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run_forever(self, ready: asyncio.Event | None = None) -> None:
        """Check all sales at each interval until cancelled. Set `ready` after the first full turn."""
        pause, logged = self._settings.interval_seconds, ""
        while True:
            try:
                await self.reconcile_all()
                LAST_TURN.set_to_current_time()
                await self.prune_old()
            except TemporarilyUnavailable as error:
                interval = self._settings.interval_seconds
                pause = min(pause * 2, interval) if logged else interval * FIRST_RETRY_FACTOR
                _log_outage(error, logged)
                logged = error.detail
            else:
                if logged:
                    log.info("stores are back")
                pause, logged = self._settings.interval_seconds, ""
                if ready is not None:
                    ready.set()
            await asyncio.sleep(pause * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311  spread, not secrecy

    async def reconcile_all(self) -> None:
        """Check all sales that are not removed, once. Raise TemporarilyUnavailable if a store is away.

        Sales on another installation's stock server would be seeded from this ledger. So each turn checks that the
        stores belong together: FLUSHALL deletes the mark, and an address may lead to another server by now.
        """
        if self._installation is None:  # once: a newer release may migrate the ledger while this reconciler runs
            self._installation = await installation_id(self._engine)
        await self._gate.claim(self._installation)
        await self.stop_unknown_sales(await ledger_incarnation(self._engine))
        after, active = "", set[str]()
        while page := await self._sales.active(after, PAGE):
            active |= {sale.name for sale in page}
            at_once = asyncio.Semaphore(AT_ONCE)
            async with asyncio.TaskGroup() as turns:
                for sale in page:
                    turns.create_task(self._turn(sale, at_once))
            after = page[-1].name
        self._forget_all_but(active)

    async def stop_unknown_sales(self, incarnation: str) -> None:
        """Stop the sales that the ledger has lost.

        Look for them if the server's `incarnation` is another one than before, while there are any, and every
        SEARCH_SECONDS, because the server may hide its incarnation.
        """
        now = time.monotonic()
        if incarnation == self._incarnation and not self._unknown and now < self._search_at:
            return
        try:
            self._unknown = await stop_unknown_sales(self._gate, self._engine, told=self._unknown)
        except GateUnavailable as error:
            # One server of a cluster that is away must not keep the sales of the others from being reconciled.
            if not self._search_failing:
                log.warning("sales that the ledger lacks are not looked for yet", error=error.detail)
            self._search_failing = True
        else:
            self._search_failing = False
            self._incarnation, self._search_at = incarnation, now + SEARCH_SECONDS

    async def prune_old(self) -> None:
        """Delete a batch of old rows each turn while there are more, then pause: each search reads whole tables."""
        now = time.monotonic()
        if now >= self._prune_at:
            gone = await prune(self._engine, self._settings.retention_days)
            self._prune_at = now if gone else now + PRUNE_SECONDS
            if gone:
                log.info("old rows deleted", rows=gone, days=self._settings.retention_days)

    async def reconcile_sale(self, sale: Sale, settings: ReconcileSettings | None = None) -> Result:
        """Check one sale and do what is called for. Idempotent. Raise TemporarilyUnavailable if a store is away.

        `settings` is this sale's own grace period and policy, in place of the installation's.
        """
        lock = self._turns.setdefault(sale.name, asyncio.Lock())
        async with lock:
            result = await self._reconcile(sale, settings or self._settings)
            self._keep(result)
        return result

    async def _turn(self, sale: Sale, at_once: asyncio.Semaphore) -> None:
        """Check one sale of many. Its failure is logged once and does not stop the others."""
        async with at_once:
            try:
                with span("reconcile sale", {"atomictickets.sale": sale.name}):
                    await self.reconcile_sale(sale)
            except Exception as error:  # one broken sale must not keep the others from being reconciled
                if sale.name not in self._failing:
                    trace = None if isinstance(error, TemporarilyUnavailable) else error
                    log.warning(
                        "sale not reconciled; tried again each interval",
                        sale=sale.name,
                        error=str(error),
                        exc_info=trace,
                    )
                self._failing.add(sale.name)
            else:
                self._failing.discard(sale.name)

    async def _reconcile(self, sale: Sale, settings: ReconcileSettings) -> Result:
        strategy = self._strategies.get(sale.terms.strategy)
        if strategy is None or not strategy.sells_at_gate:
            return await self._observe(sale)
        observation = await observe(sale, self._gate, self._engine)
        if observation is None:
            return Result(sale=sale.name, round=sale.round, epoch=sale.epoch, kind=None, reason="a newer round began")
        sums = None
        if evidence(observation) is None:
            sums = await add_up(sale, observation, self._gate, self._engine)
        drift = classify(observation, sums)
        now = time.monotonic()
        suspicion = suspect(self._suspicions.get(sale.name), drift, observation.after, now)
        self._suspect(sale.name, suspicion)
        decision = decide(
            sale,
            observation,
            drift,
            suspicion,
            now=now,
            grace_seconds=settings.grace_seconds,
            policy=settings.policy,
        )
        acted = await act(Finding(sale, observation, drift, decision), self._gate, self._engine)
        return Result(
            sale=sale.name,
            round=sale.round,
            epoch=acted.epoch,
            kind=drift.kind if drift else None,
            tickets=drift.tickets if drift else 0,
            action=acted.action,
            reason=decision.reason,
            done=acted.done,
            lost=await self._lost(sale, acted.in_stream),
            rebooked=acted.rebooked,
            confirmed_at=None if suspicion is None else suspicion.since + settings.grace_seconds,
        )

    async def _observe(self, sale: Sale) -> Result:
        """Check a sale whose strategy is unknown to this release or does not sell at the gate.

        Repair nothing, but remove the sale's keys once it has ended.
        """
        action = Action.OBSERVE if sale.ended_at is None else Action.REMOVE
        with action_span(action) as span_:
            done = action is Action.OBSERVE or await remove(sale, self._gate, self._engine)
            span_.set_attribute(CHANGED, done)
        return Result(sale=sale.name, round=sale.round, epoch=sale.epoch, kind=None, action=action, done=done)

    async def _lost(self, sale: Sale, in_stream: tuple[str, ...] | None) -> LostOrders:
        """Count lost orders again whenever the stream is known: the API may store receipts after the recount."""
        before = self.results.get(sale.name)
        known = before.lost if before is not None and before.round == sale.round else NONE_LOST
        return known if in_stream is None else await self._receipts.lost(sale.name, sale.round, in_stream)

    def _forget_all_but(self, active: set[str]) -> None:
        """Forget the sales that another reconciler has removed: they are not checked again."""
        for known in (self.results, self._suspicions):
            for name in known.keys() - active:
                del known[name]
        self._failing &= active

    def _suspect(self, name: str, suspicion: Suspicion | None) -> None:
        self._suspicions.pop(name, None)
        if suspicion is not None:
            self._suspicions[name] = suspicion

    def _keep(self, result: Result) -> None:
        """Remember the result, and log what is new in it."""
        CHECKS.labels("unknown" if result.kind is None else result.kind.value).inc()
        if result.action not in (Action.NOTHING, Action.OBSERVE):
            ACTIONS.labels(result.action.value, "yes" if result.done else "no").inc()
        before = self.results.pop(result.sale, None)
        if not (result.action is Action.REMOVE and result.done):
            self.results[result.sale] = result
        if result.lost.orders and (before is None or before.lost != result.lost):
            lost = result.lost
            log.error("orders lost", sale=result.sale, round=result.round, orders=lost.orders, tickets=lost.tickets,
                      first=lost.named[0])  # fmt: skip
        if result.action is not Action.NOTHING and (before is None or before != result):
            log.info(
                "sale reconciled",
                sale=result.sale,
                round=result.round,
                epoch=result.epoch,
                kind=result.kind,
                tickets=result.tickets,
                action=result.action,
                reason=result.reason,
                done=result.done,
            )


def _log_outage(error: TemporarilyUnavailable, logged: str) -> None:
    """Log an outage once, and again if it turns out that the stores are foreign or unfit."""
    if isinstance(error, ForeignStores | SchemaIncompatible) and error.detail != logged:
        log.error("these stores are not reconciled", error=error.detail)
    elif not logged:
        log.warning("a store is away; sales are not reconciled", error=error.detail)
