"""The stock server dies, is full, or may not write. Buyers have to wait, and no answer that they got is lost."""

from httpx2 import Response

from tests.faults.consistency import assert_consistent
from tests.fixtures.platform import MakePlatform
from tests.support.platform import PLENTY, Platform
from tests.support.until import until


def assert_come_back_later(response: Response) -> None:
    """Assert that the response is a 503 problem document with Retry-After."""
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
    assert int(response.headers["retry-after"]) >= 1


async def buy_until(platform: Platform, sale: str, customer: str, key: str, status: int) -> Response:
    """Repeat the purchase, as Retry-After asks a buyer to, until it gets this status. Return that answer."""
    answers: list[Response] = []

    async def answered() -> bool:
        answers[:] = [await platform.buy(sale, customer, key)]
        if answers[0].status_code != status:
            assert_come_back_later(answers[0])
        return answers[0].status_code == status

    await until(answered)
    return answers[0]


async def test_a_stock_server_killed_in_mid_sale_forgets_nothing(make_platform: MakePlatform) -> None:
    platform = await make_platform(api=2)
    sale = await platform.create_sale(stock=PLENTY)
    before = platform.pids
    async with platform.buyers(sale) as load:
        platform.stock.kill()
        assert_come_back_later(await platform.buy(sale, "ada", "key"))
        platform.stock.start()
    crowd = load.result()
    assert crowd.retried > 0
    assert crowd.outcomes == {"accepted": crowd.sent}
    view = await assert_consistent(platform, sale, crowd.records, lost=0)
    assert view["booked"] == crowd.sent
    assert view["epoch"] > 1  # it was recounted
    assert platform.pids == before  # and no process was restarted


async def test_without_a_log_of_its_own_a_killed_stock_server_forgets_what_was_not_booked(
    make_platform: MakePlatform,
) -> None:
    """The control: with appendonly off, orders are lost. They are noticed, counted and named, and not sold twice."""
    platform = await make_platform(appendfsync="off", idle=("worker-1",))
    sale = await platform.create_sale(stock=30)
    crowd = await platform.blast(sale, 20)
    assert crowd.accepted == 20
    platform.stock.kill()
    platform.stock.start()
    platform.start("worker-1")
    late = await platform.blast(sale, 40)
    assert (late.accepted, late.sold_out) == (30, 10)
    view = await assert_consistent(platform, sale, [*crowd.records, *late.records], lost=20)
    assert view["booked"] == 30


async def test_a_full_stock_server_refuses_buyers_and_remembers_winners(make_platform: MakePlatform) -> None:
    platform = await make_platform(idle=("reconcile",))
    sale = await platform.create_sale_of_first_epoch(stock=30)
    crowd = await platform.blast(sale, 10)
    await platform.redis.config_set("maxmemory", "1")
    assert_come_back_later(await platform.buy(sale, "late", "key"))
    winner = await platform.buy(sale, crowd.records[0].customer, crowd.records[0].key)
    assert (winner.status_code, winner.json()["replayed"]) == (200, True)
    assert (await platform.settled(sale))["remaining"] == 20  # the accepted orders are booked by now
    await platform.redis.config_set("maxmemory", "0")
    assert (await platform.buy(sale, "late", "key")).json()["replayed"] is False
    rest = await platform.blast(sale, 30)
    assert (rest.accepted, rest.sold_out) == (19, 11)
    view = await assert_consistent(platform, sale, [*crowd.records, *rest.records])
    assert (view["booked"], view["epoch"]) == (30, 1)


async def test_a_stock_server_that_may_not_write_refuses_buyers_and_recovers(make_platform: MakePlatform) -> None:
    platform = await make_platform()
    sale = await platform.create_sale(stock=30)
    crowd = await platform.blast(sale, 10)
    await platform.redis.replicaof("127.0.0.1", "1")  # no server listens at this address
    assert_come_back_later(await platform.buy(sale, "late", "key"))
    await platform.redis.replicaof("NO", "ONE")
    assert (await buy_until(platform, sale, "late", "key", 200)).json()["replayed"] is False
    rest = await platform.blast(sale, 30)
    assert (rest.accepted, rest.sold_out) == (19, 11)
    view = await assert_consistent(platform, sale, [*crowd.records, *rest.records])
    assert view["booked"] == 30
