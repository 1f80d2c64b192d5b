"""Read the evidence of a blast against a strategy that races, which the API processes write to the ledger."""

from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.blasts.trace_ratio import races, trace_ratio_of
from app.blasts.witnesses import PAIRS_READ, Witnesses, wait_until_complete
from app.ledger.attempts import AttemptRepository
from app.ledger.availability import LedgerUnavailable
from app.ledger.blasts import Blast
from app.ledger.sales import SaleRepository
from app.races.schemas import WitnessOut
from app.sales.model import unknown_sale

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Start:
    """The state of the evidence before a blast.

    `latest`: the number of the last attempt before the blast
    `keys`: the first characters of the idempotency keys of the blast's purchases
    `races`: whether the strategy of the sale races, so that there will be evidence
    `trace_ratio`: share of the purchases that are traced

    Others may buy from the sale at the same time. A pair belongs to the blast if at least one of its two purchases
    does. A race between two blasts therefore belongs to both, because each has one of the two purchases.
    """

    sale: str
    round: int
    latest: int
    keys: str
    races: bool
    trace_ratio: float | None


class BlastEvidence:
    """The reader of the evidence of blasts.

    `trace_url`: the address of a trace's page, with `{trace_id}` in it, or None if there is no such page
    """

    def __init__(self, engine: AsyncEngine, trace_url: str | None = None) -> None:
        self._sales = SaleRepository(engine)
        self._attempts = AttemptRepository(engine)
        self._trace_url = trace_url

    async def before(self, blast: Blast) -> Start:
        """Return the state before this blast. Raise LedgerUnavailable or UnknownSale."""
        sale = await self._sales.get(blast.sale)
        if sale is None:
            raise unknown_sale(blast.sale)
        latest = (await self._attempts.extent(sale.name, sale.round)).latest
        strategy = sale.terms.strategy
        ratio = trace_ratio_of(strategy, blast.trace_ratio)
        return Start(sale.name, sale.round, latest, f"{blast.id}-", races(strategy), ratio)

    async def since(self, start: Start, accepted: int) -> Witnesses | None:
        """Return the witnesses since `start`, or None if the ledger is away.

        Wait up to two seconds until as many writes are recorded as purchases were accepted.
        """

        async def fetch() -> Witnesses:
            extent = await self._attempts.extent(start.sale, start.round, start.latest, key_prefix=start.keys)
            found = await self._attempts.witnesses(
                start.sale, start.round, after=start.latest, key_prefix=start.keys, limit=PAIRS_READ
            )
            pairs = [WitnessOut.model_validate(witness).model_dump(mode="json", by_alias=True) for witness in found]
            return Witnesses.of(extent.witnesses, extent.written, pairs, self._trace_url)

        try:
            return await wait_until_complete(fetch, accepted if start.races else 0)
        except LedgerUnavailable as error:
            log.warning("the witnesses of a blast are not known", sale=start.sale, error=error.detail)
            return None
