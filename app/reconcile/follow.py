"""Makes the gate follow terms that the ledger has committed, without a recount."""

from app.gate.gate import Gate
from app.sales.model import Sale


async def follow(sale: Sale, gate: Gate) -> bool:
    """False where only a recount helps: the gate has another epoch, is fenced, or has no such sale.

    An ended sale must not sell under an older epoch either (a reset that was committed and never reached Redis): it is
    fenced then, which is as good as closed, and drained as it stands.
    """
    if await gate.amend(sale):
        return True
    return sale.ended_at is not None and await gate.fence(sale.name, sale.epoch)
