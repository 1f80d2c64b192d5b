"""Storage of the attempts of strategies that race, and the search for witnesses: pairs of conflicting attempts.

Two processes that each store one half of a pair must not both miss the pair. Under READ COMMITTED a statement sees only
rows that were committed before it began, so it does not see an insert of another process that is not committed yet.
Therefore a process that stores attempts of a sale holds that sale's lock from before its insert until its commit: of
any two such processes the later one finds what the earlier one stored. The lock also makes numbers rise in the order of
the commits, so a reader that continues after the highest number that it has seen misses nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger.availability import ledger_reachable
from app.ledger.locks import hold
from app.sales.attempt import Hazard, RecordedAttempt, Witness
from app.sales.model import unknown_sale

MAX_PER_ROUND = 100_000  # attempts, about 30 MB; further attempts are counted and not stored

COLUMNS = tuple(field.name for field in fields(RecordedAttempt))
COLUMN_TYPES = {"round": "integer", "quantity": "integer", "value_read": "integer", "value_written": "integer"} | {
    "read_at": "double precision",
    "wrote_at": "double precision",
}
RECORD_COLUMNS = ", ".join(f"{name} {COLUMN_TYPES.get(name, 'text')}" for name in COLUMNS if name != "number")

KEEP = text(f"""
    WITH sent AS (
        SELECT * FROM jsonb_to_recordset(CAST(:attempts AS jsonb)) AS s ({RECORD_COLUMNS})
        WHERE NOT EXISTS (SELECT FROM attempts a WHERE a.id = s.id)
    ), rounds AS MATERIALIZED (
        SELECT sale, round,
            coalesce((SELECT max(a.number) FROM attempts a WHERE a.sale = r.sale AND a.round = r.round), 0) AS latest
        FROM (SELECT DISTINCT sale, round FROM sent) r
    ), numbered AS (
        SELECT sent.*, latest + row_number() OVER (PARTITION BY sale, round ORDER BY read_at, id) AS number
        FROM sent JOIN rounds USING (sale, round)
    )
    INSERT INTO attempts ({", ".join(COLUMNS)}) SELECT {", ".join(COLUMNS)} FROM numbered WHERE number <= :most
""")  # noqa: S608  constants only
FIND_WITNESSES = text("""
    INSERT INTO witnesses (sale, round, first_number, second_number, hazard)
    SELECT later.sale, later.round, earlier.number, later.number, later.hazard
    FROM attempts later
    CROSS JOIN LATERAL (
        SELECT a.number FROM attempts a
        WHERE a.sale = later.sale AND a.round = later.round AND a.guards = later.guards
            AND a.version_read = later.version_read AND a.wrote_at IS NOT NULL AND a.number < later.number
        ORDER BY a.number DESC LIMIT 1
    ) earlier
    WHERE later.id = ANY(:ids) AND later.wrote_at IS NOT NULL
    ON CONFLICT DO NOTHING
""")
STORED_IDS = text("SELECT id FROM attempts WHERE id = ANY(:ids)")

# LATERAL ... LIMIT 1: with plain joins the planner reads all rows of the sale for each pair, as AttemptRow explains.
PAIR_COLUMNS = ", ".join(f"{side}.{name} AS {side}_{name}" for side in ("first", "second") for name in COLUMNS)
JOIN_FIRST = """
    CROSS JOIN LATERAL (
        SELECT * FROM attempts a WHERE a.sale = w.sale AND a.round = w.round AND a.number = w.first_number LIMIT 1
    ) first
"""
WITNESSES_OF = text(f"""
    SELECT w.hazard, {PAIR_COLUMNS} FROM attempts second
    CROSS JOIN LATERAL (
        SELECT * FROM witnesses w
        WHERE w.sale = second.sale AND w.round = second.round AND w.second_number = second.number LIMIT 1
    ) w {JOIN_FIRST}
    WHERE second.id = ANY(:ids) ORDER BY second.sale, second.round, second.number
""")  # noqa: S608  constants only
# Whether the idempotency key of an attempt's purchase begins with :key_prefix. It is a scalar subquery: for a join the
# planner might read all bookings for each attempt.
KEY_MATCHES = "starts_with((SELECT b.idempotency_key FROM bookings b WHERE b.reservation_id = {}), :key_prefix)"
RESERVATION = "(SELECT a.reservation_id FROM attempts a WHERE a.sale = w.sale AND a.round = w.round AND a.number = {})"
EITHER_KEY_MATCHES = f"""(
    :key_prefix = '' OR {KEY_MATCHES.format(RESERVATION.format("w.second_number"))}
    OR {KEY_MATCHES.format(RESERVATION.format("w.first_number"))}
)"""
WITNESSES_AFTER = text(f"""
    SELECT w.hazard, {PAIR_COLUMNS} FROM (
        SELECT * FROM witnesses w
        WHERE sale = :sale AND round = :round AND second_number > :after AND {EITHER_KEY_MATCHES}
        ORDER BY second_number LIMIT :limit
    ) w {JOIN_FIRST}
    CROSS JOIN LATERAL (
        SELECT * FROM attempts a WHERE a.sale = w.sale AND a.round = w.round AND a.number = w.second_number LIMIT 1
    ) second
    ORDER BY w.second_number
