"""What a poll finds in a real gate: a sale that only sells asks for no check."""

import pytest

from flashsale_operator import poll as polling
from flashsale_operator.poll import Change, poll
from flashsale_operator.stores import Stores
from tests.support.box_office import BoxOffice


async def changes_while_it_sells(stores: Stores, office: BoxOffice) -> dict[str, Change]:
    """Poll before and after purchases that are booked and acknowledged, and others that wait."""
    installation = await stores.claim(0.1)
    await office.create(10)
    before = await poll(stores, installation)
    await office.sell(4)
    await office.drain(3)
    return (await poll(stores, installation)).changes_since(before)


async def test_a_sale_that_only_sells_has_changed_in_counters(stores: Stores, office: BoxOffice) -> None:
    assert await changes_while_it_sells(stores, office) == {"drop": Change.COUNTERS}
    snapshot = await office.snapshot()
    assert (snapshot.written, snapshot.acknowledged_orders) == (4, 3)


async def test_without_the_counts_of_orders_each_purchase_would_ask_for_a_check(
    stores: Stores, office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    counts = ("written", "written_orders", "acknowledged", "acknowledged_orders")
    fewer = {name: value for name, value in polling.COUNTERS.items() if name not in counts}
    monkeypatch.setattr(polling, "COUNTERS", fewer)
    assert await changes_while_it_sells(stores, office) == {"drop": Change.STATE}


async def test_a_fence_is_a_change_of_state(stores: Stores, office: BoxOffice) -> None:
    installation = await stores.claim(0.1)
    sale = await office.create(10)
    before = await poll(stores, installation)
    assert await office.gate.fence("drop", sale.epoch)
    assert (await poll(stores, installation)).changes_since(before) == {"drop": Change.STATE}
