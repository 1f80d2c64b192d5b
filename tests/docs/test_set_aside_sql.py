"""The statements in docs/operations.md for orders that were set aside, run on a real ledger."""

import json
import re
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ledger.engine import make_engine
from app.settings import LedgerSettings
from tests.support.docs_pages import page

ORDER = {"sale": "drop", "entry": "7-0.00000000000000aa"}
PAYLOAD = json.dumps({"customer": "ada", "key": "k-1", "ticket": "4"})
SET_ASIDE = (
    "INSERT INTO sales (name, strategy) VALUES ('drop', 'atomic')",
    "INSERT INTO inventory (sale, round, epoch, stock, remaining, guarded) VALUES ('drop', 1, 1, 10, 10, true)",
    """
    INSERT INTO set_aside (sale, entry, round, epoch, number, quantity, payload, reason, tries, set_aside_at)
    VALUES (:sale, :entry, 1, 1, 4, 2, :payload, 'reason', 3, now())
    """,
)


def statements(heading: str) -> list[str]:
    """Return the SQL statements under the heading, without BEGIN and COMMIT, with psql's variables as parameters."""
    section = page("operations.md").split(f"\n### {heading}\n", 1)[1]
    sql = re.sub(r":'(\w+)'", r":\1", re.findall(r"```sql\n(.*?)```", section, re.DOTALL)[0])
    return [each.strip() for each in sql.split(";") if each.strip() not in ("", "BEGIN", "COMMIT")]


async def run(connection: AsyncConnection, sql: str) -> None:
    values = ORDER | {"payload": PAYLOAD}
    await connection.execute(text(sql), {name: value for name, value in values.items() if f":{name}" in sql})


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Yield a ledger in which one order, of 2 tickets, is set aside."""
    engine = make_engine(database_url, "test", LedgerSettings(), pool_size=1)
    async with engine.begin() as connection:
        for sql in SET_ASIDE:
            await run(connection, sql)
    yield engine
    await engine.dispose()


@pytest.mark.parametrize(("heading", "status", "booked"), [("Book it", "booked", 2), ("Reject it", "rejected", 0)])
async def test_an_order_that_was_set_aside_is_decided_once(
    ledger: AsyncEngine, heading: str, status: str, booked: int
) -> None:
    for _ in range(2):  # an operator may paste the statements twice
        async with ledger.begin() as connection:
            for sql in statements("List them") + statements(heading):
                await run(connection, sql)
    async with ledger.connect() as connection:
        (row,) = await connection.execute(text("SELECT reservation_id, customer, status, quantity FROM bookings"))
        assert tuple(row) == ("drop.1.7-0.00000000000000aa", "ada", status, 2)
        assert await connection.scalar(text("SELECT booked FROM inventory")) == booked
        assert await connection.scalar(text("SELECT count(*) FROM set_aside")) == 0
