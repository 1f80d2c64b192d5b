"""Blasts: bursts of load. Any API process can queue, show and cancel a blast, and one blast runner claims it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import AtomicTicketsError
from app.ledger.availability import ledger_reachable
from app.ledger.locks import hold
from app.sales.model import unknown_sale

MAX_OPEN = 8  # queued or running; one blast is enough to keep a laptop's load generator busy
RETRY_AFTER_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blast:
    """A burst of `requests` purchases of `quantity` tickets each, with `concurrency` of them at once.

    `customers`: the number of buyers; None means a new buyer for each purchase.
    `trace_ratio`: the share of the purchases that is traced. None means all purchases if the strategy races, and the
    service's own ratio otherwise.
    `progress`, `result`: the runner's figures. The result of an aborted blast is what was measured until then.
    """

    id: str
    sale: str
    requests: int
    concurrency: int
    customers: int | None
    quantity: int
    retries: int
    trace_ratio: float | None
    state: str
    cancel_asked: bool
    runner: str | None
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None


# Named columns: when a newer release adds a column, a statement prepared before with `*` fails.
COLUMNS = ", ".join(field.name for field in fields(Blast))

COUNT_OPEN = text("SELECT count(*) FROM blasts WHERE state IN ('queued', 'running')")
CREATE = text(f"""
    INSERT INTO blasts (id, sale, requests, concurrency, customers, quantity, retries, trace_ratio)
    SELECT :id, name, :requests, :concurrency, :customers, :quantity, :retries, CAST(:trace_ratio AS double precision)
    FROM sales WHERE name = :sale
    RETURNING {COLUMNS}
""")  # noqa: S608  constants only
GET = text(f"SELECT {COLUMNS} FROM blasts WHERE id = :id")  # noqa: S608  constants only
RECENT = text(f"SELECT {COLUMNS} FROM blasts ORDER BY created_at DESC LIMIT :limit")  # noqa: S608  constants only
ASK_CANCEL = text(f"""
    UPDATE blasts SET cancel_asked = cancel_asked OR state IN ('queued', 'running'),
        finished_at = CASE state WHEN 'queued' THEN now() ELSE finished_at END,
        state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END
    WHERE id = :id RETURNING {COLUMNS}
""")  # noqa: S608  constants only
CLAIM = text(f"""
    UPDATE blasts SET state = 'running', runner = :runner, started_at = now(), heartbeat_at = now()
    WHERE id = (SELECT id FROM blasts WHERE state = 'queued' ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {COLUMNS}
""")  # noqa: S608  constants only
PROGRESS = text("""
    UPDATE blasts SET progress = :counts, heartbeat_at = now() WHERE id = :id AND state = 'running'
""").bindparams(bindparam("counts", type_=JSONB))
STILL_RUNNING = text("SELECT 1 FROM blasts WHERE id = :id AND state = 'running' AND NOT cancel_asked")
FINISH = text("""
    UPDATE blasts SET state = :state, result = :result, finished_at = now() WHERE id = :id AND state = 'running'
""").bindparams(bindparam("result", type_=JSONB))
ABANDON_STALE = text("""
    UPDATE blasts SET state = 'aborted', result = progress, finished_at = now()
    WHERE state = 'running' AND heartbeat_at < now() - make_interval(secs => :older_than)
""")


class UnknownBlast(AtomicTicketsError):
    """No blast has the given id."""

    status, slug, title = 404, "unknown-blast", "Unknown Blast"


class TooManyBlasts(AtomicTicketsError):
    """MAX_OPEN blasts are queued or running."""

    status, slug, title = 429, "too-many-blasts", "Too Many Blasts"


class BlastRepository:
    """The stored blasts. Each call is one transaction and raises LedgerUnavailable if Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(
        self,
        sale: str,
        *,
        requests: int,
        concurrency: int,
        customers: int | None,
        quantity: int,
        retries: int,
        trace_ratio: float | None = None,
    ) -> Blast:
        """Queue a blast. Raise UnknownSale, or TooManyBlasts while MAX_OPEN blasts are queued or running."""
        values = {
            "id": uuid.uuid4().hex,
            "sale": sale,
            "requests": requests,
            "concurrency": concurrency,
            "customers": customers,
            "quantity": quantity,
            "retries": retries,
            "trace_ratio": trace_ratio,
        }
        with ledger_reachable():
            async with self._engine.begin() as connection:
                await hold(connection, "open blasts")  # only one creator counts at a time
                if (await connection.execute(COUNT_OPEN)).scalar_one() >= MAX_OPEN:
                    raise TooManyBlasts(
                        f"{MAX_OPEN} blasts are queued or running. Try again when one has ended.",
                        retry_after_seconds=RETRY_AFTER_SECONDS,
                    )
                row = (await connection.execute(CREATE, values)).mappings().first()
        if row is None:
            raise unknown_sale(sale)
        return Blast(**row)

    async def get(self, blast_id: str) -> Blast:
        """Return the blast with this id. Raise UnknownBlast if there is none."""
        return _found(await self._fetch(GET, id=blast_id), blast_id)

    async def recent(self, limit: int) -> list[Blast]:
        """Return up to `limit` blasts, the newest first."""
        with ledger_reachable():
            async with self._engine.connect() as connection:
                return [Blast(**row) for row in (await connection.execute(RECENT, {"limit": limit})).mappings()]

    async def request_cancel(self, blast_id: str) -> Blast:
        """Cancel a queued blast at once, or ask the runner of a running one to stop. Raise UnknownBlast.

        The runner stops when it checks the blast the next time.
        """
        return _found(await self._fetch(ASK_CANCEL, id=blast_id), blast_id)

    async def claim(self, runner: str) -> Blast | None:
        """Claim the oldest queued blast for `runner`, and return it as running, or None if no blast is queued.

        Each blast is claimed by one runner only.
        """
        return await self._fetch(CLAIM, runner=runner)

    async def progress(self, blast_id: str, counts: Mapping[str, Any]) -> bool:
        """Store the figures so far and a heartbeat of the runner. Return False if the blast is no longer running."""
        return await self._execute(PROGRESS, id=blast_id, counts=dict(counts)) == 1

    async def should_stop(self, blast_id: str) -> bool:
        """Return whether the runner should stop, because the blast was cancelled or is no longer running."""
        with ledger_reachable():
            async with self._engine.connect() as connection:
                return (await connection.execute(STILL_RUNNING, {"id": blast_id})).first() is None

    async def finish(self, blast_id: str, state: str, result: Mapping[str, Any]) -> bool:
        """End a running blast as `finished`, `cancelled` or `aborted`. Return False if it had ended before."""
        return await self._execute(FINISH, id=blast_id, state=state, result=dict(result)) == 1

    async def abandon_stale(self, older_than_seconds: float) -> int:
        """Abort the running blasts whose last heartbeat is older than this, and return their number.

        The progress that was measured becomes the result.
        """
        return await self._execute(ABANDON_STALE, older_than=older_than_seconds)

    async def _fetch(self, statement: TextClause, **values: Any) -> Blast | None:
        with ledger_reachable():
            async with self._engine.begin() as connection:
                row = (await connection.execute(statement, values)).mappings().first()
        return None if row is None else Blast(**row)

    async def _execute(self, statement: TextClause, **values: Any) -> int:
        with ledger_reachable():
            async with self._engine.begin() as connection:
                return (await connection.execute(statement, values)).rowcount


def _found(blast: Blast | None, blast_id: str) -> Blast:
    if blast is None:
        raise UnknownBlast(f"There is no blast {blast_id[:64]!r}.")
    return blast
