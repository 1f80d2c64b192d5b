"""The I/O of a reconciliation: it reads and changes the state of one sale. Pure functions elsewhere decide."""

from dataclasses import replace

from app.errors import AtomicTicketsError
from app.gate.replies import GateUnavailable
from app.ledger.availability import LedgerUnavailable
from app.reconcile.decide import Action
from app.reconcile.reconciler import Result
from app.sales.desired_state import DesiredSale, NameTaken, Step, StockShrinks, StrategyDiffers, is_follower
from app.sales.model import Sale, SaleTerms
from app.sales.strategy import Strategy
from app.services.catalog import UnknownStrategy, strategy_named
from app.settings import ReconcileSettings, SaleSettings
from app.telemetry.names import CHANGED, OUTCOME
from app.telemetry.spans import span
from flashsale_operator.kube import KubeApi
from flashsale_operator.kube_client import KubeMissing
from flashsale_operator.observed import Observed, ObservedWorkers
from flashsale_operator.resource.models import FlashSale
from flashsale_operator.stores import Stores

REFUSALS = (NameTaken, StockShrinks, StrategyDiffers, UnknownStrategy)
REPAIRS = (Action.AMEND, Action.CLEAR_RECOUNT_FLAG, Action.REBOOK, Action.GIVE_BACK, Action.RECOUNT)
MAX_CHECKS = 3  # each repair is followed by another check; a fourth can wait for the next reconciliation


class ResourceGone(AtomicTicketsError):
    """The resource that declares the sale no longer exists."""


class SaleSync:
    """Brings a sale to its desired state. Idempotent: a second call, also in another process, finds nothing to do."""

    def __init__(self, stores: Stores, kube: KubeApi, sales: SaleSettings) -> None:
        self._stores = stores
        self._kube = kube
        self._sales = sales

    async def sync_managed(self, flashsale: FlashSale, workers: ObservedWorkers, *, check: bool) -> Observed:
        """Make the sale follow its resource. If `check` is True, compare the gate with the ledger and repair drift too.

        Return what was observed, including stores that are away. Raise KubeUnavailable if the API server is away, and
        ResourceGone if the resource was deleted.
        """
        name, desired = flashsale.metadata.name, desired_by(flashsale, self._sales)
        strategy, sale = None, None
        step, refusal, ledger_away = Step.NOTHING, None, ""
        try:
            with span("follow", expected=(*REFUSALS, ResourceGone)) as follow_span:
                strategy = strategy_named(flashsale.spec.strategy, self._stores.strategies)
                stored = await self._stores.sales.get(name)
                sale = stored if stored is not None and is_follower(desired, stored) else None
                if stored is not None and stored.ended_at is not None:
                    await self._must_exist(flashsale)
                followed = await self._stores.managed.follow(desired, stored, guarded=strategy.promises_exactness)
                sale, step = followed.sale, followed.step
                follow_span.set_attributes({OUTCOME: step.value, CHANGED: step is not Step.NOTHING})
        except REFUSALS as error:
            refusal = error
        except LedgerUnavailable as error:
            ledger_away = error.detail
        observed = Observed(
            step=step,
            refusal=refusal,
            ledger_away=ledger_away,
            at_gate=strategy is None or strategy.sells_at_gate,
            workers=workers,
        )
        if sale is None or strategy is None or ledger_away:
            return observed
        return await self._observe(sale, strategy, settings_of(flashsale), observed, check=check)

    async def sync_unmanaged(self, sale: Sale) -> Result:
        """Check and repair a sale without a resource: one that was created over HTTP or has ended.

        Raise TemporarilyUnavailable if a store is away.
        """
        return await self._check(sale)

    async def end(self, name: str, uid: str) -> None:
        """End the sale of a deleted resource and close its gate. Raise TemporarilyUnavailable if a store is away."""
        with span("end", {"k8s.object.uid": uid}) as ending:
            ended = await self._stores.managed.end(name, uid)
            ending.set_attribute(CHANGED, ended is not None)
            if ended is not None:
                strategy = strategy_named(ended.terms.strategy, self._stores.strategies)
                await strategy.prepare(ended)

    async def _check(self, sale: Sale, settings: ReconcileSettings | None = None) -> Result:
        with span("check") as checking:
            result = await self._stores.drift_reconciler.reconcile_sale(sale, settings)
            checking.set_attributes(check_attributes(result))
            return result

    async def _observe(
        self, sale: Sale, strategy: Strategy, settings: ReconcileSettings, observed: Observed, *, check: bool
    ) -> Observed:
        """Prepare the strategy if the row was changed, check the sale if `check`, and read it.

        Return `observed` with what was found. A store that is away is reported in it and not raised.
        """
        checks: list[Result] = []
        view, gate_away, ledger_away = None, "", ""
        try:
            if observed.step is not Step.NOTHING:
                with span("prepare"):
                    await strategy.prepare(sale)
            while check:
                checks.append(await self._check(sale, settings))
                check = checks[-1].done and checks[-1].action in REPAIRS and len(checks) < MAX_CHECKS
            if not checks:
                await strategy.snapshot(sale)  # raises if the gate is away: the view would report a lost counter
        except GateUnavailable as error:
            gate_away = error.detail
        except LedgerUnavailable as error:
            ledger_away = error.detail
        if not ledger_away:
            try:
                view = await self._stores.service.view(sale.name)
            except LedgerUnavailable as error:
                ledger_away = error.detail
        if view is not None and view.backlog:
            self._stores.hints.send(sale.name)
        return replace(observed, view=view, checks=tuple(checks), gate_away=gate_away, ledger_away=ledger_away)

    async def _must_exist(self, flashsale: FlashSale) -> None:
        """Raise ResourceGone if the resource was deleted: one that is only in the cache must not start a new round."""
        try:
            found = await self._kube.flashsale(flashsale.metadata.name)
        except KubeMissing as error:
            raise ResourceGone("The resource was deleted.") from error
        if found["metadata"]["uid"] != flashsale.metadata.uid:
            raise ResourceGone("The resource was deleted, and another one has its name.")


def desired_by(flashsale: FlashSale, sales: SaleSettings) -> DesiredSale:
    spec, metadata = flashsale.spec, flashsale.metadata
    return DesiredSale(
        terms=SaleTerms(
            name=metadata.name,
            strategy=spec.strategy,
            stock=spec.stock,
            opens_at=spec.opens_at,
            closes_at=spec.closes_at,
            customer_limit=spec.per_customer_limit,
            think_ms=sales.think_ms if spec.think_milliseconds is None else spec.think_milliseconds,
            think_is_explicit=spec.think_milliseconds is not None,
        ),
        uid=metadata.uid,
        generation=metadata.generation,
        round=spec.round,
        paused=spec.paused,
        adopt=metadata.adopts,
    )


def check_attributes(result: Result) -> dict[str, str | int | bool]:
    """Return the span attributes of a check."""
    return {
        OUTCOME: "unknown" if result.kind is None else result.kind.value,
        "atomictickets.round": result.round,
        "atomictickets.epoch": result.epoch,
        "atomictickets.tickets": result.tickets,
        "atomictickets.action": result.action.value,
        "atomictickets.done": result.done,
        "atomictickets.reason": result.reason,
    }


def settings_of(flashsale: FlashSale) -> ReconcileSettings:
    spec = flashsale.spec.reconcile
    return ReconcileSettings(
        interval_seconds=spec.interval_seconds, grace_seconds=spec.grace_seconds, policy=spec.policy.value
    )
