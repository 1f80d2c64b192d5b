"""Entries that fail alone: their tries are counted, then they are set aside for an operator. They block no others."""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.drain import Drained
from app.drain.failures import is_poison
from tests.drain.conftest import MakeDrain
from tests.support.sale_stream import SaleStream

TRIES = "SELECT tries, set_aside_at IS NOT NULL AS waits, quantity, reason, payload FROM set_aside WHERE sale = :sale"


@pytest.mark.parametrize(
    ("poison", "reason", "quantity"),
    [
        pytest.param({"key": "a\0b"}, "22021 ", 2, id="a character that Postgres refuses"),
        pytest.param({"round": 7}, "no inventory", 2, id="a round that the ledger doesn't know"),
        pytest.param({"nonce": "none"}, "out of range: nonce", 2, id="an entry that can't be read"),
        pytest.param({"number": "many"}, "out of range: number", 2, id="a number that is none"),
    ],
)
async def test_a_poison_entry_is_set_aside_after_its_tries_while_the_rest_flows(
    sale_stream: SaleStream, make_drain: MakeDrain, poison: dict[str, str | int], reason: str, quantity: int
) -> None:
    await sale_stream.open(100)
    drain = make_drain(poison_tries=3)
    await sale_stream.orders(6)
    await sale_stream.write(sale_stream.fields(quantity=2, **poison))
    await sale_stream.orders(6)

    assert await drain.sale(sale_stream.name, 10) == Drained(orders=12, booked=12)
    assert [(row.tries, row.waits) for row in await sale_stream.rows(TRIES)] == [(1, False)]
    assert (await sale_stream.length(), await sale_stream.pending(), await sale_stream.backlog()) == (1, 1, 2)

    await sale_stream.orders(3)
    assert await drain.sale(sale_stream.name, 10) == Drained(orders=3, booked=3)
    assert (await drain.sale(sale_stream.name, 10)).set_aside == 1
    row = (await sale_stream.rows(TRIES))[0]
    assert (row.tries, row.waits, row.quantity) == (3, True, quantity)
    assert reason in row.reason
    assert {name: str(value) for name, value in poison.items()}.items() <= json.loads(row.payload).items()
    assert (await sale_stream.length(), await sale_stream.pending(), await sale_stream.booked()) == (0, 0, 15)


async def test_a_stray_byte_stops_nothing(sale_stream: SaleStream, make_drain: MakeDrain) -> None:
    await sale_stream.open(10)
    await sale_stream.redis.xadd(sale_stream.keys.orders, {"customer": b"\xff\xfe"})
    await sale_stream.orders(2)
    assert (await make_drain().sale(sale_stream.name, 10)).booked == 2
    assert json.loads((await sale_stream.rows(TRIES))[0].payload) == {"customer": r"\xff\xfe"}


async def test_an_order_that_succeeds_at_a_later_try_leaves_no_trace(
    sale_stream: SaleStream, make_drain: MakeDrain
) -> None:
    await sale_stream.open(10)
    drain = make_drain()
    await sale_stream.order(round=2)
    assert await drain.sale(sale_stream.name, 10) == Drained()
    assert len(await sale_stream.rows(TRIES)) == 1
    sale_stream.round = 2
    await sale_stream.start_round(5)
    assert await drain.sale(sale_stream.name, 10) == Drained(orders=1, booked=1)
    assert await sale_stream.rows(TRIES) == []


async def test_orders_wait_for_a_round_that_the_ledger_has_lost(sale_stream: SaleStream, make_drain: MakeDrain) -> None:
    """The gate has the round, so its orders are not at fault. The control is the poison round above."""
    await sale_stream.open(10)
    drain = make_drain(poison_tries=1)
    await sale_stream.order()
    sale_stream.round = 2
    await sale_stream.redis.hset(sale_stream.keys.sale, "round", 2)
    await sale_stream.orders(3)
    assert await drain.sale(sale_stream.name, 10) == Drained(orders=1, booked=1)
    assert (await drain.sale(sale_stream.name, 10)).set_aside == 0
    assert (await sale_stream.rows(TRIES), await sale_stream.length()) == ([], 3)
    await sale_stream.start_round(5)
    assert await drain.sale(sale_stream.name, 10) == Drained(orders=3, booked=3)


async def test_an_order_booked_meanwhile_is_not_set_aside(sale_stream: SaleStream, make_drain: MakeDrain) -> None:
    """Two workers held the entry. One booked it, and then the other fails on it."""
    await sale_stream.open(10)
    order = await sale_stream.order(key="a\0b", round=1)
    async with sale_stream.engine.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO bookings (reservation_id, sale, round, customer, idempotency_key, quantity, ticket, status)
                VALUES (:id, :sale, 1, 'ada', 'k', 1, 1, 'rejected')
            """),
            {"id": order.reservation_id, "sale": sale_stream.name},
        )
    await make_drain(poison_tries=1).sale(sale_stream.name, 10)
    assert await sale_stream.rows(TRIES) == []
    assert await sale_stream.pending() == 1


@pytest.mark.parametrize(
    ("statement", "poison"),
    [
        ("SELECT 1/0", True),  # 22012
        ("INSERT INTO inventory (sale) VALUES ('x')", True),  # 23502
        ("SELECT 1 FROM no_such_table", False),  # 42P01: the database is not migrated yet
        ("SELECT pg_terminate_backend(pg_backend_pid())", False),  # 57P01
        ("DO $$ BEGIN RAISE SQLSTATE '25006'; END $$", False),  # the ledger is read-only
    ],
)
async def test_only_a_refusal_of_the_order_itself_counts(engine: AsyncEngine, statement: str, poison: bool) -> None:
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(text(statement))
    assert is_poison(refused.value) is poison


async def test_a_read_only_ledger_charges_no_order(sale_stream: SaleStream, make_drain: MakeDrain) -> None:
    """The session that the drain is handed has turned read-only. The next one has not."""
    await sale_stream.open(10)
    await sale_stream.orders(3)
    drain = make_drain(poison_tries=1)
    async with sale_stream.engine.connect() as connection:
        await connection.execute(text("SET default_transaction_read_only = on"))
        await connection.commit()
    with pytest.raises(DBAPIError, match="read-only"):
        await drain.sale(sale_stream.name, 10)
    assert await drain.sale(sale_stream.name, 10) == Drained(orders=3, booked=3)
    assert await sale_stream.rows(TRIES) == []