""")  # noqa: S608  constants only
ATTEMPTS_AFTER = text(f"""
    SELECT {", ".join(COLUMNS)} FROM attempts WHERE sale = :sale AND round = :round AND number > :after
    ORDER BY number LIMIT :limit
""")  # noqa: S608  constants only
ROUND = text("SELECT round FROM sales WHERE name = :sale")
EXTENT = text(f"""
    SELECT (SELECT coalesce(max(number), 0) FROM attempts WHERE sale = :sale AND round = :round) AS latest,
        (SELECT count(DISTINCT nonce) FROM attempts a
            WHERE sale = :sale AND round = :round AND number > :after AND wrote_at IS NOT NULL
                AND (:key_prefix = '' OR {KEY_MATCHES.format("a.reservation_id")})) AS written,
        (SELECT count(*) FROM witnesses w
            WHERE sale = :sale AND round = :round AND second_number > :after AND {EITHER_KEY_MATCHES}) AS witnesses
""")  # noqa: S608  constants only


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """The result of storing a batch.

    `round_full`: the attempts that were not stored, because their round has MAX_PER_ROUND already.
    `witnesses`: the pairs whose second attempt is in the batch.
    """

    round_full: list[RecordedAttempt]
    witnesses: list[Witness]


@dataclass(frozen=True, slots=True)
class Extent:
    """The amount of evidence of a round, or of the part of it after some number.

    `latest`: the highest number in the round.
    `written`: purchases of which a committed write is recorded. The evidence is complete when they are as many as the
    accepted purchases.
    `witnesses`: pairs whose second attempt has a number after the given one.
    """

    latest: int
    written: int
    witnesses: int


class AttemptRepository:
    """The stored attempts. Each call is one transaction and raises LedgerUnavailable if Postgres is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, batch: Sequence[RecordedAttempt]) -> KeptBatch:
        """Store a batch and find its witnesses. If it is stored again, nothing is added and the result is the same."""
        with ledger_reachable():
            async with self._engine.begin() as connection:
                return await keep(connection, batch)

    async def present_round(self, sale: str) -> int:
        """Return the number of the sale's present round. Raise UnknownSale if there is no such sale."""
        with ledger_reachable():
            async with self._engine.connect() as connection:
                round_ = (await connection.execute(ROUND, {"sale": sale})).scalar()
        if round_ is None:
            raise unknown_sale(sale)
        return int(round_)

    async def extent(self, sale: str, round_: int, after: int = 0, *, key_prefix: str = "") -> Extent:
        """Return the amount of evidence after the number `after`. `key_prefix` selects purchases as in `witnesses`.

        All figures are 0 if nothing is recorded or there is no such round.
        """
        with ledger_reachable():
            async with self._engine.connect() as connection:
                values = {"sale": sale, "round": round_, "after": after, "key_prefix": key_prefix}
                row = (await connection.execute(EXTENT, values)).one()
        return Extent(*row)

    async def attempts(self, sale: str, round_: int, *, after: int = 0, limit: int) -> list[RecordedAttempt]:
        """Return up to `limit` attempts with a number above `after`, in the order of their numbers."""
        values = {"sale": sale, "round": round_, "after": after, "limit": limit}
        with ledger_reachable():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(ATTEMPTS_AFTER, values)).all()
        return [_recorded(row) for row in rows]

    async def witnesses(
        self, sale: str, round_: int, *, after: int = 0, key_prefix: str = "", limit: int
    ) -> list[Witness]:
        """Return up to `limit` witnesses whose second attempt has a number above `after`, in the order of that number.

        The idempotency key of at least one of the two purchases must begin with `key_prefix`.
        """
        values = {"sale": sale, "round": round_, "after": after, "key_prefix": key_prefix, "limit": limit}
        with ledger_reachable():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(WITNESSES_AFTER, values)).all()
        return [_witness(row) for row in rows]


async def keep(connection: AsyncConnection, batch: Sequence[RecordedAttempt]) -> KeptBatch:
    """Store a batch in the caller's transaction. It holds the lock of each sale of the batch until it ends."""
    ids = [attempt.id for attempt in batch]
    rows = json.dumps([{name: getattr(attempt, name) for name in COLUMNS} for attempt in batch])
    for sale in sorted({attempt.sale for attempt in batch}):  # one order for all batches, so that two can't deadlock
        await hold(connection, f"attempts {sale}")
    await connection.execute(KEEP, {"attempts": rows, "most": MAX_PER_ROUND})
    await connection.execute(FIND_WITNESSES, {"ids": ids})
    stored_ids = set((await connection.execute(STORED_IDS, {"ids": ids})).scalars())
    found = (await connection.execute(WITNESSES_OF, {"ids": ids})).all()
    return KeptBatch([attempt for attempt in batch if attempt.id not in stored_ids], [_witness(row) for row in found])


def _witness(row: Row[Any]) -> Witness:
    hazard, *both = row
    return Witness(hazard=Hazard(hazard), first=_recorded(both[: len(COLUMNS)]), second=_recorded(both[len(COLUMNS) :]))


def _recorded(values: Iterable[Any]) -> RecordedAttempt:
    """Return the attempt whose fields are `values`, in the order of COLUMNS."""
    named = dict(zip(COLUMNS, values, strict=True))
    return RecordedAttempt(**named | {"hazard": Hazard(named["hazard"])})
