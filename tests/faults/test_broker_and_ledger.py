"""The sale goes on without the broker or the ledger, and accepted orders are booked as soon as that is possible."""

from collections.abc import Callable

from app.gate.keys import GROUP
from app.lab.stack.servers.postgres import PostgresServer
from app.ledger.migrate import migrate
from app.settings import DrainSettings
from tests.faults.consistency import assert_consistent
from tests.fixtures.platform import MakePlatform
from tests.support.patience import PATIENCE
from tests.support.platform import PLENTY
from tests.support.until import until


async def test_a_whole_sale_without_a_broker_is_booked_by_the_sweep(make_platform: MakePlatform) -> None:
    platform = await make_platform(api=2, idle=("reconcile",), environment=PATIENCE)
    platform.broker.kill()
    sale = await platform.create_sale_of_first_epoch(stock=300)
    crowd = await platform.blast(sale, 400, concurrency=100, retries=0, reply_seconds=30.0)
    assert crowd.outcomes == {"accepted": 300, "sold-out": 100}
    view = await assert_consistent(platform, sale, crowd.records)
    assert view["booked"] == 300
    await until(lambda: "the broker is away" in platform.log("api-1") + platform.log("api-2"))


async def test_a_ledger_that_is_away_for_a_while_costs_no_order(
    make_postgres: Callable[..., PostgresServer], make_platform: MakePlatform
) -> None:
    """Each order is read more often than a poison entry may be tried, and yet none is set aside."""
    postgres = make_postgres()
    await migrate(postgres.url)
    platform = await make_platform(postgres.url)
    sale = await platform.create_sale(stock=PLENTY)
    orders = platform.gate.keys(sale).orders

    async def read_too_often() -> bool:
        await platform.buy(sale, "hinting", f"key-{await platform.accepted(sale)}")  # each acceptance makes a hint due
        if not await platform.redis.xinfo_groups(orders):
            return False  # no worker has drained the sale yet
        pending = await platform.redis.xpending_range(orders, GROUP, "-", "+", 1)
        return bool(pending) and int(pending[0]["times_delivered"]) > DrainSettings().poison_tries

    async with platform.buyers(sale) as load:
        postgres.kill()
    crowd = load.result()
    assert crowd.outcomes == {"accepted": crowd.sent}
    await until(read_too_often)
    postgres.start()
    view = await assert_consistent(platform, sale, crowd.records)
    assert view["rejected"] == 0
    assert view["booked"] >= crowd.sent
    assert await platform.rows("SELECT * FROM set_aside") == []
