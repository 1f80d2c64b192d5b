"""The answers that the gate remembers: the text of an order in the hash of answers, as `reserve.lua` writes it.

An answer replays a purchase, for which its first three parts would do. The others are those of the order's booking, so
that the ledger can be given the booking again if it loses it.
"""

from app.sales.order import Order, parse_entry

PARTS = ("entry", "nonce", "quantity", "epoch", "number", "ticket")


def answer_of(order: Order) -> str:
    """Return the answer of an order: `<entry> <nonce> <quantity> <epoch> <number> <ticket>`."""
    return f"{order.entry} {order.id.nonce} {order.quantity} {order.epoch} {order.number} {order.ticket}"


def remembered_order(sale: str, round_: int, field: str, answer: str) -> Order | None:
    """Return the order of an answer; `field` is `<customer> <key>`. Return None if the answer is not of this form."""
    customer, _, key = field.partition(" ")
    parts = answer.split(" ")
    if len(parts) != len(PARTS):
        return None
    fields = dict(zip(PARTS, parts, strict=True)) | {"round": str(round_), "customer": customer, "key": key}
    order = parse_entry(sale, fields["entry"], fields)
    return order if isinstance(order, Order) else None
