"""An API process that is killed while buyers use it loses no order."""

import os
import signal

from tests.faults.consistency import assert_consistent
from tests.fixtures.platform import MakePlatform
from tests.support.platform import PLENTY, WELL_UNDER_WAY, answered
from tests.support.until import until


async def test_an_api_process_killed_in_mid_blast_loses_no_order(make_platform: MakePlatform) -> None:
    platform = await make_platform(api=2)
    sale = await platform.create_sale(stock=PLENTY)
    async with platform.buyers(sale) as load:
        # Stopped first: on a busy machine a process could answer all of its buyers between their requests and its end.
        os.kill(platform.pids["api-1"], signal.SIGSTOP)
        served = answered(load)
        await until(lambda: answered(load) >= served + WELL_UNDER_WAY)  # by the other one, so its own buyers wait
        platform.kill("api-1")
    crowd = load.result()
    assert crowd.retried > 0, "nobody was waiting for the process that died"
    assert crowd.outcomes == {"accepted": crowd.sent}
    view = await assert_consistent(platform, sale, crowd.records)
    assert (view["booked"], view["duplicates"]) == (crowd.sent, 0)

    platform.start("api-1")
    again = await platform.buy_when_served(sale, crowd.records[0].customer, crowd.records[0].key)
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    assert again.json()["reservation_id"] == crowd.records[0].reservation_id


async def test_asking_again_with_another_key_buys_twice(make_platform: MakePlatform) -> None:
    """The control: asking again is safe only with the same key."""
    platform = await make_platform()
    sale = await platform.create_sale(stock=10)
    first = await platform.buy_when_served(sale, "ada", "key-1")
    platform.kill("api-1")  # the buyer may not have seen the answer
    platform.start("api-1")
    second, third = [await platform.buy_when_served(sale, "ada", key) for key in ("key-1", "key-2")]
    assert first.json()["reservation_id"] == second.json()["reservation_id"] != third.json()["reservation_id"]
    assert (await platform.settled(sale))["booked"] == 2
