"""The report of a blast names the pairs that collided in it, and no others."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.blasts import witnesses
from app.blasts.collisions import BlastEvidence
from app.blasts.trace_ratio import trace_ratio_of
from app.blasts.witnesses import Witnesses
from app.lab.stack.servers.ports import free_port
from app.ledger.attempts import AttemptRepository
from app.ledger.blasts import Blast, BlastRepository
from app.ledger.engine import make_engine
from app.ledger.sales import SaleRepository
from app.sales.attempt import RecordedAttempt
from app.settings import LedgerSettings
from tests.support.attempts import recorded
from tests.support.rows import COUNT, add_booking, terms

JAEGER = "http://jaeger:16686/trace/{trace_id}"


@pytest.fixture
async def blast(engine: AsyncEngine) -> Blast:
    """Return a blast against a sale of the naive strategy."""
    await SaleRepository(engine).create(terms(strategy="naive"), guarded=False)
    return await another(engine)


async def another(engine: AsyncEngine) -> Blast:
    option = {"requests": 1, "concurrency": 1, "customers": None, "quantity": 1, "retries": 0}
    return await BlastRepository(engine).create("drop", **option)  # type: ignore[arg-type]  # of the right types


async def bought(engine: AsyncEngine, blast: Blast, **attempt: Any) -> RecordedAttempt:
    """Return an attempt of one of the blast's purchases, which is booked. The attempt is not stored yet."""
    booking = await add_booking(engine, key=f"{blast.id}-{next(COUNT):08d}")
    return recorded(reservation_id=booking, **attempt)


async def test_what_came_before_is_not_this_blasts(
    engine: AsyncEngine, attempts: AttemptRepository, blast: Blast
) -> None:
    evidence = BlastEvidence(engine, JAEGER)
    await attempts.keep([recorded(), recorded()])
    start = await evidence.before(blast)
    await attempts.keep([await bought(engine, blast, pod="api-2", trace_id="ab" * 16, span_id="cd" * 8)])
    collected = await evidence.since(start, 1)
    assert collected is not None
    assert (collected.total, collected.written) == (1, 1)
    [pair] = collected.pairs
    assert (pair["first"]["number"], pair["second"]["number"], pair["second"]["pod"]) == (2, 3, "api-2")
    assert pair["second"]["trace_url"] == "http://jaeger:16686/trace/" + "ab" * 16
    assert pair["first"]["trace_url"] is None


async def test_it_waits_for_what_the_processes_still_hold(
    engine: AsyncEngine, attempts: AttemptRepository, blast: Blast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "TIMEOUT_SECONDS", 60)
    evidence = BlastEvidence(engine)
    start = await evidence.before(blast)
    asking = asyncio.create_task(evidence.since(start, 2))
    await attempts.keep([await bought(engine, blast)])
    await attempts.keep([await bought(engine, blast)])
    collected = await asking
    assert collected is not None
    assert (collected.total, collected.written) == (1, 2)


async def test_the_wait_for_what_never_comes_is_bounded(
    engine: AsyncEngine, blast: Blast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "TIMEOUT_SECONDS", 0.1)
    evidence = BlastEvidence(engine)
    assert await evidence.since(await evidence.before(blast), 5) == Witnesses()


async def test_a_few_pairs_are_reported_and_all_are_counted(
    engine: AsyncEngine, attempts: AttemptRepository, blast: Blast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "MAX_PAIRS", 3)
    evidence = BlastEvidence(engine)
    start = await evidence.before(blast)
    await attempts.keep([await bought(engine, blast) for _ in range(10)])
    collected = await evidence.since(start, 10)
    assert collected is not None
    assert (collected.total, len(collected.pairs)) == (9, 3)


async def test_of_two_blasts_at_once_each_names_the_pairs_in_which_it_has_a_part(
    engine: AsyncEngine, attempts: AttemptRepository, blast: Blast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "TIMEOUT_SECONDS", 0)
    evidence, other = BlastEvidence(engine), await another(engine)
    starts = [await evidence.before(one) for one in (blast, other)]
    # Four attempts read one version and wrote: two of this blast, then two of the other one. Another version was read
    # by a purchase outside both blasts, and by one of this blast.
    for whose in (blast, blast, other, other):
        await attempts.keep([await bought(engine, whose)])
    await attempts.keep([recorded(version_read="800", reservation_id=await add_booking(engine, key="by hand"))])
    await attempts.keep([await bought(engine, blast, version_read="800")])
    collected = [await evidence.since(start, 0) for start in starts]
    pairs = [[(pair["first"]["number"], pair["second"]["number"]) for pair in one.pairs] for one in collected if one]
    assert pairs == [[(1, 2), (2, 3), (5, 6)], [(2, 3), (3, 4)]]
    assert [(one.total, one.written) for one in collected if one] == [(3, 3), (2, 2)]


async def test_a_ledger_that_is_away_leaves_the_witnesses_unknown(engine: AsyncEngine, blast: Blast) -> None:
    start = await BlastEvidence(engine).before(blast)
    away = make_engine(f"postgresql+asyncpg://postgres@127.0.0.1:{free_port()}/none", "test", LedgerSettings())
    assert await BlastEvidence(away).since(start, 1) is None
    await away.dispose()


@pytest.mark.parametrize(
    ("strategy", "asked", "ratio"),
    [
        ("naive", None, 1.0),
        ("naive", 0.0, 0.0),
        ("atomic", None, None),
        ("atomic", 0.25, 0.25),
        ("of-another-release", None, None),
    ],
)
def test_of_a_race_every_purchase_is_traced(strategy: str, asked: float | None, ratio: float | None) -> None:
    assert trace_ratio_of(strategy, asked) == ratio


async def test_a_blast_may_ask_for_another_ratio(engine: AsyncEngine, blast: Blast) -> None:
    evidence = BlastEvidence(engine)
    assert (await evidence.before(blast)).trace_ratio == 1.0
    assert (await evidence.before(replace(blast, trace_ratio=0.5))).trace_ratio == 0.5
