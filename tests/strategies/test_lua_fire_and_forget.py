"""lua-fire-and-forget with a real broker and a real worker: orders that are booked, and orders that are lost."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Self

import pytest
from httpx2 import HTTPError

from app.drain.published import OrderPublisher, book_published, message
from app.errors import TemporarilyUnavailable
from app.failpoints import FailpointController
from app.ledger.sales import SaleRepository
from app.sales.model import Sale
from app.sales.order import Order, parse_entry
from app.sales.outcomes import SoldOut
from app.settings import GateSettings
from app.strategies.dependencies import StrategyDependencies
from app.strategies.in_redis.keys import LIFE_SECONDS, RedisKeys
from app.strategies.in_redis.standalone_counter import StandaloneCounter
from app.strategies.lua_fire_and_forget import LuaFireAndForgetStrategy
from tests.fixtures.platform import MakePlatform
from tests.strategies.sale import create_sale, remaining, tally_of, won
from tests.support.crowd import Crowd
from tests.support.platform import Platform
from tests.support.rush import StoreAddresses
from tests.support.sales import a_purchase
from tests.support.until import until


class Patient(LuaFireAndForgetStrategy):
    """Its buyers wait for the broker, because an order whose buyer has given up may end with its process."""

    @classmethod
    def build(cls, dependencies: StrategyDependencies) -> Self:
        counter = StandaloneCounter(dependencies.redis, dependencies.gate_settings.key_prefix)
        publisher = OrderPublisher(dependencies.broker_url, publish_seconds=60.0)
        return cls(counter, publisher, SaleRepository(dependencies.engine))


async def booked(platform: Platform, customer: str) -> bool:
    rows = await platform.rows("SELECT 1 FROM bookings WHERE customer = :customer", customer=customer)
    return len(rows) == 1


async def test_a_crowd_is_sold_exactly_the_stock(
    make_platform: MakePlatform,
    crowd_processes: tuple[ProcessPoolExecutor, Barrier],
    addresses: StoreAddresses,
    repeats: int,
) -> None:
    platform = await make_platform(idle=("api-1", "reconcile"))
    sales = SaleRepository(platform.engine)

    async def all_are_booked(sale: Sale) -> None:
        async def booked() -> bool:
            return (await sales.tally(sale.name, sale.round)).booked == sale.terms.stock

        await until(booked, seconds=60)

    there = replace(
        addresses, redis_url=platform.stock.url, broker_url=platform.broker.url, key_prefix=GateSettings().key_prefix
    )
    for sold in await Crowd(*crowd_processes, there, repeats).rush(Patient, settle=all_are_booked):
        assert (sold.oversold, sold.undersold, sold.snapshot.remaining) == (0, 0, 0)
        assert len(sold.accepted) == 100
        assert {type(outcome) for outcome in sold.refused} == {SoldOut}


async def test_what_is_lost_with_the_api_and_with_the_broker_and_kept_by_a_worker(
    make_platform: MakePlatform, failpoints: FailpointController
) -> None:
    platform = await make_platform()
    sale = await platform.create_sale(stock=10, strategy="lua-fire-and-forget")

    # The API process dies between the decision and the publication, and the buyer asks again with the same key.
    failpoints.kill_at("after_decrement")
    with pytest.raises(HTTPError):
        await platform.buy(sale, "ada", "k")
    platform.kill("api-1")  # its sockets close before it has ended; this waits for its end
    platform.start("api-1")
    again = await platform.buy(sale, "ada", "k")
    assert (again.status_code, again.json()["replayed"]) == (200, True)

    # A worker's child dies with an order in hand. The broker still has the order, and another child books it.
    failpoints.kill_at("task_taken")
    assert (await platform.buy(sale, "bob", "k")).status_code == 200
    await until(lambda: booked(platform, "bob"))
    assert failpoints.happened("task_taken", "kill")

    # The broker dies with its queue while no worker runs.
    platform.kill("worker-1")
    assert (await platform.buy(sale, "eve", "k")).status_code == 200
    platform.broker.kill()
    platform.broker.start()
    platform.start("worker-1")
    assert (await platform.buy(sale, "fay", "k")).status_code == 200
    await until(lambda: booked(platform, "fay"))

    # A later order is booked. The orders of Ada and Eve were accepted and will never be booked.
    assert not await booked(platform, "ada")
    assert not await booked(platform, "eve")
    view = await platform.view(sale)
    assert (view["booked"], view["remaining"], view["undersold"]) == (2, 6, 2)
    reservation = (await platform.ask("GET", f"/reservations/{again.json()['reservation_id']}")).json()
    assert reservation["status"] == "pending"


async def test_a_broker_that_is_away_takes_the_order_along(dependencies: StrategyDependencies) -> None:
    strategy = LuaFireAndForgetStrategy.build(replace(dependencies, broker_url="redis://127.0.0.1:1/0"))
    sale = await create_sale(strategy, dependencies, stock=2)
    with pytest.raises(TemporarilyUnavailable, match="No worker will book"):
        await strategy.buy(a_purchase(key="k"))
    assert won(await strategy.buy(a_purchase(key="k"))).replayed  # a repeated request is still answered as accepted
    assert await remaining(strategy, sale) == 1
    await strategy.close()


async def test_an_order_that_comes_twice_is_booked_once(dependencies: StrategyDependencies) -> None:
    strategy = LuaFireAndForgetStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=2)
    sold = await StandaloneCounter(dependencies.redis, dependencies.gate_settings.key_prefix).sell(
        a_purchase(quantity=2)
    )
    assert sold is not None
    assert sold.order is not None
    sent = message(sold.order)
    order = parse_entry(sent["sale"], sent["entry"], sent["fields"])
    assert order == sold.order
    assert isinstance(order, Order)
    assert (await book_published(dependencies.engine, order)).booked == 1
    assert (await book_published(dependencies.engine, order)).known == 1
    assert (await tally_of(dependencies, sale)).booked == 2
    await strategy.close()


async def test_what_redis_forgot_is_sold_again_and_the_ledger_rejects_the_excess(
    dependencies: StrategyDependencies,
) -> None:
    strategy = LuaFireAndForgetStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=2)
    counter = StandaloneCounter(dependencies.redis, dependencies.gate_settings.key_prefix)
    first = await counter.sell(a_purchase("ada", quantity=2))
    await dependencies.redis.unlink(*RedisKeys(dependencies.gate_settings.key_prefix, "drop").standalone)
    assert await counter.sell(a_purchase("bob", quantity=2)) is None
    await strategy.prepare(sale)
    second = await counter.sell(a_purchase("bob", quantity=2))
    for sold in (first, second):
        assert sold is not None
        assert sold.order is not None
        await book_published(dependencies.engine, sold.order)
    tally = await tally_of(dependencies, sale)
    assert (tally.booked, tally.rejected) == (2, 2)
    await strategy.close()


async def test_a_counter_that_redis_forgot_is_made_from_the_ledger(dependencies: StrategyDependencies) -> None:
    strategy = LuaFireAndForgetStrategy.build(dependencies)
    sale = await create_sale(strategy, dependencies, stock=2)
    await dependencies.redis.unlink(*RedisKeys(dependencies.gate_settings.key_prefix, "drop").standalone)
    assert await strategy.snapshot(sale) is None
    won(await strategy.buy(a_purchase()))
    assert await remaining(strategy, sale) == 1
    await strategy.close()


async def test_late_terms_of_an_earlier_round_change_nothing(dependencies: StrategyDependencies) -> None:
    strategy = LuaFireAndForgetStrategy.build(dependencies)
    first = await create_sale(strategy, dependencies, stock=2)
    second = await SaleRepository(dependencies.engine).next_round("drop", 5)
    await strategy.prepare(second)
    await strategy.prepare(first)
    assert won(await strategy.buy(a_purchase())).reservation.round == 2
    assert await remaining(strategy, second) == 4
    await strategy.close()


async def test_all_its_keys_end_by_themselves(dependencies: StrategyDependencies) -> None:
    strategy = LuaFireAndForgetStrategy.build(dependencies)
    await create_sale(strategy, dependencies, customer_limit=4)
    won(await strategy.buy(a_purchase()))
    for key in RedisKeys(dependencies.gate_settings.key_prefix, "drop").standalone:
        assert 0 < await dependencies.redis.ttl(key) <= LIFE_SECONDS, key
    await strategy.close()
