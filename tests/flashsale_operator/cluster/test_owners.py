"""Whose a name is, and two operators at once."""

import asyncio

import pytest

from app.ledger.sales import SaleRepository
from tests.flashsale_operator.cluster.conftest import MakeOperator
from tests.flashsale_operator.cluster.kubectl import Namespace, condition, flashsale, is_phase
from tests.reconcile.box_office import BoxOffice


@pytest.mark.usefixtures("operator")
async def test_an_http_sale_keeps_its_name_until_the_resource_asks_for_it(
    namespace: Namespace, office: BoxOffice, sales: SaleRepository
) -> None:
    await office.create(stock=10)
    await office.sell(3)
    await namespace.apply(flashsale(stock=10))
    taken = await namespace.until(lambda sale: condition(sale, "Ready")["reason"] == "NameTaken")
    assert taken["status"]["phase"] == "Pending"
    sale = await sales.get("drop")
    assert sale is not None
    assert sale.managed_by == "http"

    await namespace.kubectl("annotate", "flashsale/drop", "atomictickets.dev/adopt=true")
    adopted = await namespace.until(is_phase("Open"))
    assert adopted["status"]["stock"]["remaining"] == 7
    assert "Adopted" in await namespace.events()


async def test_a_restored_resource_adopts_what_is_left(
    namespace: Namespace, make_operator: MakeOperator, office: BoxOffice
) -> None:
    """Another uid over a sale that nobody has ended: what was sold stays sold."""
    operator = make_operator()
    await operator.start()
    await namespace.apply(flashsale(stock=10))
    await namespace.until(is_phase("Open"))
    await office.sell(4)
    await operator.kill()
    await namespace.delete("flashsale/drop")
    await namespace.apply(flashsale(stock=10))
    await make_operator().start()
    sale = await namespace.until(is_phase("Open"))
    assert (sale["status"]["round"], sale["status"]["stock"]["remaining"]) == (1, 6)
    assert await namespace.events() == ["Seeded", "SaleOpened", "Adopted", "SaleOpened"]


async def test_two_operators_at_once_do_what_one_does(
    namespace: Namespace, make_operator: MakeOperator, office: BoxOffice, sales: SaleRepository
) -> None:
    """Without the Lease, so that both really act."""
    both = [make_operator(OPERATOR_LEASE="") for _ in range(2)]
    await asyncio.gather(*(operator.start() for operator in both))
    await namespace.apply(*(flashsale(f"drop-{number}") for number in range(10)), flashsale(stock=20))
    await namespace.until(is_phase("Open"))
    for number in range(10):
        await namespace.until(is_phase("Open"), f"drop-{number}")
    await office.sell(15)
    await office.redis.unlink(office.keys.sale)
    await namespace.until(lambda sale: (sale["status"]["epoch"], sale["status"]["phase"]) >= (2, "Open"))
    await office.drain()
    tally = await sales.tally("drop", 1)
    snapshot = await office.snapshot()
    assert tally.stock == tally.booked + snapshot.remaining + snapshot.backlog
    for name in ("drop", *(f"drop-{number}" for number in range(10))):
        sale = await sales.get(name)
        assert sale is not None
        assert sale.round == 1
        seen = await office.gate.snapshot(name)
        assert seen is not None
        assert seen.remaining + (tally.booked if name == "drop" else 0) == sale.terms.stock


async def test_one_of_two_acts_and_the_other_takes_over(namespace: Namespace, make_operator: MakeOperator) -> None:
    quick = {"OPERATOR_LEASE_SECONDS": 3, "OPERATOR_ACT_SECONDS": 2, "OPERATOR_RENEW_SECONDS": 1}
    first, second = (
        make_operator(OPERATOR_IDENTITY="first", **quick),
        make_operator(OPERATOR_IDENTITY="second", **quick),
    )
    await first.start()
    await namespace.apply(flashsale())
    await namespace.until(is_phase("Open"))
    await second.start()
    assert (await namespace.get("lease/operator"))["spec"]["holderIdentity"] == "first"
    await first.kill()
    await namespace.patch("drop", paused=True)
    await namespace.until(is_phase("Paused"))
    assert (await namespace.get("lease/operator"))["spec"]["holderIdentity"] == "second"


@pytest.mark.usefixtures("operator")
async def test_an_http_sale_is_looked_after_as_well(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(3)
    await office.redis.unlink(office.keys.sale)
    async with asyncio.timeout(30):
        while (seen := await office.gate.snapshot("drop")) is None or seen.state != "open":  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.1)
    assert seen.remaining == 7
