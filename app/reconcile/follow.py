"""Make the gate follow terms that the ledger has committed, without a recount."""

from app.gate.gate import Gate
from app.sales.model import Sale


async def follow(sale: Sale, gate: Gate) -> bool:
    """Make the gate follow the terms of `sale`.

    Return False if only a recount helps: the gate has another epoch, is fenced, or has no such sale.

    An ended sale must not sell under an older epoch either (after a reset that was committed and never reached Redis).
    It is then fenced, which is as good as closed, and drained as it is.
    """
    if await gate.amend(sale):
        return True
    return sale.ended_at is not None and await gate.fence(sale.name, sale.epoch)
