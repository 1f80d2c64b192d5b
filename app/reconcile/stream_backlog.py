"""The orders of one round that are in the stream, as a recount and a measurement need them."""

from dataclasses import dataclass, field

from app.drain.set_aside import name_of
from app.gate.gate import Gate
from app.sales.order import Order, parse

Buyer = tuple[str, str]
"""Customer and idempotency key. The ledger books it once, so the second of two orders of a buyer takes no room."""


@dataclass(slots=True)
class StreamBacklog:
    """What is in the stream. `orders` by buyer, the first one each; `unreadable`: entry's name to its tickets.

    `backlog` (tickets) has every entry of the round, twins of a buyer too, as the acknowledgement lowers it for each;
    `entries` counts those of other rounds too. `complete` is False where reading stopped at the bound.
    """

    orders: dict[Buyer, Order] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)
    backlog: int = 0
    entries: int = 0
    complete: bool = True


async def read_backlog(
    gate: Gate, sale: str, round_: int, *, up_to: str = "+", bound: int | None = None
) -> StreamBacklog:
    """Pages the stream up to the entry `up_to`; stops after about `bound` entries where one is given."""
    waiting = StreamBacklog()
    async for page in gate.entries(sale, up_to):
        if bound is not None and waiting.entries >= bound:
            waiting.complete = False
            break
        waiting.entries += len(page)
        for entry, fields in page:
            order = parse(sale, entry, fields)
            if order.round != round_:
                continue
            waiting.backlog += order.quantity
            if isinstance(order, Order):
                waiting.orders.setdefault((order.customer, order.key), order)
            else:
                waiting.unreadable[name_of(order)] = order.quantity
    return waiting


async def count_backlog(gate: Gate, sale: str, round_: int) -> tuple[int, int]:
    """The tickets of the round in the stream, and the entries of all rounds, without holding any."""
    tickets = entries = 0
    async for page in gate.entries(sale):
        entries += len(page)
        orders = (parse(sale, entry, fields) for entry, fields in page)
        tickets += sum(order.quantity for order in orders if order.round == round_)
    return tickets, entries
