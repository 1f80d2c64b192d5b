"""What a blast against a strategy that races leaves behind, read where the API's processes leave it: in the ledger."""

from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.blasts.trace_ratio import races, trace_ratio_of
from app.blasts.witnesses import LOOKED_AT, Witnesses, when_complete
from app.ledger.attempts import AttemptRepository
from app.ledger.availability import LedgerUnavailable
from app.ledger.blasts import Blast
from app.ledger.sales import SaleRepository
from app.races.schemas import WitnessOut
from app.sales.model import UnknownSale

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Start:
    """Where the evidence stood before a blast, and whose purchases are this blast's: `keys` begin their keys.

    Others may buy from the sale at the same moment. A pair is this blast's where at least one of the two purchases is:
    a race between two blasts happened in both, and each has half of what shows it.
    """

    sale: str
    round: int
    latest: int
    keys: str
    races: bool
    trace_ratio: float | None


class BlastEvidence:
    """`trace_url`: the page of a trace, with `{trace_id}` in it; None where nobody looks at traces."""

    def __init__(self, engine: AsyncEngine, trace_url: str | None = None) -> None:
        self._sales = SaleRepository(engine)
        self._attempts = AttemptRepository(engine)
        self._trace_url = trace_url

    async def before(self, blast: Blast) -> Start:
        """Raises LedgerUnavailable, or UnknownSale."""
        sale = await self._sales.get(blast.sale)
        if sale is None:
            raise UnknownSale(f"There is no sale {blast.sale!r}.")
        latest = (await self._attempts.extent(sale.name, sale.round)).latest
        strategy = sale.terms.strategy
        ratio = trace_ratio_of(strategy, blast.trace_ratio)
        return Start(sale.name, sale.round, latest, f"{blast.id}-", races(strategy), ratio)

    async def since(self, start: Start, accepted: int) -> Witnesses | None:
        """The witnesses, once as many writes are recorded as were accepted. None: the ledger is away."""

        async def look() -> Witnesses:
            extent = await self._attempts.extent(start.sale, start.round, start.latest, keys=start.keys)
            found = await self._attempts.witnesses(
                start.sale, start.round, after=start.latest, keys=start.keys, limit=LOOKED_AT
            )
            pairs = [WitnessOut.model_validate(witness).model_dump(mode="json", by_alias=True) for witness in found]
            return Witnesses.of(extent.witnesses, extent.written, pairs, self._trace_url)

        try:
            return await when_complete(look, accepted if start.races else 0)
        except LedgerUnavailable as error:
            log.warning("the witnesses of a blast are not known", sale=start.sale, error=error.detail)
            return None
