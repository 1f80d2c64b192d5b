"""A race against a service that is already running, with and without access to its stores."""

from app.lab.race.plain_race import race_all
from app.lab.race.target import given_target
from app.lab.race.workload import Workload
from app.settings import GivenStores
from app.strategies.conditional_update import ConditionalUpdateStrategy
from tests.fixtures.platform import MakePlatform

SMALL = Workload(stock=5, requests=20, concurrency=10, think_ms=0)


async def test_a_race_without_the_addresses_of_the_stores_leaves_out_their_figures(
    make_platform: MakePlatform, database_url: str
) -> None:
    platform = await make_platform(idle=("worker-1", "reconcile"))
    known = GivenStores(database_url=database_url, redis_url=platform.stock.url)
    for stores in (known, GivenStores.model_construct()):
        outcome = await race_all(
            given_target(platform.url, stores), [ConditionalUpdateStrategy], SMALL, repeat=1, say=print
        )
        (entry,) = outcome.entries
        (run,) = entry.runs
        assert (run.sold, run.oversold, run.undersold, run.errors) == (5, 0, 0, 0)
        assert entry.kept_its_promise
        is_known = stores is known
        assert [run.connections is not None, run.redis_reads is not None, run.seconds_to_consistent is not None] == [
            is_known
        ] * 3
        assert bool(outcome.history.bookings) == is_known
