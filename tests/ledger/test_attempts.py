"""Attempts and witnesses: when two attempts are a witness, that each pair is found exactly once, and the bounds."""

import asyncio
from unittest.mock import AsyncMock

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ledger import attempts as module
from app.ledger.attempts import AttemptRepository, Extent, keep
from app.ledger.retention import prune
from app.ledger.sales import SaleRepository
from app.sales.attempt import Hazard, RecordedAttempt, Witness
from app.sales.model import UnknownSale
from tests.support.attempts import recorded
from tests.support.rows import terms
from tests.support.until import until

WAITS = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


async def test_an_attempt_is_read_as_it_was_kept(attempts: AttemptRepository) -> None:
    sent = recorded(trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", reservation_id="drop.1.x")
    bare = recorded(version_written=None, value_written=None, wrote_at=None)
    await attempts.keep([sent, bare])
    sent.number, bare.number = (1, 2) if sent.id < bare.id else (2, 1)
    assert await attempts.attempts("drop", 1, limit=10) == sorted([sent, bare], key=lambda attempt: attempt.number)


async def test_two_that_read_one_version_and_wrote_are_a_witness(attempts: AttemptRepository) -> None:
    first, second = recorded(), recorded(read_at=1_700_000_000.5, pod="api-2")
    kept = await attempts.keep([first, second])
    first.number, second.number = 1, 2
    witness = Witness(hazard=Hazard.LOST_UPDATE, first=first, second=second)
    assert kept.witnesses == [witness]
    assert await attempts.witnesses("drop", 1, limit=10) == [witness]


async def test_each_further_writer_is_one_witness_with_the_one_before(attempts: AttemptRepository) -> None:
    batches = [[recorded(pod=pod)] for pod in ("a", "b", "c", "d")]
    found = [(await attempts.keep(batch)).witnesses for batch in batches]
    pairs = [(witness.first.pod, witness.second.pod) for witnesses in found for witness in witnesses]
    assert pairs == [("a", "b"), ("b", "c"), ("c", "d")]


@pytest.mark.parametrize(
    "other",
    [
        {"version_read": "742"},
        {"wrote_at": None},
        {"guards": "customer:ada"},
        {"sale": "other"},
        {"round": 2},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_attempts_that_did_not_collide_are_no_witness(
    attempts: AttemptRepository, other: dict[str, object]
) -> None:
    await attempts.keep([recorded()])
    assert (await attempts.keep([recorded(**other)])).witnesses == []


async def test_a_batch_that_is_sent_again_is_kept_once_and_finds_the_same(attempts: AttemptRepository) -> None:
    """A commit's answer may be lost. The batch is then sent again, and the spans of its pairs are still to be made."""
    batch = [recorded(), recorded()]
    first, again = await attempts.keep(batch), await attempts.keep(batch)
    assert (first, len(first.witnesses), first.round_full) == (again, 1, [])
    assert len(await attempts.attempts("drop", 1, limit=10)) == 2
    assert len(await attempts.witnesses("drop", 1, limit=10)) == 1


async def at_once(engine: AsyncEngine, one: RecordedAttempt, other: RecordedAttempt, *, waits: bool) -> int:
    """Let two processes each store one half of a pair before either commits. Return how many witnesses are found."""

    async def somebody_waits() -> bool:
        async with engine.connect() as connection:
            return int((await connection.execute(WAITS)).scalar_one()) == 1

    async with engine.connect() as first, engine.connect() as second:
        found = len((await keep(first, [one])).witnesses)
        other_keeps = asyncio.create_task(keep(second, [other]))
        if waits:
            await until(somebody_waits)
        else:
            await other_keeps
        await first.commit()
        found += len((await other_keeps).witnesses)
        await second.commit()
    return found


async def test_two_processes_that_store_at_once_find_the_pair(engine: AsyncEngine, attempts: AttemptRepository) -> None:
    assert await at_once(engine, recorded(), recorded(), waits=True) == 1
    assert [attempt.number for attempt in await attempts.attempts("drop", 1, limit=10)] == [1, 2]


async def test_without_the_lock_both_miss_it(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "hold", AsyncMock())
    # With consecutive numbers the second process would wait for the first one's number, and fail on it.
    scattered = module.KEEP.text.replace("row_number()", "(random() * 1000000000)::integer + row_number()")
    monkeypatch.setattr(module, "KEEP", text(scattered))
    assert await at_once(engine, recorded(), recorded(), waits=False) == 0


async def test_sales_are_stored_beside_each_other(engine: AsyncEngine) -> None:
    async with engine.connect() as first, engine.connect() as second:
        await keep(first, [recorded(sale="one")])
        async with asyncio.timeout(10):
            await keep(second, [recorded(sale="other")])


async def test_two_batches_of_the_same_sales_do_not_wait_for_each_other_in_a_circle(
    attempts: AttemptRepository,
) -> None:
    sales = [f"sale-{number}" for number in range(20)]
    batches = [[recorded(sale=sale) for sale in order] for _ in range(5) for order in (sales, sales[::-1])]
    found = await asyncio.gather(*map(attempts.keep, batches))
    assert sum(len(kept.witnesses) for kept in found) == 20 * 9


async def test_numbers_go_on_and_pages_follow_them(attempts: AttemptRepository) -> None:
    for _ in range(3):
        await attempts.keep([recorded(version_read="1") for _ in range(2)])
    pages = [await attempts.attempts("drop", 1, after=after, limit=4) for after in (0, 4)]
    assert [[attempt.number for attempt in page] for page in pages] == [[1, 2, 3, 4], [5, 6]]
    witnesses = [await attempts.witnesses("drop", 1, after=after, limit=2) for after in (0, 3, 5)]
    assert [[witness.second.number for witness in page] for page in witnesses] == [[2, 3], [4, 5], [6]]


async def test_the_extent_counts_purchases_not_attempts(attempts: AttemptRepository) -> None:
    assert await attempts.extent("drop", 1) == Extent(latest=0, written=0, witnesses=0)
    both = [recorded(nonce="a"), recorded(nonce="a", guards="customer:ada", hazard=Hazard.WRITE_SKEW)]
    await attempts.keep([*both, recorded(wrote_at=None)])
    await attempts.keep([recorded()])
    assert await attempts.extent("drop", 1) == Extent(latest=4, written=2, witnesses=1)
    assert await attempts.extent("drop", 1, after=3) == Extent(latest=4, written=1, witnesses=1)
    assert await attempts.extent("drop", 2) == Extent(latest=0, written=0, witnesses=0)


async def test_the_present_round_is_the_sales(attempts: AttemptRepository, sales: SaleRepository) -> None:
    await sales.create(terms(strategy="naive"), guarded=False)
    assert await attempts.present_round("drop") == 1
    await sales.next_round("drop")
    assert await attempts.present_round("drop") == 2
    with pytest.raises(UnknownSale):
        await attempts.present_round("other")


async def test_a_round_keeps_a_bounded_number_and_reports_the_rest(
    attempts: AttemptRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PER_ROUND", 3)
    batch = [recorded(read_at=float(second)) for second in range(5)]
    kept = await attempts.keep([*batch, recorded(round=2)])
    assert kept.round_full == batch[3:]
    assert (await attempts.keep([recorded()])).round_full != []


async def test_old_attempts_go_and_their_witnesses_with_them(engine: AsyncEngine, attempts: AttemptRepository) -> None:
    await attempts.keep([recorded() for _ in range(3)])
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE attempts SET recorded_at = now() - interval '31 days' WHERE number = 2"))
    assert await prune(engine, 30) == 1
    assert [attempt.number for attempt in await attempts.attempts("drop", 1, limit=10)] == [1, 3]
    assert await attempts.witnesses("drop", 1, limit=10) == []
