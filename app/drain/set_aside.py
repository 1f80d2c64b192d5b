"""Entries that fail alone. The ledger counts their tries; after enough of them an entry is set aside for a person.

A row without `set_aside_at` only counts tries: its entry is still pending in the stream, and its tickets are in the
backlog. Once `set_aside_at` is set, the entry may leave the stream, and the row holds the tickets, which are still
owed. A later try that succeeds deletes the row in the booking's own transaction, so that no ticket is counted twice.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sales.order import Order, Unreadable

# The lock and the check of bookings are needed because another worker with the same entry may be booking it right now.
LOCK = text("SELECT 1 FROM inventory WHERE sale = :sale AND round = ANY(:rounds) ORDER BY round FOR NO KEY UPDATE")
COUNT_TRY = text("""
    INSERT INTO set_aside (sale, entry, round, epoch, number, quantity, payload, reason, tries, set_aside_at)
    SELECT :sale, :entry, :round, :epoch, :number, :quantity, :payload, :reason, 1,
        CASE WHEN :max_tries <= 1 THEN now() END
    WHERE NOT EXISTS (SELECT FROM bookings WHERE reservation_id = :reservation_id)
    ON CONFLICT (sale, entry) DO UPDATE SET
        tries = least(set_aside.tries + 1, 32767), reason = excluded.reason,
        set_aside_at = coalesce(set_aside.set_aside_at, CASE WHEN set_aside.tries + 1 >= :max_tries THEN now() END)
    RETURNING set_aside_at IS NOT NULL
""")
FORGET = text("DELETE FROM set_aside WHERE sale = :sale AND entry = ANY(:entries)")


@dataclass(frozen=True, slots=True)
class Failure:
    """An entry that failed alone, and the reason.

    `at_fault` is False if the entry is not to blame: it waits in the stream, and no try is counted.
    """

    entry: Order | Unreadable
    reason: str
    at_fault: bool = True


def entry_key(entry: Order | Unreadable) -> str:
    """Return the stream id and the nonce of an entry. The stream id alone may be reused if Redis goes back in time."""
    nonce = entry.id.nonce if isinstance(entry, Order) else entry.nonce
    return f"{entry.entry}.{nonce}"


async def count_tries(
    connection: AsyncConnection,
    sale: str,
    failures: Sequence[Failure],
    fields: Mapping[str, Mapping[str, str]],
    max_tries: int,
) -> frozenset[str]:
    """Count a try for each failure, and return the stream ids of the entries that have had `max_tries` tries.

    `fields` maps the stream id of each entry to its fields.
    """
    rounds = sorted({failure.entry.round for failure in failures})
    await connection.execute(LOCK, {"sale": sale, "rounds": rounds})
    given_up = set()
    for failure in failures:
        entry = failure.entry
        result = await connection.execute(
            COUNT_TRY,
            {
                "sale": sale,
                "entry": entry_key(entry),
                "reservation_id": entry.reservation_id if isinstance(entry, Order) else "",
                "round": entry.round,
                "epoch": entry.epoch,
                "number": entry.number,
                "quantity": entry.quantity,
                "payload": json.dumps(dict(fields[entry.entry])),
                "reason": failure.reason,
                "max_tries": max_tries,
            },
        )
        if result.scalar_one_or_none():
            given_up.add(entry.entry)
    return frozenset(given_up)


async def forget_tries(connection: AsyncConnection, sale: str, orders: Sequence[Order]) -> None:
    """Delete the tries of orders that the caller's transaction decides."""
    await connection.execute(FORGET, {"sale": sale, "entries": [entry_key(order) for order in orders]})
