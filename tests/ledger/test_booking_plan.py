"""The plan of a batch of bookings: which orders are booked, rejected, or duplicates. No store is needed."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ledger.booking_plan import BookingStatus, plan
from app.sales.model import ReservationId
from app.sales.order import Order


def order(number: int, customer: str, quantity: int = 1) -> Order:
    return Order(ReservationId("concert", 1, f"{number}-0", f"{number:016x}"), 1, number, customer, "key", quantity, 1)


def reservation(number: int) -> str:
    return order(number, "").reservation_id


ADA, BOB, CAT = order(1, "ada"), order(2, "bob", 3), order(3, "cat")
ADA_AGAIN = order(4, "ada")


@pytest.mark.parametrize(
    ("orders", "known", "first", "room", "guarded", "expected"),
    [
        pytest.param([ADA, CAT], [], {}, 2, True, ["1 booked", "3 booked"], id="exactly fits"),
        pytest.param([ADA, CAT], [], {}, 1, True, ["1 booked", "3 rejected"], id="the first come is served"),
        pytest.param([BOB, ADA], [], {}, 2, True, ["2 rejected", "1 booked"], id="a smaller one still fits"),
        pytest.param([ADA], [], {}, -5, True, ["1 rejected"], id="no room at all"),
        pytest.param([ADA, BOB], [], {}, 0, False, ["1 booked", "2 booked"], id="unguarded books all"),
        pytest.param([ADA, CAT], [1], {}, 1, True, ["3 booked"], id="a redelivery takes no room"),
        pytest.param([ADA, ADA], [], {}, 9, True, ["1 booked"], id="twice in one batch"),
        pytest.param([ADA, ADA_AGAIN], [], {}, 9, True, ["1 booked", "4 duplicate of 1"], id="bought twice at once"),
        pytest.param([ADA_AGAIN, CAT], [], {"ada": 1}, 1, True, ["4 duplicate of 1", "3 booked"], id="bought before"),
        pytest.param([ADA, ADA_AGAIN], [1], {"ada": 1}, 9, True, ["4 duplicate of 1"], id="redelivered, and again"),
        pytest.param([ADA, ADA_AGAIN], [], {}, 0, True, ["1 rejected", "4 duplicate of 1"], id="alias of rejected"),
    ],
)  # fmt: skip
def test_plan(
    *, orders: list[Order], known: list[int], first: Mapping[str, int], room: int, guarded: bool, expected: list[str]
) -> None:
    rows = plan(
        orders,
        known_ids=set(map(reservation, known)),
        first_bookings={(customer, "key"): reservation(number) for customer, number in first.items()},
        room=room,
        guarded=guarded,
    )
    numbers = {reservation(number): number for number in range(1, 9)}
    planned = [
        f"{row.order.number} {row.status}" + (f" of {numbers[row.alias_of]}" if row.alias_of else "") for row in rows
    ]
    assert planned == expected


orders = st.builds(order, st.integers(1, 12), st.sampled_from(["ada", "bob", "cat", "dan"]), st.integers(1, 4))


@given(st.lists(orders, max_size=30), st.sets(st.integers(1, 12)), st.integers(-3, 20))
def test_never_beyond_the_room_and_each_order_decided_once(batch: list[Order], known: set[int], room: int) -> None:
    known_ids = set(map(reservation, known))
    rows = plan(batch, known_ids=known_ids, first_bookings={}, room=room, guarded=True)
    booked = [row for row in rows if row.status is BookingStatus.BOOKED]
    assert sum(row.order.quantity for row in booked) <= max(0, room)
    decided = [row.order.reservation_id for row in rows]
    assert len(decided) == len(set(decided))
    assert set(decided) == {asked.reservation_id for asked in batch} - known_ids
    firsts = [row.order.customer for row in rows if row.status is not BookingStatus.DUPLICATE]
    assert len(firsts) == len(set(firsts))
    assert all(bool(row.alias_of) == (row.status is BookingStatus.DUPLICATE) for row in rows)


def test_without_the_guard_the_same_orders_go_beyond_the_room() -> None:
    batch = [order(number, f"customer-{number}") for number in range(1, 12)]
    rows = plan(batch, known_ids=(), first_bookings={}, room=10, guarded=False)
    assert sum(row.order.quantity for row in rows) == 11
