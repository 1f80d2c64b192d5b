"""The stock server loses data: it is flushed, its log is cut short, or a replica that lagged behind takes over.

Each time the sale is fenced, recounted from the ledger and opened again without help. No ticket is sold twice.
Reservations that were promised and then lost are counted from the answers that the API processes gave.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.blasts.load.result import PurchaseRecord
from app.lab.stack.servers.valkey import ValkeyServer
from tests.faults.consistency import assert_consistent
from tests.fixtures.platform import MakePlatform
from tests.support.platform import PLENTY, Platform
from tests.support.until import until

STOCK = 40


async def book_all(platform: Platform, sale: str) -> None:
    """Let the worker empty the stream, and then kill it, so that nothing more is booked."""
    platform.start("worker-1")

    async def drained() -> bool:
        return await platform.redis.xlen(platform.gate.keys(sale).orders) == 0

    await until(drained)
    platform.kill("worker-1")


async def reopened(platform: Platform, sale: str, epoch: int) -> None:
    """Wait until the sale sells again under an epoch newer than `epoch`."""

    async def sells() -> bool:
        view = await platform.view(sale)
        return view["epoch"] > epoch and view["phase"] in ("Open", "SoldOut")

    await until(sells)


async def assert_winners_keep_what_they_have(platform: Platform, sale: str, booked: list[PurchaseRecord]) -> None:
    """Assert that answers and limits were rebuilt: the same key has the same ticket, and another key gets none."""
    for each in booked:
        again = await platform.buy_when_served(sale, each.customer, each.key)
        assert (again.status_code, again.json()["replayed"]) == (200, True)
        assert again.json()["reservation_id"] == each.reservation_id
        more = await platform.buy_when_served(sale, each.customer, "another-key")
        assert (more.status_code, more.json()["type"]) == (409, "/problems/customer-limit")


async def finish(
    platform: Platform, sale: str, *, kept: list[PurchaseRecord], lost: list[PurchaseRecord], key_prefix: str
) -> None:
    """Sell the rest of the sale, and assert that everything adds up.

    Buyers whose reservation was lost ask again with their key and get one ticket; later buyers get the rest.
    """
    await assert_winners_keep_what_they_have(platform, sale, kept[:3])
    again = await platform.blast(sale, len(lost), key_prefix=key_prefix)
    assert (again.accepted, again.replayed) == (len(lost), 0)
    twice = await platform.blast(sale, len(lost), key_prefix=key_prefix)
    assert (twice.accepted, twice.replayed) == (len(lost), len(lost))
    late = await platform.blast(sale, STOCK)
    assert late.accepted == STOCK - len(kept) - len(lost)
    platform.start("worker-1")
    records = [*kept, *lost, *again.records, *twice.records, *late.records]
    view = await assert_consistent(platform, sale, records, lost=len(lost))
    assert (view["booked"], view["rejected"], view["duplicates"]) == (STOCK, 0, 0)
    assert (await platform.view(sale))["lost"] == len(lost)


async def test_a_flushed_stock_server_is_rebuilt_and_the_loss_is_named(make_platform: MakePlatform) -> None:
    platform = await make_platform(api=2, idle=("worker-1",))
    sale = await platform.create_sale(stock=STOCK, customer_limit=1)
    booked = await platform.blast(sale, 10)
    await book_all(platform, sale)
    waiting = await platform.blast(sale, 8, key_prefix="unlucky")
    assert (booked.accepted, waiting.accepted) == (10, 8)
    epoch = (await platform.view(sale))["epoch"]
    await platform.redis.flushall()
    await reopened(platform, sale, epoch)
    await finish(platform, sale, kept=[*booked.records], lost=[*waiting.records], key_prefix="unlucky")


async def test_a_log_cut_short_is_noticed_and_the_loss_is_named(make_platform: MakePlatform) -> None:
    """The cut removes four orders that are booked and three that are not. It brings back five that are booked."""
    platform = await make_platform(api=2, idle=("worker-1",))
    sale = await platform.create_sale(stock=STOCK, customer_limit=1)
    back = await platform.blast(sale, 5)
    barrier = log_of(platform.stock).stat().st_size
    ahead = await platform.blast(sale, 4)
    await book_all(platform, sale)
    gone = await platform.blast(sale, 3, key_prefix="unlucky")
    epoch = (await platform.view(sale))["epoch"]
    platform.stock.kill()
    cut(platform.stock, barrier)
    platform.stock.start()
    assert await platform.redis.xlen(platform.gate.keys(sale).orders) == 5
    await reopened(platform, sale, epoch)
    kept = [*back.records, *ahead.records]
    await finish(platform, sale, kept=kept, lost=[*gone.records], key_prefix="unlucky")


async def test_a_failover_to_a_replica_that_lagged_is_noticed_and_the_loss_is_named(
    make_platform: MakePlatform, make_valkey: Callable[..., ValkeyServer]
) -> None:
    platform = await make_platform(api=2, idle=("worker-1",))
    sale = await platform.create_sale(stock=STOCK, customer_limit=1)
    epoch = (await platform.view(sale))["epoch"]
    kept, lost = await fail_over(platform, sale, make_valkey)
    await reopened(platform, sale, epoch)
    await finish(platform, sale, kept=kept, lost=lost, key_prefix="unlucky")


async def test_where_the_server_hides_who_it_is_the_numbers_tell_of_a_failover(
    make_platform: MakePlatform, make_valkey: Callable[..., ValkeyServer]
) -> None:
    platform = await make_platform(idle=("worker-1",), environment=blindfold("run-id"))
    sale = await platform.create_sale(stock=STOCK)
    kept, lost = await fail_over(platform, sale, make_valkey)
    late = await platform.blast(sale, STOCK)
    assert late.accepted == STOCK - len(kept)
    platform.start("worker-1")
    view = await assert_consistent(platform, sale, [*kept, *lost, *late.records], lost=len(lost))
    assert view["epoch"] > 1


async def test_a_failover_that_nobody_notices_leaves_buyers_with_nothing(
    make_platform: MakePlatform, make_valkey: Callable[..., ValkeyServer]
) -> None:
    """The control, with run id and numbers hidden: all looks well, but more tickets were promised than exist."""
    platform = await make_platform(idle=("worker-1", "reconcile"), environment=blindfold("run-id numbers"))
    sale = await platform.create_sale_of_first_epoch(stock=STOCK)
    kept, lost = await fail_over(platform, sale, make_valkey)
    late = await platform.blast(sale, STOCK)
    platform.start("worker-1")
    view = await platform.settled(sale)
    assert (view["epoch"], view["booked"], view["oversold"]) == (1, STOCK, 0)
    assert len(kept) + len(lost) + late.accepted == STOCK + len(lost)
    for each in lost:
        assert (await platform.ask("GET", f"/reservations/{each.reservation_id}")).status_code == 404


async def fail_over(
    platform: Platform, sale: str, make_valkey: Callable[..., ValkeyServer]
) -> tuple[list[PurchaseRecord], list[PurchaseRecord]]:
    """Kill the stock server and put a replica without the last four orders in its place.

    Return the answers about orders that the replica has, and those about orders that it lacks.
    """
    replica = make_valkey(replica_of=platform.stock)
    booked = await platform.blast(sale, 6)
    await book_all(platform, sale)
    waiting = await platform.blast(sale, 5)
    await replicated(platform.redis)
    await promote(replica)
    gone = await platform.blast(sale, 4, key_prefix="unlucky")
    assert (booked.accepted, waiting.accepted, gone.accepted) == (6, 5, 4)
    platform.stock.kill()
    await take_over(replica, platform.stock.port)
    return [*booked.records, *waiting.records], [*gone.records]


def blindfold(hidden: str) -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).with_name("blindfold")), "BLINDFOLD": hidden}


@pytest.mark.parametrize("loss", ["flushed", "cut"])
async def test_forgetting_among_buyers_and_workers_adds_up_as_well(make_platform: MakePlatform, loss: str) -> None:
    """The number of lost reservations is not known beforehand, but each one is either booked or named as lost."""
    platform = await make_platform(api=2)
    sale = await platform.create_sale(stock=PLENTY)
    barrier = log_of(platform.stock).stat().st_size
    async with platform.buyers(sale) as load:
        if loss == "flushed":
            await platform.redis.flushall()
        else:
            platform.stock.kill()
            cut(platform.stock, (barrier + log_of(platform.stock).stat().st_size) // 2)
            platform.stock.start()
    crowd = load.result()
    assert crowd.outcomes == {"accepted": crowd.sent}
    view = await assert_consistent(platform, sale, crowd.records, lost=None)
    assert view["epoch"] > 1
    assert view["booked"] <= crowd.sent


async def replicated(primary: "Redis") -> None:
    """Return when the replica has everything that was written to the primary so far."""
    async with primary.pipeline(transaction=False) as one_connection:  # WAIT covers the writes of its own connection
        one_connection.set("barrier", "1")
        one_connection.wait(1, 20_000)
        assert (await one_connection.execute())[1] == 1


async def promote(replica: ValkeyServer) -> None:
    async with Redis.from_url(replica.url) as client:
        await client.replicaof("NO", "ONE")


async def take_over(replica: ValkeyServer, port: int) -> None:
    """Let the replica listen at the stock server's port, so that clients of the stock server find it."""
    async with Redis.from_url(replica.url) as client:
        await client.config_set("port", port)


def cut(server: ValkeyServer, at: int) -> None:
    """Cut the log at this offset, as a power failure does if the disk lost writes that it had confirmed."""
    with log_of(server).open("r+b") as log:
        log.truncate(at)


def log_of(server: ValkeyServer) -> Path:
    """Return the file to which the server appends every write."""
    (log,) = server.home.glob("appendonlydir/*.incr.aof")
    return log
