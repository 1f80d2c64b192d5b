"""Under the naive strategy each version that several purchases overwrite leaves witnesses; with its row locked, none.

There is one witness for each writer of a version after the first.
"""

import asyncio
import secrets

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.attempts import AttemptRepository
from app.ledger.sales import SaleRepository
from app.races.recorder import AttemptRecorder
from app.sales.attempt import Hazard, RecordedAttempt, Witness
from app.sales.model import Purchase
from app.sales.outcomes import Outcome, Reserved
from app.strategies.naive import NaiveStrategy
from tests.support.locked_naive import LockedNaive
from tests.support.rows import terms

STOCK, CROWD = 5, 20


@pytest.fixture
async def engine(engine: AsyncEngine) -> AsyncEngine:
    """Return the engine with its connections already open, so that the race does not wait for them."""
    for connection in [await engine.connect() for _ in range(CROWD)]:
        await connection.close()
    return engine


async def rush(engine: AsyncEngine, kind: type[NaiveStrategy], *, customers: int = CROWD) -> list[Outcome]:
    """Send a crowd to two instances of the strategy, as in two processes, and return its outcomes.

    All evidence is in the ledger when this returns.
    """
    recorders = [AttemptRecorder(engine), AttemptRecorder(engine)]
    strategies = [kind(engine, recorder) for recorder in recorders]
    outcomes = await asyncio.gather(
        *(
            strategies[number % 2].buy(
                Purchase("drop", f"c-{number % customers}", secrets.token_hex(8), 1, secrets.token_hex(8))
            )
            for number in range(CROWD)
        )
    )
    for recorder in recorders:
        await recorder.close()
    return outcomes


async def evidence(engine: AsyncEngine) -> tuple[list[RecordedAttempt], list[Witness]]:
    attempts = AttemptRepository(engine)
    return await attempts.attempts("drop", 1, limit=1000), await attempts.witnesses("drop", 1, limit=1000)


async def test_each_purchase_leaves_its_window_and_each_writer_too_many_is_named(engine: AsyncEngine) -> None:
    await SaleRepository(engine).create(terms(strategy="naive", stock=STOCK, think_ms=50), guarded=False)
    outcomes = await rush(engine, NaiveStrategy)
    attempts, witnesses = await evidence(engine)
    booked = {str(outcome.reservation) for outcome in outcomes if isinstance(outcome, Reserved)}
    assert {attempt.reservation_id for attempt in attempts} == booked
    assert len(attempts) == len(booked) > STOCK
    assert all(attempt.value_written == attempt.value_read - 1 for attempt in attempts)
    assert len({attempt.version_written for attempt in attempts}) == len(attempts)
    assert len(witnesses) == len(attempts) - len({attempt.version_read for attempt in attempts}) > 0
    assert {witness.hazard for witness in witnesses} == {Hazard.LOST_UPDATE}


async def test_with_the_row_locked_nobody_reads_what_another_has_read(engine: AsyncEngine) -> None:
    await SaleRepository(engine).create(terms(strategy="naive", stock=STOCK, think_ms=1), guarded=False)
    outcomes = await rush(engine, LockedNaive)
    attempts, witnesses = await evidence(engine)
    assert len(attempts) == sum(isinstance(outcome, Reserved) for outcome in outcomes) == STOCK
    assert witnesses == []
    chain = sorted(attempts, key=lambda attempt: -attempt.value_read)
    assert [later.version_read for later in chain[1:]] == [earlier.version_written for earlier in chain[:-1]]


async def test_a_limit_that_two_purchases_pass_at_once_is_a_write_skew(engine: AsyncEngine) -> None:
    await SaleRepository(engine).create(
        terms(strategy="naive", stock=100, think_ms=50, customer_limit=1), guarded=False
    )
    outcomes = await rush(engine, NaiveStrategy, customers=2)
    _, witnesses = await evidence(engine)
    skewed = [witness for witness in witnesses if witness.hazard is Hazard.WRITE_SKEW]
    assert len(skewed) == sum(isinstance(outcome, Reserved) for outcome in outcomes) - 2 > 0
    assert {witness.first.guards for witness in skewed} == {"customer:c-0", "customer:c-1"}
    assert all(witness.first.version_read == "0" and witness.second.value_read == 0 for witness in skewed)


async def test_one_after_another_they_leave_windows_and_no_witness(engine: AsyncEngine) -> None:
    await SaleRepository(engine).create(
        terms(strategy="naive", stock=STOCK, think_ms=0, customer_limit=2), guarded=False
    )
    recorder = AttemptRecorder(engine)
    strategy = NaiveStrategy(engine, recorder)
    for number in range(STOCK + 3):
        await strategy.buy(Purchase("drop", f"c-{number % 3}", f"k-{number}", 1, secrets.token_hex(8)))
    await recorder.close()
    attempts, witnesses = await evidence(engine)
    assert (len(attempts), witnesses) == (2 * STOCK, [])
