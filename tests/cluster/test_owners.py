"""Which side owns the name of a sale, the HTTP API or a resource, and two operators at once."""

from collections import Counter

import pytest

from app.ledger.sales import SaleRepository
from tests.cluster.installation import Installation
from tests.cluster.manifests import quick
from tests.cluster.statuses import condition
from tests.support.box_office import BoxOffice
from tests.support.until import until

pytestmark = pytest.mark.cluster

MANY = [f"drop-{number}" for number in range(10)]


async def test_an_http_sale_keeps_its_name_until_the_resource_asks_for_it(
    installation: Installation, office: BoxOffice, sales: SaleRepository
) -> None:
    await office.create(stock=10)
    await office.sell(3)
    running = installation.begin()  # an operator that runs already could find the sale before it is seeded
    running.api.create(quick())
    taken = running.until_status(lambda status: condition(status, "Ready")[1] == "NameTaken")
    assert taken["phase"] == "Pending"
    sale = await sales.get("drop")
    assert sale is not None
    assert sale.managed_by == "http"

    running.api.patch("flashsale/drop", {"metadata": {"annotations": {"atomictickets.dev/adopt": "true"}}})
    adopted = running.until_phase("Open")
    assert adopted["stock"]["remaining"] == 7
    assert "Adopted" in running.reasons()


async def test_an_http_sale_is_reconciled_as_well(installation: Installation, office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(3)
    await office.drain()
    await office.redis.unlink(office.keys.sale)
    running = installation.begin()
    running.until(lambda: running.holder() != "")
    await until(lambda: is_open(office), seconds=60)
    assert (await office.snapshot()).remaining == 7


async def test_a_restored_resource_adopts_the_remaining_tickets(running: Installation, office: BoxOffice) -> None:
    """A resource with another uid takes over a sale that was not ended, and its bookings stay."""
    running.api.create(quick())
    running.until_phase("Open")
    await office.sell(4)
    running.operators[0].kill()
    running.api.delete("flashsale/drop")
    running.api.create(quick())
    running.start_operator()
    status = running.until_phase("Open")
    assert (status["round"], status["stock"]["remaining"]) == (1, 6)
    assert running.reasons() == ["Seeded", "SaleOpened", "Adopted", "SaleOpened"]


# This takes 10 s: two processes reconcile eleven sales, and then each reconciles thirty times more without any change.
async def test_two_operators_at_once_do_what_one_does(
    installation: Installation, office: BoxOffice, sales: SaleRepository
) -> None:
    """Without the Lease both operators really act, and neither the stores nor the events show that there were two."""
    installation.set_up()
    for _ in range(2):
        installation.start_operator(OPERATOR_LEASE="", OPERATOR_WORKERS="")
    for operator in installation.operators:
        operator.wait_ready(lambda operator=operator: operator.probe() == 200, seconds=60)  # type: ignore[misc]  # a default binds it
    installation.api.create(quick(stock=20), *(quick(name) for name in MANY))
    for name in ("drop", *MANY):
        installation.until_phase("Open", name)
    first = (await office.snapshot()).epoch
    reservations = await office.sell(15)
    await office.redis.unlink(office.keys.sale)
    installation.until_status(lambda status: (status["epoch"], status["phase"]) == (first + 1, "Open"))
    reservations += await office.sell(10, "late")
    assert len(reservations) == 20
    await office.drain()
    installation.until_status(lambda status: (status["stock"]["booked"], status["phase"]) == (20, "SoldOut"))
    for operator in installation.operators:
        operator.until_reconciled(3 * len(MANY))  # meanwhile the slower one could repeat the other's events

    tally = await sales.tally("drop", 1)
    assert (tally.epoch, tally.booked, tally.rejected, tally.duplicates) == (first + 1, 20, 0, 0)
    snapshot = await office.snapshot()
    assert (snapshot.epoch, snapshot.remaining, snapshot.backlog, snapshot.repairs) == (first + 1, 0, 0, 0)
    posted = Counter(installation.reasons())
    assert (posted["SoldOut"], posted["DriftDetected"]) == (1, 0)
    assert posted["CounterLost"] == posted["SaleFenced"] == posted["Reseeded"] <= first
    assert posted["SaleOpened"] <= first + 1  # once an epoch, or not at all if no reconciliation saw the sale in it
    for name in MANY:
        # One operator may see a sale that the other has just created and not yet seeded. It then treats the counter as
        # lost, and begins a new epoch.
        other = await office.gate.snapshot(name)
        assert other is not None
        assert (other.round, other.stock, other.remaining) == (1, 10, 10)
        assert other.epoch == (await sales.tally(name, 1)).epoch
        reported = Counter(installation.reasons(name))
        assert 1 <= reported.pop("SaleOpened", 0) <= other.epoch  # once an epoch, as above
        assert set(reported.values()) <= {1}


def test_one_of_two_acts_and_the_other_takes_over(installation: Installation) -> None:
    installation.set_up()
    first = installation.start_operator()
    installation.api.create(quick())
    installation.until_phase("Open")
    second = installation.start_operator()
    second.wait_ready(lambda: second.probe() == 200, seconds=60)
    assert installation.holder() == "operator-1"
    first.kill()
    installation.api.patch("flashsale/drop", {"spec": {"paused": True}})
    installation.until_phase("Paused")
    assert installation.holder() == "operator-2"


async def is_open(office: BoxOffice) -> bool:
    snapshot = await office.gate.snapshot("drop")
    return snapshot is not None and snapshot.state == "open"
