"""One process of a crowd: its own event loop, engine and strategy, without HTTP. See tests/support/crowd.py."""

import asyncio
import secrets
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Barrier

from app.drain.hints import Hints
from app.errors import TemporarilyUnavailable
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.ledger.engine import make_engine
from app.sales.model import Purchase
from app.sales.outcomes import Outcome, Reserved
from app.strategies.contention import Contention
from app.strategies.dependencies import RegisteredStrategy, StrategyDependencies
from tests.support.patience import PATIENT_GATE, PATIENT_LEDGER
from tests.support.warm import warm_up

MAX_TRIES = 500  # of one buyer; contention alone does not take more
WARM_CONNECTIONS = 4  # of each process: limits the purchases under way at once, and the tries that lose to each winner


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddresses:
    """The addresses of the stores, and the prefix of this test's keys."""

    database_url: str
    redis_url: str
    broker_url: str
    key_prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyers:
    """One process's share of the crowd, which buys in each of the sales, one after another."""

    sales: Sequence[str]
    customers: Sequence[str]
    quantity: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers to the buyers of one process in one sale. `contended` counts the tries that ended in Contention."""

    accepted: Sequence[Reserved]
    refused: Sequence[Outcome]
    contended: int


_starts: list[Barrier] = []


def share_start(barrier: Barrier) -> None:
    """Make the processes of a pool wait for each other before each sale."""
    _starts[:] = [barrier]


def rush(strategy: type[RegisteredStrategy], addresses: StoreAddresses, buyers: Buyers) -> list[Answers]:
    """Send all buyers at once to one sale after another, in step with the other processes of the crowd.

    This runs in a process of its own. Raise RuntimeError with the traceback if anything fails.
    """
    try:
        return asyncio.run(_rush(strategy, addresses, buyers))
    except Exception:  # noqa: BLE001  every error is reported to the process of the test
        _starts[0].abort()  # the other processes must not wait for this one
        # The pool pickles an error with its message alone, and our own errors cannot be built from that.
        raise RuntimeError(traceback.format_exc()) from None


async def _rush(strategy: type[RegisteredStrategy], addresses: StoreAddresses, buyers: Buyers) -> list[Answers]:
    async with dependencies_at(addresses) as dependencies, selling(strategy, dependencies) as instance:
        answers = []
        for sale in buyers.sales:
            await asyncio.to_thread(_starts[0].wait, 60)
            answers.append(await _sell(instance, sale, buyers))
        return answers


@asynccontextmanager
async def dependencies_at(addresses: StoreAddresses) -> AsyncIterator[StrategyDependencies]:
    """Yield the dependencies of a strategy, in a process that has no fixtures."""
    engine = make_engine(addresses.database_url, "test", PATIENT_LEDGER, pool_size=WARM_CONNECTIONS)
    settings = PATIENT_GATE.model_copy(update={"key_prefix": addresses.key_prefix})
    redis = make_redis(addresses.redis_url, "test", settings)
    hints = Hints(addresses.broker_url)
    try:
        yield StrategyDependencies(
            engine=engine,
            redis=redis,
            gate=Gate(redis, addresses.key_prefix),
            hints=hints,
            broker_url=addresses.broker_url,
            gate_settings=settings,
        )
    finally:
        await hints.close()
        await redis.aclose()
        await engine.dispose()


@asynccontextmanager
async def selling(
    strategy: type[RegisteredStrategy], dependencies: StrategyDependencies
) -> AsyncIterator[RegisteredStrategy]:
    """Yield an instance of the strategy, with as many connections to the ledger open as purchases run at once."""
    instance = strategy.build(dependencies)
    await warm_up(dependencies.engine, WARM_CONNECTIONS)
    try:
        yield instance
    finally:
        await instance.close()


async def _sell(instance: RegisteredStrategy, sale: str, buyers: Buyers) -> Answers:
    contended = 0

    async def buy(customer: str) -> Outcome:
        """Buy with one key, and repeat it as a client should until the outcome is known."""
        nonlocal contended
        key = secrets.token_hex(8)
        for _ in range(MAX_TRIES):
            try:
                return await instance.buy(Purchase(sale, customer, key, buyers.quantity, secrets.token_hex(8)))
            except Contention:
                contended += 1
            except TemporarilyUnavailable:
                await asyncio.sleep(0.05)  # a client's pause before it tries again; the test waits for nothing here
        raise AssertionError(f"{customer} was sent away {MAX_TRIES} times")

    outcomes = await asyncio.gather(*(buy(customer) for customer in buyers.customers))
    return Answers(
        accepted=[outcome for outcome in outcomes if isinstance(outcome, Reserved)],
        refused=[outcome for outcome in outcomes if not isinstance(outcome, Reserved)],
        contended=contended,
    )
