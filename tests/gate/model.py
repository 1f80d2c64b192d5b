"""A model of the gate in plain Python, without Redis and without concurrency."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.sales.model import Purchase


@dataclass
class ModelOrder:
    customer: str
    key: str
    quantity: int
    nonce: str
    round: int


@dataclass
class GateModel:
    """One sale. All quantities are tickets. `answers` and `held` belong to the current round."""

    stock: int
    limit: int
    round: int = 1
    epoch: int = 1
    state: str = "open"
    closed_by_window: bool = False
    remaining: int = 0
    accepted: int = 0
    leaked: int = 0
    returned: int = 0  # tickets of released reservations
    repairs: int = 0
    answers: dict[tuple[str, str], ModelOrder] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    stream: list[ModelOrder] = field(default_factory=list)
    booked: list[ModelOrder] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.remaining = self.stock

    @property
    def forgot_answers(self) -> bool:
        return len(self.answers) < self.accepted

    def change(self, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            setattr(self, name, value)

    @property
    def backlog(self) -> int:
        return sum(order.quantity for order in self.stream if order.round == self.round)

    def buy(self, purchase: Purchase) -> str:
        """Decide the purchase and return the name of its outcome."""
        known = self.answers.get((purchase.customer, purchase.key))
        if known is not None:
            if known.quantity != purchase.quantity:
                return "key-reused"
            return "reserved" if known.nonce == purchase.nonce else "replayed"
        window = "closed" if self.closed_by_window else self.state
        if window != "open":
            return window
        if self.limit and self.held.get(purchase.customer, 0) + purchase.quantity > self.limit:
            return "limit"
        if purchase.quantity > self.remaining:
            return "sold-out"
        order = ModelOrder(purchase.customer, purchase.key, purchase.quantity, purchase.nonce, self.round)
        self.answers[purchase.customer, purchase.key] = order
        self.held[purchase.customer] = self.held.get(purchase.customer, 0) + purchase.quantity
        self.stream.append(order)
        self.remaining -= purchase.quantity
        self.accepted += 1
        return "reserved"

    def next_round(self, stock: int) -> None:
        self.round, self.epoch = self.round + 1, self.epoch + 1
        self.stock, self.remaining, self.accepted, self.leaked, self.repairs = stock, stock, 0, 0, 0
        self.returned = 0
        self.answers, self.held, self.released, self.booked = {}, {}, [], []
        self.state, self.closed_by_window = "open", False
