"""Observations of a sale, for tests that need no store."""

from dataclasses import replace
from typing import Any

from app.reconcile.classify import Kind
from app.reconcile.reconciler import Result
from app.sales.phase import Phase
from app.services.sale_view import Identity, SaleView
from flashsale_operator.observed import Observed, ObservedWorkers

IDENTITY = Identity(stock=10, remaining=10, backlog=0, set_aside=0, booked=0, holds=True)
VIEW = SaleView(
    name="drop", strategy="atomic", round=1, epoch=1, phase=Phase.OPEN, stock=10, remaining=10, backlog=0, set_aside=0,
    booked=0, rejected=0, duplicates=0, oversold=0, undersold=0, customer_limit=None, think_ms=50, opens_at=None,
    closes_at=None, paused=False, managed_by="flashsale", ended_at=None, lost=0, rebooked=0, identity=IDENTITY,
    counter_says=0, returns=0, owner_generation=1,
)  # fmt: skip
FINE = Result(sale="drop", round=1, epoch=1, kind=Kind.NONE)
WORKERS = ObservedWorkers(pool=1, ready=1)
OBSERVED = Observed(view=VIEW, checks=(FINE,), workers=WORKERS)


def observation(*, phase: Phase = Phase.OPEN, checks: tuple[Result, ...] = (FINE,), **changes: Any) -> Observed:
    """Return an observation of a sale without any fault, except for `changes` of it or of its view."""
    of_view = {name: changes.pop(name) for name in list(changes) if name in SaleView.__dataclass_fields__}
    return replace(OBSERVED, view=replace(VIEW, phase=phase, **of_view), checks=checks, **changes)


def check(kind: Kind | None, tickets: int = 0, **changes: Any) -> Result:
    return replace(FINE, kind=kind, tickets=tickets, **changes)
