"""The life of a sale whose strategy is reachable, is away, or races."""

import asyncio
import secrets
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from app.ledger.managed import ManagedSales
from app.ledger.receipts import ReceiptRepository
from app.ledger.sales import SaleExists, SaleRepository
from app.sales.acceptance import Acceptance
from app.sales.desired_state import DesiredSale
from app.sales.managed import ManagedByResource
from app.sales.model import Purchase, ReservationId, Sale, SaleTerms, UnknownSale
from app.sales.outcomes import Reserved
from app.sales.phase import Phase
from app.sales.strategy import Snapshot
from app.services.catalog import SaleCatalog, UnknownStrategy
from app.services.purchases import PurchaseService
from app.services.sale_view import Identity
from app.services.sales import SalesService
from tests.services.scripted_strategy import ScriptedStrategy, counter
from tests.support.rows import add_booking, reservation_id, set_aside
from tests.support.warm import warm_up

DROP = SaleTerms(name="drop", strategy="scripted", stock=10)


async def test_a_sale_is_created_and_its_strategy_prepared(service: SalesService, scripted: ScriptedStrategy) -> None:
    creation = await service.create(DROP)
    assert creation.created
    assert scripted.prepared == [creation.sale]
    assert await service.get("drop") == creation.sale
    assert [sale.name for sale in await service.page()] == ["drop"]
    assert [sale.name for sale in await service.active()] == ["drop"]


async def test_creating_it_again_makes_the_strategy_follow_again(
    service: SalesService, scripted: ScriptedStrategy
) -> None:
    first = await service.create(DROP)
    again = await service.create(DROP)
    assert (again.sale, again.created) == (first.sale, False)
    assert scripted.prepared == [first.sale, first.sale]


async def test_a_sale_stands_though_its_strategy_is_away(service: SalesService, scripted: ScriptedStrategy) -> None:
    scripted.away = True
    with capture_logs() as logs:
        assert (await service.create(DROP)).created
    assert [log["log_level"] for log in logs] == ["warning"]
    view = await service.view("drop")
    assert (view.phase, view.remaining, view.backlog, view.undersold, view.counter_says) == (
        Phase.DEGRADED, None, None, None, None,
    )  # fmt: skip
    assert (view.stock, view.booked, view.oversold, view.identity.holds) == (10, 0, 0, None)
    scripted.away = False
    assert (await service.view("drop")).phase == Phase.OPEN


async def test_an_unknown_strategy_makes_no_sale(service: SalesService) -> None:
    with pytest.raises(UnknownStrategy, match="naive, scripted"):
        await service.create(replace(DROP, strategy="magic"))
    with pytest.raises(UnknownSale):
        await service.get("drop")


async def test_strategies_that_promise_nothing_are_not_guarded(service: SalesService, engine: AsyncEngine) -> None:
    await service.create(replace(DROP, strategy="naive", stock=1, think_ms=50))
    purchases = PurchaseService(SaleCatalog(SaleRepository(engine), service._strategies))  # noqa: SLF001  the same instances
    await warm_up(engine, 5)  # without it the first sells before the others are connected
    outcomes = await asyncio.gather(
        *(purchases.buy(Purchase("drop", f"customer-{n}", "key", 1, secrets.token_hex(8))) for n in range(5))
    )
    sold = sum(isinstance(outcome, Reserved) for outcome in outcomes)
    view = await service.view("drop")
    assert sold > 1
    assert (view.booked, view.oversold, view.undersold) == (sold, sold - 1, 0)
    assert (view.remaining, view.counter_says, view.identity.holds) == (0, 1, False)
    assert view.phase == Phase.SOLD_OUT


async def test_a_reset_starts_a_round_that_the_strategy_follows(
    service: SalesService, scripted: ScriptedStrategy
) -> None:
    await service.create(DROP)
    following = await service.reset("drop", stock=3)
    assert (following.round, following.epoch, following.terms.stock) == (2, 2, 3)
    assert scripted.prepared[-1] == following


async def test_an_end_closes_the_strategy_too(service: SalesService, scripted: ScriptedStrategy) -> None:
    await service.create(DROP)
    ended = await service.end("drop")
    assert scripted.prepared[-1] == ended
    assert (await service.view("drop")).phase == Phase.CLOSED


async def test_other_terms_are_refused(service: SalesService) -> None:
    await service.create(DROP)
    with pytest.raises(SaleExists):
        await service.create(replace(DROP, stock=11))


async def managed_sale(engine: AsyncEngine) -> Sale:
    """Create the sale as its resource does, and return it."""
    desired = DesiredSale(terms=DROP, uid="uid-1", generation=1)
    return (await ManagedSales(engine).follow(desired, None, guarded=True)).sale


