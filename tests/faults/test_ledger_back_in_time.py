"""PostgreSQL fails over, in mid-sale, to an asynchronous standby that lacks the newest commits.

Their orders have left the stream; only the gate's answers still know them. Buyers and workers go on all the time. In
the end every buyer who was told "reserved" has a booking, and no ticket is sold again. If the stock server loses data
as well, what neither store has is lost, counted and named.
"""

import asyncio
import random
from collections.abc import Callable

import pytest

from app.blasts.load.result import ACCEPTED
from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.servers.valkey import ValkeyServer
from tests.faults.consistency import assert_consistent
from tests.faults.ledger_loss import (
    FIRST,
    LAST,
    MOST_LOST,
    RATE,
    STOCK,
    Failover,
    accepted,
    acknowledged_beyond,
    booked_on,
    fail_over,
    honoured,
    lose_commits,
    open_sale,
    seconds_until_exact,
)
from tests.faults.test_back_in_time import blindfold, promote, replicated
from tests.fixtures.platform import MakePlatform
from tests.fixtures.standby import MakeLedgerPair
from tests.support.platform import Platform, told
from tests.support.standby import LedgerPair
from tests.support.until import until

# A run takes 20 s: it starts two PostgreSQL servers and five processes, and sells for seven seconds.
IN_EVERY_TIER = 1
BUSY = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'atomictickets.%' AND state <> 'idle'"
SEEDS = [pytest.param(seed, marks=pytest.mark.thorough if seed >= IN_EVERY_TIER else ()) for seed in range(20)]
"""The moments of the failovers. The name of a test has its seed, with which it can be repeated."""


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_promoted_standby_that_lacks_commits_costs_no_buyer_a_ticket(
    seed: int, make_platform: MakePlatform, make_ledger_pair: MakeLedgerPair
) -> None:
    pair = make_ledger_pair()
    platform, sale = await open_sale(make_platform, pair)
    failover = await sell_through_failover(platform, pair, sale, seed)
    rebooked = await platform.rows("SELECT reservation_id FROM bookings WHERE sale = :sale AND rebooked", sale=sale)
    assert failover.forgotten <= {row.reservation_id for row in rebooked}


@pytest.mark.thorough
async def test_a_primary_that_falls_silent_costs_no_buyer_a_ticket_either(
    make_platform: MakePlatform, make_ledger_pair: MakeLedgerPair
) -> None:
    """Its connections stay open. It goes on later, and may commit what it had received: nobody reads that."""
    pair = make_ledger_pair()
    platform, sale = await open_sale(make_platform, pair)
    await sell_through_failover(platform, pair, sale, 0, silently=True)
    booked = await booked_on(pair.standby, sale)
    pair.thaw()
    await until(lambda: asyncio.to_thread(is_at_rest, pair.primary))
    assert await booked_on(pair.standby, sale) == booked


async def sell_through_failover(
    platform: Platform, pair: LedgerPair, sale: str, seed: int, *, silently: bool = False
) -> Failover:
    """Sell the sale out while the ledger fails over. Return what happened, once no buyer has lost a ticket."""
    async with platform.buyers(sale, rate=RATE) as load:
        failover = await lose_commits(platform, pair, sale, load, moments(seed), silently=silently)
        seconds = await seconds_until_exact(platform, sale, load, failover)
    print(f"seed {seed}: {len(failover.forgotten)} commits missing, exact {seconds:.1f} s after the promotion")
    crowd = load.result()
    view = await assert_consistent(platform, sale, crowd.records)
    assert (crowd.accepted, view["booked"], view["lost"]) == (STOCK, STOCK, 0)
    assert await sold_twice(platform, sale) == 0
    return failover


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_both_stores_lose_at_once_is_lost_and_named_and_nothing_else_is(
    seed: int,
    make_platform: MakePlatform,
    make_ledger_pair: MakeLedgerPair,
    make_valkey: Callable[..., ValkeyServer],
) -> None:
    """Each copy is cut off at a random moment of its own, one of them first. Orders after both are in neither."""
    moment = moments(seed)
    pair = make_ledger_pair()
    platform, sale = await open_sale(make_platform, pair)
    replica = make_valkey(replica_of=platform.stock)
    await replicated(platform.redis)
    cuts = [lambda: asyncio.to_thread(pair.hold_back), lambda: promote(replica)]
    moment.shuffle(cuts)
    async with platform.buyers(sale, rate=RATE) as load:
        await accepted(load, moment.randint(FIRST, LAST))
        await cuts[0]()
        await accepted(load, load.progress[ACCEPTED] + moment.randint(1, MOST_LOST))
        await cuts[1]()
        beyond = load.progress[ACCEPTED] + moment.randint(1, MOST_LOST)
        forgotten = await acknowledged_beyond(platform, pair, sale, moment.randint(1, MOST_LOST))
        await accepted(load, beyond)
        failover = await fail_over(platform, pair, sale, forgotten, replica)
        seconds = await seconds_until_exact(platform, sale, load, failover)
    lost = failover.lost(load)
    print(
        f"seed {seed}: {len(forgotten)} commits missing, {len(lost)} orders in neither store,"
        f" exact {seconds:.1f} s after the promotion"
    )
    crowd = load.result()
    view = await assert_consistent(platform, sale, crowd.records, lost=len(lost))
    assert told(load) - await honoured(platform, sale) == lost != set()
    assert (crowd.accepted, view["booked"], view["lost"]) == (STOCK + len(lost), STOCK, len(lost))


async def test_a_reconciler_that_believes_the_ledger_alone_sells_the_tickets_again(
    make_platform: MakePlatform, make_ledger_pair: MakeLedgerPair
) -> None:
    """The control: to it, tickets without a booking are free. The identity holds, and buyers have nothing."""
    pair = make_ledger_pair()
    platform, sale = await open_sale(make_platform, pair, environment=blindfold("ledger-loss"))
    async with platform.buyers(sale, rate=RATE) as load:
        failover = await lose_commits(platform, pair, sale, load, moments(0))
        await accepted(load, STOCK + len(failover.forgotten))
    view = await platform.settled(sale)
    assert (view["booked"], view["oversold"]) == (STOCK, 0)
    without = told(load) - await honoured(platform, sale)
    print(f"{len(failover.forgotten)} commits missing, {load.progress[ACCEPTED]} buyers told of {STOCK} tickets")
    assert failover.forgotten & told(load) <= without
    assert len(without) == load.progress[ACCEPTED] - STOCK


def is_at_rest(server: PostgresServer) -> bool:
    """Return whether no session of the installation has anything left to do."""
    return server.run_sql(BUSY) == "0"


def moments(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  keeps no secret


async def sold_twice(platform: Platform, sale: str) -> int:
    """Return how many tickets have two or more bookings, as the API shows it."""
    tickets = (await platform.ask("GET", f"/sales/{sale}/tickets")).json()
    assert sum(tickets["sold"]) == STOCK
    return sum(tickets["sold_twice"])
