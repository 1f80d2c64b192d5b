"""What is checked before a race against a running service: a race without evidence would accuse every strategy."""

import asyncpg
from redis.exceptions import RedisError

from app.errors import AtomicTicketsError
from app.lab.race.failures import reason
from app.lab.race.ledger import connected, knows
from app.lab.race.samples import redis_counters
from app.lab.race.stage import staged
from app.lab.race.target import Target
from app.lab.race.workload import Contestant, Workload
from app.strategies.dependencies import RegisteredStrategy

PROBE = Workload(stock=1)


class UnusableStore(AtomicTicketsError):
    """A store that the environment names cannot be read, or the ledger is not that of the service."""

    status, slug, title = 409, "unusable-store", "Unusable Store"


async def refuse_unusable(target: Target, strategy: type[RegisteredStrategy]) -> None:
    """Create a sale and end it, and look for it in the ledger that the race would read.

    Raise ApiUnreachable or ApiRefused, which name the service's address, NotInTime, or UnusableStore.
    """
    contestant = Contestant(strategy)  # a new name: another ledger may know the sale of an earlier race
    async with staged(target, contestant, PROBE):
        if target.database_url is not None:
            await refuse_other_ledger(target, contestant.sale)
    if target.redis_url is not None:
        try:
            await redis_counters(target.redis_url)
        except (OSError, RedisError, ValueError) as error:
            raise UnusableStore(f"REDIS_URL: the server cannot be read: {reason(error)}.") from error


async def refuse_other_ledger(target: Target, sale: str) -> None:
    """Raise UnusableStore if the ledger does not know the sale: it would have no booking, and all would seem lost."""
    try:
        async with connected(target) as connection:
            known = await knows(connection, sale)
    except asyncpg.UndefinedTableError:
        known = False
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UnusableStore(f"DATABASE_URL: the ledger cannot be read: {reason(error)}.") from error
    if not known:
        raise UnusableStore(
            f"The ledger at DATABASE_URL, schema {target.ledger_schema}, does not know the sale that {target.api_url}"
            " has just created, so it cannot judge it. Set DATABASE_URL and LEDGER_SCHEMA_NAME as the service has them."
        )