async def test_a_managed_sale_is_changed_by_its_resource_alone(
    service: SalesService, engine: AsyncEngine, scripted: ScriptedStrategy
) -> None:
    managed = await managed_sale(engine)
    assert (managed.managed_by, managed.owner_uid) == ("flashsale", "uid-1")
    with pytest.raises(ManagedByResource, match=r"""patch flashsale drop --type merge -p '{"spec":{"round":2}}'"""):
        await service.reset("drop")
    with pytest.raises(ManagedByResource, match=r"""'{"spec":{"round":2,"stock":5}}'"""):
        await service.reset("drop", stock=5)
    opens = datetime(2030, 1, 1, tzinfo=UTC)
    with pytest.raises(ManagedByResource, match=r"""'{"spec":{"stock":11,"opensAt":"2030-01-01T00:00:00\+00:00"}}'"""):
        await service.create(
            replace(DROP, stock=11, opens_at=opens, think_ms=DROP.think_ms + 1, think_is_explicit=False)
        )
    with pytest.raises(ManagedByResource, match=r"""'{"spec":{"thinkMilliseconds":900}}'"""):
        await service.create(replace(DROP, think_ms=900))
    with pytest.raises(ManagedByResource, match=r"""'{"spec":{"paused":true}}'"""):
        await service.set_paused("drop", paused=True)
    with pytest.raises(ManagedByResource, match="kubectl delete flashsale drop"):
        await service.end("drop")
    assert await service.get("drop") == managed
    assert scripted.prepared == []
    assert (await service.create(DROP)).sale == managed


async def test_the_name_of_an_ended_managed_sale_is_free(service: SalesService, engine: AsyncEngine) -> None:
    await managed_sale(engine)
    await ManagedSales(engine).end("drop", "uid-1")
    sale = (await service.create(DROP)).sale
    assert (sale.round, sale.managed_by, sale.owner_uid) == (2, "http", None)


async def test_what_is_not_there_is_unknown(service: SalesService) -> None:
    for ask in (service.get("drop"), service.view("drop"), service.reset("drop"), service.end("drop")):
        with pytest.raises(UnknownSale):
            await ask


async def test_a_view_adds_up(service: SalesService, scripted: ScriptedStrategy, engine: AsyncEngine) -> None:
    await service.create(DROP)
    first = await add_booking(engine, quantity=3)
    await add_booking(engine, status="duplicate", alias_of=first)
    await set_aside(engine, "drop.1.1700000000000-1.0000000000000001", quantity=2)
    scripted.snapshots = [counter(remaining=4, backlog=1)]
    view = await service.view("drop")
    assert view.identity == Identity(stock=10, remaining=4, backlog=1, set_aside=2, booked=3, holds=True)
    assert (view.counter_says, view.duplicates, view.oversold, view.undersold) == (6, 1, 0, 0)


@pytest.mark.parametrize(
    ("snapshots", "holds"),
    [
        ([counter(remaining=8), counter(remaining=8)], False),  # one ticket is missing
        ([counter(remaining=10), counter(remaining=9)], None),  # a ticket was sold and booked between the reads
        ([counter(remaining=8, backlog=3), counter(remaining=8, backlog=3)], None),  # booked, not yet acknowledged
        ([counter(remaining=8), None], None),
        ([counter(remaining=8, epoch=2), counter(remaining=8, epoch=2)], None),  # another epoch's counter
    ],
)
async def test_a_sum_that_is_off_is_believed_only_while_nothing_moves(
    service: SalesService,
    scripted: ScriptedStrategy,
    engine: AsyncEngine,
    snapshots: list[Snapshot | None],
    *,
    holds: bool | None,
) -> None:
    await service.create(DROP)
    await add_booking(engine, quantity=1)
    scripted.snapshots = snapshots
    assert (await service.view("drop")).identity.holds is holds


async def test_tickets_that_are_nowhere_are_undersold(service: SalesService, scripted: ScriptedStrategy) -> None:
    await service.create(DROP)
    scripted.snapshots = [counter(remaining=7)]
    assert (await service.view("drop")).undersold == 3


async def test_a_counter_of_another_round_is_not_shown(service: SalesService, scripted: ScriptedStrategy) -> None:
    await service.create(DROP)
    await service.reset("drop")
    scripted.snapshots = [counter(remaining=7)]
    view = await service.view("drop")
    assert (view.round, view.phase, view.remaining, view.counter_says) == (2, Phase.SEEDING, None, None)


@pytest.mark.parametrize(
    ("snapshots", "lost"),
    [
        ([counter()], 3),
        ([counter(backlog=1)], None),  # the order in the backlog may be the lost one
        ([counter(), counter(remaining=9)], None),
        ([counter(available=False)], None),
        ([counter(epoch=2)], None),
    ],
    ids=["still", "backlog", "moving", "fenced", "another epoch"],
)
async def test_lost_is_known_only_if_no_order_is_on_its_way(
    service: SalesService, scripted: ScriptedStrategy, engine: AsyncEngine, snapshots: list[Snapshot], lost: int | None
) -> None:
    await service.create(DROP)
    reservations = [ReservationId.parse(reservation_id()) for _ in range(2)]
    await ReceiptRepository(engine).keep(
        [
            Acceptance(1, number, each, Purchase("drop", "ada", "k", 3, each.nonce))
            for number, each in enumerate(reservations)
        ]
    )
    await add_booking(engine, reservation_id=str(reservations[0]))
    scripted.snapshots = [*snapshots]
    assert (await service.view("drop")).lost == lost


async def test_tickets_that_were_booked_again_are_counted(service: SalesService, engine: AsyncEngine) -> None:
    await service.create(DROP)
    again = await add_booking(engine, quantity=3)
    await add_booking(engine)
    assert (await service.view("drop")).rebooked == 0
    async with engine.begin() as ledger:
        await ledger.execute(text("UPDATE bookings SET rebooked = true WHERE reservation_id = :id"), {"id": again})
    view = await service.view("drop")
    assert (view.booked, view.rebooked) == (4, 3)
