"""In any history of orders and losses, no ticket is given back while one is unaccounted for. No store is needed."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from app.gate.replies import GateSnapshot
from app.reconcile.classify import Kind, classify
from app.reconcile.decide import Action, Decision, Suspicion, decide
from app.reconcile.measure import Sums
from app.reconcile.observation import LedgerRound, Observation
from tests.support.sales import a_sale

STOCK = 1000


@dataclass
class History:
    """Both stores of one sale, as sets of order numbers. Each order has as many tickets as `quantities` says."""

    quantities: list[int] = field(default_factory=list)
    leaked: int = 0
    given_back: int = 0
    stream: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    answers: set[int] = field(default_factory=set)
    ledger: set[int] = field(default_factory=set)
    set_aside: set[int] = field(default_factory=set)

    def accept(self, amount: int) -> None:
        number = len(self.quantities)
        self.quantities.append(amount)
        self.stream.add(number)
        self.answers.add(number)

    def leak(self, amount: int) -> None:
        self.leaked += amount

    def book(self, amount: int) -> None:
        """Commit the bookings of the oldest orders in the stream, without acknowledging them."""
        self.ledger |= set(sorted(self.stream - self.set_aside)[:amount])

    def put_aside(self, amount: int) -> None:
        self.set_aside |= set(sorted(self.stream - self.ledger)[:amount])

    def acknowledge(self, amount: int) -> None:
        done = set(sorted(self.stream & (self.ledger | self.set_aside))[:amount])
        self.stream -= done
        self.acknowledged |= done

    def lose_bookings(self, amount: int) -> None:
        self.ledger -= set(sorted(self.ledger)[-amount:])

    def lose_answers(self, amount: int) -> None:
        self.answers -= set(sorted(self.answers)[:amount])

    def tickets(self, orders: set[int]) -> int:
        return sum(self.quantities[order] for order in orders)

    @property
    def unaccounted(self) -> set[int]:
        """Return the orders whose tickets are taken, and of which the ledger and the stream know nothing."""
        return set(range(len(self.quantities))) - self.stream - self.ledger - self.set_aside

    def snapshot(self) -> GateSnapshot:
        orders = len(self.quantities)
        taken = self.tickets(set(range(orders))) + self.leaked - self.given_back
        return GateSnapshot(
            round=1, epoch=1, state="open", stock=STOCK, remaining=STOCK - taken, backlog=self.tickets(self.stream),
            accepted=orders, repairs=0, released=0, server="s", allotted=STOCK,
            written=sum(self.quantities), written_orders=orders, acknowledged=self.tickets(self.acknowledged),
            acknowledged_orders=len(self.acknowledged), last_entry="1-1" if self.stream else "",
        )  # fmt: skip

    def decide(self) -> tuple[Kind | None, Decision]:
        """Return what a check finds and decides whose finding has lasted for the grace period."""
        gate = self.snapshot()
        ledger = LedgerRound(
            epoch=1, stock=STOCK, counter=0, recount=False, generation=0, over=False,
            highest=(1, max(self.ledger) + 1) if self.ledger else (0, 0),
        )  # fmt: skip
        waiting = self.stream - self.ledger - self.set_aside
        sums = Sums(
            at=gate, booked=self.tickets(self.ledger), cancelled=0, cancellations=0,
            set_aside=self.tickets(self.set_aside), waiting=self.tickets(waiting),
            decided=len(self.ledger | self.set_aside), known=len(self.ledger | self.set_aside | waiting), exact=True,
        )  # fmt: skip
        observation = Observation(
            round=1, server="s", remembered=len(self.answers), before=gate, after=gate, ledger=ledger
        )
        drift = classify(observation, sums)
        suspicion = None if drift is None else Suspicion(drift.kind, drift.tickets, 0.0, (1, 1, 0))
        decision = decide(
            a_sale(stock=STOCK), observation, drift, suspicion, now=100.0, grace_seconds=1.0, policy="RepairSafe"
        )
        return drift.kind if drift else None, decision


STEPS = ("accept", "leak", "book", "put_aside", "acknowledge", "lose_bookings", "lose_answers")
histories = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 4)), max_size=40)


@given(histories)
def test_nothing_is_given_back_while_an_order_is_unaccounted_for(steps: list[tuple[str, int]]) -> None:
    history = History()
    for step, amount in steps:
        getattr(history, step)(amount)
        kind, decision = history.decide()
        if history.unaccounted & history.acknowledged:
            assert decision.action in (Action.REBOOK, Action.RECOUNT), (kind, decision)
        if decision.action is Action.GIVE_BACK:
            assert not history.unaccounted
            assert decision.tickets == history.leaked - history.given_back
            history.given_back += decision.tickets


@given(histories)
def test_by_the_identity_alone_tickets_of_such_orders_would_be_given_back(steps: list[tuple[str, int]]) -> None:
    """The control: what the identity misses is what leaked, and what of the lost orders nobody holds."""
    history = History()
    for step, amount in steps:
        getattr(history, step)(amount)
    gate = history.snapshot()
    held = history.tickets(history.stream | history.ledger | history.set_aside)
    missing = STOCK - gate.remaining - held
    assert missing == history.leaked + history.tickets(history.unaccounted)
