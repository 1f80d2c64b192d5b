"""What a blast against a strategy that races leaves behind: the pairs that collided, by name."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.evidence_models import WitnessOut
from app.lab.trace_ratio import races, trace_ratio_of
from app.ledger.attempts import AttemptRepository, Extent
from app.ledger.availability import LedgerUnavailable
from app.ledger.blasts import Blast
from app.ledger.sales import SaleRepository
from app.sales.model import UnknownSale

NAMED = 20  # pairs; all are counted, and GET /sales/{sale}/witnesses has them
PATIENCE_SECONDS = 2.0  # API processes send theirs within a tenth of a second; what they lost never comes
LOOK_SECONDS = 0.05

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Start:
    """Where the evidence stood before a blast. What comes after `latest` in the round is this blast's.

    Two blasts against one sale at the same moment share theirs: their purchases collide with each other too.
    """

    sale: str
    round: int
    latest: int
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
        return Start(sale.name, sale.round, latest, races(strategy), ratio)

    async def since(self, start: Start, accepted: int) -> dict[str, Any] | None:
        """The witnesses as JSON, once as many writes are recorded as were accepted. None: the ledger is away."""
        try:
            extent = await self._complete(start, accepted)
            found = await self._attempts.witnesses(start.sale, start.round, after=start.latest, limit=NAMED)
        except LedgerUnavailable as error:
            log.warning("the witnesses of a blast are not known", sale=start.sale, error=error.detail)
            return None
        pairs = [WitnessOut.model_validate(witness).model_dump(mode="json", by_alias=True) for witness in found]
        for attempt in (pair[side] for pair in pairs for side in ("first", "second")):
            attempt["trace_url"] = self._page_of(attempt["trace_id"])
        return {"total": extent.witnesses, "written": extent.written, "pairs": pairs}

    async def _complete(self, start: Start, accepted: int) -> Extent:
        deadline = time.monotonic() + (PATIENCE_SECONDS if start.races else 0)
        while True:
            extent = await self._attempts.extent(start.sale, start.round, start.latest)
            if extent.written >= accepted or time.monotonic() >= deadline:
                return extent
            await asyncio.sleep(LOOK_SECONDS)

    def _page_of(self, trace_id: str | None) -> str | None:
        return None if self._trace_url is None or trace_id is None else self._trace_url.format(trace_id=trace_id)
