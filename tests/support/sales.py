"""Factories of sales and purchases for tests."""

import secrets
from datetime import UTC, datetime
from typing import Any

from app.gate.gate import Gate
from app.sales.model import Purchase, Sale, SaleTerms


def a_sale(name: str = "drop", *, stock: int = 10, round_: int = 1, epoch: int = 1, **terms: Any) -> Sale:
    """Return a sale as the ledger would return it. Its strategy is atomic."""
    return Sale(
        terms=SaleTerms(name=name, strategy="atomic", stock=stock, **terms),
        round=round_,
        epoch=epoch,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def a_purchase(customer: str = "ada", key: str | None = None, quantity: int = 1, *, sale: str = "drop") -> Purchase:
    """Return the purchase of one HTTP request, with a new nonce, and with a new key unless one is given."""
    return Purchase(sale, customer, key or secrets.token_hex(8), quantity, secrets.token_hex(8))


async def open_sale(gate: Gate, sale: Sale) -> Sale:
    """Seed a new sale and open it with its whole stock, as a recount does that finds no order."""
    assert await gate.seed(sale)
    assert await gate.open(sale, remaining=sale.terms.stock, backlog=0)
    return sale
