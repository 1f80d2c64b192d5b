"""Bursts of load that any API process can take, show and cancel, and that one runner claims."""

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
from app.sales.model import UnknownSale

MAX_OPEN = 8  # queued or running: a laptop's load generator is busy with one
RETRY_AFTER_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blast:
    """`requests` purchases of `quantity` tickets, `concurrency` at once, by `customers` buyers (None: a new one each).

    `trace_ratio`: how many of the purchases are traced; None: all of a strategy that races, else as the service does.
    `progress` and `result` are the runner's own figures; an aborted blast has what was measured until then.
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


# Named: a `*` comes to more when a newer release adds a column, and a statement that was prepared before fails.
COLUMNS = ", ".join(field.name for field in fields(Blast))

COUNT_OPEN = text("SELECT count(*) FROM blasts WHERE state IN ('queued', 'running')")
CREATE = text(f"""
    INSERT INTO blasts (id, sale, requests, concurrency, customers, quantity, retries, trace_ratio)
    SELECT :id, name, :requests, :concurrency, :customers, :quantity, :retries, CAST(:trace_ratio AS double precision)
    FROM sales WHERE name = :sale
    RETURNING {COLUMNS}
""")  # noqa: S608  our own names, no input
GET = text(f"SELECT {COLUMNS} FROM blasts WHERE id = :id")  # noqa: S608  the same
RECENT = text(f"SELECT {COLUMNS} FROM blasts ORDER BY created_at DESC LIMIT :limit")  # noqa: S608  the same
ASK_CANCEL = text(f"""
    UPDATE blasts SET cancel_asked = cancel_asked OR state IN ('queued', 'running'),
        finished_at = CASE state WHEN 'queued' THEN now() ELSE finished_at END,
        state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END
    WHERE id = :id RETURNING {COLUMNS}
""")  # noqa: S608  the same
CLAIM = text(f"""
    UPDATE blasts SET state = 'running', runner = :runner, started_at = now(), heartbeat_at = now()
    WHERE id = (SELECT id FROM blasts WHERE state = 'queued' ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {COLUMNS}
""")  # noqa: S608  the same
PROGRESS = text("""
    UPDATE blasts SET progress = :counts, heartbeat_at = now() WHERE id = :id AND state = 'running'
""").bindparams(bindparam("counts", type_=JSONB))
GOES_ON = text("SELECT 1 FROM blasts WHERE id = :id AND state = 'running' AND NOT cancel_asked")
FINISH = text("""
    UPDATE blasts SET state = :state, result = :result, finished_at = now() WHERE id = :id AND state = 'running'
""").bindparams(bindparam("result", type_=JSONB))
ABANDON_STALE = text("""
    UPDATE blasts SET state = 'aborted', result = progress, finished_at = now()
    WHERE state = 'running' AND heartbeat_at < now() - make_interval(secs => :older_than)
""")


class UnknownBlast(AtomicTicketsError):
    status, slug, title = 404, "unknown-blast", "Unknown Blast"


class TooManyBlasts(AtomicTicketsError):
    status, slug, title = 429, "too-many-blasts", "Too Many Blasts"


class BlastRepository:
    """Each call is a transaction of its own and raises LedgerUnavailable where Postgres is away."""

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
        """Queues a blast. Raises UnknownSale, or TooManyBlasts while as many as are allowed have not ended."""
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
                await hold(connection, "open blasts")  # creators count one after another
                if (await connection.execute(COUNT_OPEN)).scalar_one() >= MAX_OPEN:
                    raise TooManyBlasts(
                        f"{MAX_OPEN} blasts are queued or running.", retry_after_seconds=RETRY_AFTER_SECONDS
                    )
                row = (await connection.execute(CREATE, values)).mappings().first()
        if row is None:
            raise UnknownSale(f"There is no sale {sale!r}.")
        return Blast(**row)

    async def get(self, blast_id: str) -> Blast:
        """Raises UnknownBlast."""
        return _known(await self._one(GET, id=blast_id), blast_id)

    async def recent(self, limit: int) -> list[Blast]:
        """The newest first."""
        with ledger_reachable():
            async with self._engine.connect() as connection:
                return [Blast(**row) for row in (await connection.execute(RECENT, {"limit": limit})).mappings()]

    async def ask_cancel(self, blast_id: str) -> Blast:
        """Cancels a queued blast at once; a running one when its runner next looks. Raises UnknownBlast."""
        return _known(await self._one(ASK_CANCEL, id=blast_id), blast_id)

    async def claim(self, runner: str) -> Blast | None:
        """The oldest queued blast, now running under `runner`; each goes to one runner."""
        return await self._one(CLAIM, runner=runner)

    async def progress(self, blast_id: str, counts: Mapping[str, Any]) -> bool:
        """Stores the figures so far, and that the runner lives. False where the blast isn't running any more."""
        return await self._change(PROGRESS, id=blast_id, counts=dict(counts)) == 1

    async def is_cancelled(self, blast_id: str) -> bool:
        """Whether the runner should stop: somebody asked for it, or the blast was taken for abandoned."""
        with ledger_reachable():
            async with self._engine.connect() as connection:
                return (await connection.execute(GOES_ON, {"id": blast_id})).first() is None

    async def finish(self, blast_id: str, state: str, result: Mapping[str, Any]) -> bool:
        """Ends a running blast as `finished`, `cancelled` or `aborted`. False where it had ended before."""
        return await self._change(FINISH, id=blast_id, state=state, result=dict(result)) == 1

    async def abandon_stale(self, older_than_seconds: float) -> int:
        """Aborts the blasts whose runner gave no sign for so long, with what was measured; returns how many."""
        return await self._change(ABANDON_STALE, older_than=older_than_seconds)

    async def _one(self, statement: TextClause, **values: Any) -> Blast | None:
        with ledger_reachable():
            async with self._engine.begin() as connection:
                row = (await connection.execute(statement, values)).mappings().first()
        return None if row is None else Blast(**row)

    async def _change(self, statement: TextClause, **values: Any) -> int:
        with ledger_reachable():
            async with self._engine.begin() as connection:
                return (await connection.execute(statement, values)).rowcount


def _known(blast: Blast | None, blast_id: str) -> Blast:
    if blast is None:
        raise UnknownBlast(f"There is no blast {blast_id[:64]!r}.")
    return blast
