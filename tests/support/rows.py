"""Rows written straight into the ledger, for tests of the code that reads them."""

import itertools
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.sales.model import SaleTerms

COUNT = itertools.count(1)

ADD_BOOKING = text("""
    INSERT INTO bookings (reservation_id, sale, round, epoch, number, customer, idempotency_key, quantity, ticket,
        status, alias_of)
    VALUES (:reservation_id, :sale, :round, :epoch, :number, :customer, :key, :quantity, :ticket, :status, :alias_of)
""")
ADD_SET_ASIDE = text("""
    INSERT INTO set_aside (sale, entry, round, epoch, number, quantity, payload, reason, tries, set_aside_at)
    VALUES (:sale, :entry, :round, 1, 1, :quantity, '{}', 'a test', 3, CASE WHEN :given_up THEN now() END)
""")


def terms(name: str = "drop", strategy: str = "atomic", stock: int = 10, **other: Any) -> SaleTerms:
    return SaleTerms(name=name, strategy=strategy, stock=stock, **other)


def reservation_id(sale: str = "drop", round_: int = 1, count: int | None = None) -> str:
    count = next(COUNT) if count is None else count
    return f"{sale}.{round_}.1700000000000-{count}.{count:016x}"


async def add_booking(engine: AsyncEngine, sale: str = "drop", **other: Any) -> str:
    """Insert a booking of one ticket, with `other` in place of these defaults. Return its reservation id."""
    count = next(COUNT)
    values = {
        "reservation_id": reservation_id(sale, other.get("round", 1), count),
        "sale": sale,
        "round": 1,
        "epoch": 1,
        "number": count,
        "customer": f"customer-{count}",
        "key": "key",
        "quantity": 1,
        "ticket": 1,
        "status": "booked",
        "alias_of": None,
        **other,
    }
    async with engine.begin() as connection:
        await connection.execute(ADD_BOOKING, values)
    return str(values["reservation_id"])


async def set_aside(engine: AsyncEngine, reservation: str, *, quantity: int = 1, given_up: bool = True) -> None:
    """Insert the order of this reservation as set aside, or as only tried and failed so far if not `given_up`."""
    sale, round_, entry = reservation.split(".", 2)
    values = {"sale": sale, "round": int(round_), "entry": entry, "quantity": quantity, "given_up": given_up}
    async with engine.begin() as connection:
        await connection.execute(ADD_SET_ASIDE, values)


async def mark_removed(engine: AsyncEngine, sale: str = "drop") -> None:
    """Record that the ended sale is removed from the gate, as the reconciler does."""
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE sales SET removed_at = now() WHERE name = :sale"), {"sale": sale})
