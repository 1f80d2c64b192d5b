"""What one reconciliation observed. Status, conditions and events are pure functions of this and the last status."""

from dataclasses import dataclass

from app.errors import AtomicTicketsError
from app.reconcile.reconciler import Result
from app.sales.desired_state import Step
from app.services.sale_view import SaleView


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedWorkers:
    """The worker pool, as it is reported for one sale.

    desired: the workers that this sale alone asks for.
    pool: the replicas that the Deployment should have, for all sales.
    ready: how many of its pods are ready.
    capped: the sales ask for more workers than the maximum.
    scaled: False if the operator does not scale the workers.
    known: False until the Deployment has been read.
    problem: why the Deployment can't be read or scaled, '' if it can.
    """

    desired: int = 0
    pool: int = 0
    ready: int = 0
    capped: bool = False
    scaled: bool = True
    known: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One sale, as a reconciliation found and left it.

    view: the sale; None if the ledger could not be reached or has no such sale.
    step: what was done to the sale's row in the ledger.
    checks: the comparisons of gate and ledger, in order. Each repair is followed by another check.
    at_gate: whether the stock is in the gate. If not, only the strategy's own counter is compared with the bookings.
    refusal: why the row can't become what the resource declares.
    gate_away, ledger_away: the error of a store that could not be reached, '' if it could.
    workers: the worker pool.
    """

    view: SaleView | None = None
    step: Step = Step.NOTHING
    checks: tuple[Result, ...] = ()
    at_gate: bool = True
    refusal: AtomicTicketsError | None = None
    gate_away: str = ""
    ledger_away: str = ""
    workers: ObservedWorkers = ObservedWorkers()

    @property
    def check(self) -> Result | None:
        """Return the last check, which shows the sale after all repairs; None if there was no check."""
        return self.checks[-1] if self.checks else None
