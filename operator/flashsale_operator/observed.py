"""What one look at a sale has shown. Everything that is decided or told is a pure function of this and the resource."""

from dataclasses import dataclass

from app.errors import AtomicTicketsError
from app.reconcile.watch import Result
from app.sales.desired_state import Step
from app.services.sale_view import SaleView


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersSeen:
    """`desired`: by this sale alone. `pool`: what the Deployment is to have; `replicas` and `ready`: what it has.

    `problem`: why the pool can't be what is desired, '' where it can. `scaled` is False where somebody else scales.
    `looked` is False before the first look at the Deployment: nothing is known of it then.
    """

    desired: int = 0
    pool: int = 0
    replicas: int = 0
    ready: int = 0
    capped: bool = False
    scaled: bool = True
    looked: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`view` is None where the ledger could not be asked, or has no such sale. `step`: what was done to its row.

    `checks`: the comparisons with the ledger, in their order; a repair is followed by another one. `at_gate`: its
    stock is in the gate, and so compared with the ledger; else the strategy's counter is all there is to compare.
    `refusal`: why the row can't become what the resource wants. `gate_away`, `ledger_away`: what is said of a store
    that could not be asked, '' where it could.
    """

    view: SaleView | None = None
    step: Step = Step.NOTHING
    checks: tuple[Result, ...] = ()
    at_gate: bool = True
    refusal: AtomicTicketsError | None = None
    gate_away: str = ""
    ledger_away: str = ""
    workers: WorkersSeen = WorkersSeen()

    @property
    def check(self) -> Result | None:
        """The last one: what is so after all repairs."""
        return self.checks[-1] if self.checks else None
