"""The orders of one round that wait in the stream, as a recount and a measurement need them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.drain.set_aside import entry_key
from app.gate.gate import Gate
from app.sales.order import Order, parse_entry

PurchaseKey = tuple[str, str]
"""Customer and idempotency key. The ledger books each pair once, so a second order of a pair takes no tickets."""


async def nothing() -> None:
    """Do nothing. This is the default of `each_page`."""


@dataclass(slots=True)
class StreamBacklog:
    """The orders of one round that wait in the stream.

    orders: the first order of each buyer
    unreadable: the tickets of each entry that can't be read, by the entry's key (app.drain.set_aside.entry_key)
    backlog: the tickets of all entries of the round, including a buyer's second order, since each of them lowers the
        backlog when it is acknowledged
    entries: the number of entries that were read, including those of other rounds
    complete: False if reading stopped at the bound
    """

    orders: dict[PurchaseKey, Order] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)
    backlog: int = 0
    entries: int = 0
    complete: bool = True


async def read_backlog(
    gate: Gate,
    sale: str,
    round_: int,
    *,
    up_to: str = "+",
    bound: int | None = None,
    each_page: Callable[[], Awaitable[None]] = nothing,
) -> StreamBacklog:
    """Read the stream in pages, up to the entry `up_to`. Stop after about `bound` entries, if a bound is given.

    Await `each_page` with each page.
    """
    waiting = StreamBacklog()
    async for page in gate.entries(sale, up_to):
        await each_page()
        if bound is not None and waiting.entries >= bound:
            waiting.complete = False
            break
        waiting.entries += len(page)
        for entry, fields in page:
            order = parse_entry(sale, entry, fields)
            if order.round != round_:
                continue
            waiting.backlog += order.quantity
            if isinstance(order, Order):
                waiting.orders.setdefault((order.customer, order.key), order)
            else:
                waiting.unreadable[entry_key(order)] = order.quantity
    return waiting


async def count_backlog(gate: Gate, sale: str, round_: int) -> tuple[int, int]:
    """Return the tickets of the round in the stream and the number of entries of all rounds. Keep none in memory."""
    tickets = entries = 0
    async for page in gate.entries(sale):
        entries += len(page)
        orders = (parse_entry(sale, entry, fields) for entry, fields in page)
        tickets += sum(order.quantity for order in orders if order.round == round_)
    return tickets, entries
