"""The parsing of a stream entry into an order, or into an unreadable entry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sales.model import ReservationId
from app.sales.order import Order, Unreadable, parse_entry

FIELDS = {
    "round": "2",
    "epoch": "5",
    "number": "17",
    "customer": "ada",
    "key": "k-1",
    "quantity": "3",
    "nonce": "0123456789abcdef",
    "ticket": "40",
}


def test_an_entry_as_the_gate_writes_it() -> None:
    order = parse_entry("concert", "170-0", FIELDS | {"traceparent": "00-aa-bb-01"})
    assert order == Order(
        ReservationId("concert", 2, "170-0", "0123456789abcdef"), 5, 17, "ada", "k-1", 3, 40, "00-aa-bb-01"
    )
    assert isinstance(order, Order)
    assert order.reservation_id == "concert.2.170-0.0123456789abcdef"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", ""),
        ("quantity", "0"),
        ("quantity", "-1"),
        ("quantity", "101"),
        ("quantity", "1.5"),
        ("quantity", "²"),
        ("quantity", "9" * 5000),
        ("round", "0"),
        ("round", "4294967296"),
        ("epoch", "9223372036854775808"),
        ("number", "one"),
        ("ticket", "2147483648"),
        ("customer", ""),
        ("key", ""),
        ("nonce", "0123"),
        ("nonce", "0123456789ABCDEF"),
    ],
)
def test_a_field_that_the_ledger_could_not_hold_makes_the_entry_unreadable(field: str, value: str) -> None:
    entry = parse_entry("concert", "170-0", FIELDS | {field: value})
    assert isinstance(entry, Unreadable)
    assert field in entry.reason
    assert entry.quantity == (0 if field == "quantity" else 3)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(max_size=30)))
def test_no_entry_stops_the_reading(fields: dict[str, str]) -> None:
    entry = parse_entry("concert", "170-0", FIELDS | fields)
    assert entry.entry == "170-0"
    assert 0 <= entry.quantity <= 100
