"""The ledger went back in time under a resource: what its sale has lost is made good, told, or stopped."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.reconcile.decide import Action
from app.reconcile.rebook import Rebooked
from app.sales.phase import Phase
from flashsale_operator.conditions import condition_of
from flashsale_operator.events import events
from flashsale_operator.resource.models import ConditionType, FlashSaleStatus
from flashsale_operator.status import status_of
from tests.flashsale_operator.story import Story, as_declared


@pytest.mark.parametrize("rebooks", [True, False])
async def test_orders_that_the_ledger_lost_are_booked_again_and_checked(
    story: Story, monkeypatch: pytest.MonkeyPatch, *, rebooks: bool
) -> None:
    """If the repair were not followed by another check, the status would go on saying that orders are missing."""
    if not rebooks:
        monkeypatch.setattr("flashsale_operator.sale_sync.REPAIRS", ())
    story.apply()
    await story.reconcile()
    await story.buy(5)
    await story.office.drain()
    async with story.stores.engine.begin() as ledger:
        lost = await ledger.execute(text("DELETE FROM bookings WHERE number > 2"))
        await ledger.execute(text("UPDATE inventory SET booked = booked - :lost"), {"lost": lost.rowcount})
    observed = await story.reconcile()
    status = status_of(FlashSaleStatus(), observed, 1, datetime.now(UTC))
    consistent = condition_of(status, ConditionType.LEDGER_CONSISTENT)
    assert consistent is not None
    assert observed.checks[0].rebooked == Rebooked(3, 3)
    assert "OrdersRebooked" in [event.reason for event in events(FlashSaleStatus(), status, observed)]
    assert status.stock is not None
    assert (status.stock.booked, status.stock.rebooked, status.stock.remaining) == (5, 3, 5)
    assert consistent.reason == ("Consistent" if rebooks else "OrdersMissing")


async def test_a_round_that_the_ledger_lost_is_stopped_until_its_resource_declares_it(story: Story) -> None:
    """Ledger and resource both went back to the round before. Redis has the later one, with three orders."""
    story.apply()
    await story.reconcile()
    story.apply(round=2)
    await story.reconcile()
    await story.buy(3)
    await story.office.drain()
    async with story.stores.engine.begin() as ledger:
        for lost in (
            "DELETE FROM bookings",
            "DELETE FROM inventory WHERE round = 2",
            "UPDATE sales SET round = 1, owner_round = 1, owner_generation = 1, generation = 0",
        ):
            await ledger.execute(text(lost))
    story.apply(round=1)
    stopped = await story.reconcile()
    assert [check.action for check in stopped.checks] == [Action.STOP]
    assert stopped.view is not None
    assert stopped.view.phase is Phase.DEGRADED
    status = status_of(FlashSaleStatus(), stopped, 1, datetime.now(UTC))
    for kind in (ConditionType.STOCK_SEEDED, ConditionType.LEDGER_CONSISTENT):
        condition = condition_of(status, kind)
        assert condition is not None
        assert condition.reason == "LedgerBehind"

    story.apply(round=2)
    goes_on = await story.reconcile()
    assert sum(check.rebooked.tickets for check in goes_on.checks) == 3
    await as_declared(story)
    assert await story.office.booked() == 3
