"""Blasts are limited in number, claimed by one runner each, cancelled, and ended if their runner dies."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger.blasts import MAX_OPEN, Blast, BlastRepository, TooManyBlasts, UnknownBlast
from app.ledger.sales import SaleRepository
from app.sales.model import UnknownSale
from tests.support.rows import terms


@pytest.fixture
async def blasts(engine: AsyncEngine, sales: SaleRepository) -> BlastRepository:
    await sales.create(terms(), guarded=True)
    return BlastRepository(engine)


async def queue(blasts: BlastRepository, **options: Any) -> Blast:
    options = {"requests": 100, "concurrency": 10, "customers": None, "quantity": 1, "retries": 0} | options
    return await blasts.create("drop", **options)


async def last_sign(engine: AsyncEngine, seconds_ago: float) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE blasts SET heartbeat_at = now() - make_interval(secs => :ago)"), {"ago": seconds_ago}
        )


async def test_a_blast_is_queued_as_asked(blasts: BlastRepository) -> None:
    blast = await queue(blasts, customers=7, quantity=2, retries=3)
    assert (blast.sale, blast.requests, blast.concurrency, blast.customers) == ("drop", 100, 10, 7)
    assert (blast.quantity, blast.retries, blast.state, blast.cancel_asked) == (2, 3, "queued", False)
    assert await blasts.get(blast.id) == blast


async def test_a_blast_needs_a_sale(blasts: BlastRepository) -> None:
    with pytest.raises(UnknownSale):
        await blasts.create("nothing", requests=1, concurrency=1, customers=None, quantity=1, retries=0)


async def test_creators_that_race_stay_within_the_bound(blasts: BlastRepository) -> None:
    outcomes = await asyncio.gather(*(queue(blasts) for _ in range(MAX_OPEN + 4)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, TooManyBlasts)]
    assert len(refused) == 4
    assert sum(isinstance(outcome, Blast) for outcome in outcomes) == MAX_OPEN
    assert all(outcome.retry_after_seconds for outcome in refused)


async def test_a_blast_that_ended_makes_room(blasts: BlastRepository) -> None:
    queued = [await queue(blasts) for _ in range(MAX_OPEN)]
    await blasts.request_cancel(queued[0].id)
    await queue(blasts)
    with pytest.raises(TooManyBlasts):
        await queue(blasts)


async def test_runners_that_race_claim_each_blast_once_oldest_first(blasts: BlastRepository) -> None:
    queued = [(await queue(blasts)).id for _ in range(3)]
    claims = await asyncio.gather(*(blasts.claim(f"runner-{count}") for count in range(5)))
    claimed = [claim for claim in claims if claim is not None]
    assert sorted(claim.id for claim in claimed) == sorted(queued)
    assert {claim.state for claim in claimed} == {"running"}
    assert await blasts.claim("late") is None

    first, second = [(await queue(blasts)).id for _ in range(2)]
    in_turn = [await blasts.claim("alone"), await blasts.claim("alone")]
    assert [claim and claim.id for claim in in_turn] == [first, second]


async def test_a_queued_blast_is_cancelled_at_once(blasts: BlastRepository) -> None:
    blast = await blasts.request_cancel((await queue(blasts)).id)
    assert (blast.state, blast.cancel_asked) == ("cancelled", True)
    assert blast.finished_at is not None
    assert await blasts.claim("runner") is None


async def test_a_running_blast_learns_that_it_is_cancelled(blasts: BlastRepository) -> None:
    blast = await queue(blasts)
    await blasts.claim("runner")
    assert not await blasts.should_stop(blast.id)
    assert (await blasts.request_cancel(blast.id)).state == "running"
    assert await blasts.should_stop(blast.id)
    assert await blasts.finish(blast.id, "cancelled", {"sent": 3})
    assert (await blasts.get(blast.id)).result == {"sent": 3}


async def test_a_blast_ends_once(blasts: BlastRepository) -> None:
    blast = await queue(blasts)
    await blasts.claim("runner")
    assert await blasts.finish(blast.id, "finished", {"accepted": 10})
    assert not await blasts.finish(blast.id, "aborted", {})
    ended = await blasts.request_cancel(blast.id)
    assert (ended.state, ended.cancel_asked, ended.result) == ("finished", False, {"accepted": 10})


async def test_a_blast_whose_runner_died_ends_with_what_was_measured(
    blasts: BlastRepository, engine: AsyncEngine
) -> None:
    blast = await queue(blasts)
    await blasts.claim("runner")
    assert await blasts.progress(blast.id, {"sent": 41})
    await last_sign(engine, seconds_ago=60)
    assert await blasts.abandon_stale(30) == 1
    aborted = await blasts.get(blast.id)
    assert (aborted.state, aborted.result) == ("aborted", {"sent": 41})
    assert await blasts.should_stop(blast.id)
    assert not await blasts.progress(blast.id, {"sent": 42})


async def test_a_sign_of_life_keeps_a_blast_running(blasts: BlastRepository, engine: AsyncEngine) -> None:
    blast = await queue(blasts)
    await blasts.claim("runner")
    await last_sign(engine, seconds_ago=60)
    await blasts.progress(blast.id, {})
    assert await blasts.abandon_stale(30) == 0
    assert (await blasts.get(blast.id)).state == "running"


async def test_an_unknown_blast_is_an_error(blasts: BlastRepository) -> None:
    for ask in (blasts.get("0"), blasts.request_cancel("0")):
        with pytest.raises(UnknownBlast):
            await ask
