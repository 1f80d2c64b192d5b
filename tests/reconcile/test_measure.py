"""The identity is measured exactly while the sale runs. This needs Redis to be read before the ledger."""

import asyncio
from typing import Any

import pytest

from app.ledger.availability import LedgerUnavailable
from app.ledger.engine import make_engine
from app.reconcile import measure as measure_module
from app.reconcile import observation as observation_module
from app.reconcile.gate_loss import Evidence, evidence
from app.reconcile.ledger_loss import unaccounted
from app.reconcile.measure import add_up
from app.reconcile.observation import observe
from app.reconcile.stream_backlog import read_backlog
from app.settings import LedgerSettings
from tests.support.box_office import NAME, BoxOffice

CHECKS = 60


async def test_every_check_under_load_is_exact(office: BoxOffice) -> None:
    await office.create(stock=100_000)
    checked = asyncio.Event()

    async def buyers(prefix: str) -> None:
        number = 0
        while not checked.is_set():
            await office.buy(f"{prefix}-{number}")
            number += 1

    async def drain() -> None:
        while not checked.is_set():
            await office.drain(7)

    async def checks() -> list[int]:
        try:
            return [(await office.add_up()).missing for _ in range(CHECKS)]
        finally:
            checked.set()

    missing, *_ = await asyncio.gather(checks(), buyers("a"), buyers("b"), drain())
    assert missing == [0] * CHECKS
    assert await office.booked() > 0


async def sell_and_drain_between(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drain 3 orders and accept 2 between the reads of the two stores."""
    reading = measure_module._read_ledger  # noqa: SLF001  between the two readings

    async def meanwhile(*arguments: Any) -> Any:
        await office.drain(3)
        await office.sell(2, "meanwhile")
        await office.drain()
        return await reading(*arguments)

    monkeypatch.setattr(measure_module, "_read_ledger", meanwhile)


async def test_what_moves_between_the_two_readings_changes_nothing(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.create(stock=10)
    await office.sell(5)
    await sell_and_drain_between(office, monkeypatch)
    sums = await office.add_up()
    assert sums.exact
    assert sums.missing == 0
    assert unaccounted(5, sums) == 0


async def test_the_other_way_round_the_same_moves_look_like_a_leak(office: BoxOffice) -> None:
    """The control: the ledger is read first and Redis last."""
    sale = await office.create(stock=10)
    await office.sell(5)
    booked = await office.booked()
    await office.drain(3)
    snapshot = await office.snapshot()
    waiting = await read_backlog(office.gate, NAME, sale.round)
    assert 10 - (snapshot.remaining + waiting.backlog + booked) == 3


async def test_twins_of_one_buyer_are_one_order(office: BoxOffice) -> None:
    """The stored answer was lost, and the buyer bought again. The ledger books one order, so one ticket is unsold."""
    await office.create(stock=10)
    await office.buy("ada")
    await office.redis.delete(office.keys.answers(1))
    await office.buy("ada")
    assert evidence(await office.observe()) is Evidence.ANSWERS
    assert (await office.add_up()).missing == 1
    await office.drain(1)
    assert (await office.add_up()).missing == 1
    second = await office.orders_in_stream()
    await office.acknowledge(second)
    assert (await office.add_up()).missing == 1


async def test_growth_that_the_gate_has_not_followed_yet_is_no_drift(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(2)
    await office.set_stock(15)
    assert (await office.add_up()).missing == 0
    assert evidence(await office.observe()) is None
    assert (await office.reconcile()).action == "amend"
    assert (await office.snapshot()).remaining == 13
    assert (await office.reconcile()).action == "nothing"


async def test_a_release_under_way_is_no_drift_and_neither_is_a_finished_one(office: BoxOffice) -> None:
    await office.create(stock=10)
    (bought, _) = await office.sell(2)
    await office.drain()
    await office.cancel(bought)
    assert (await office.reconcile()).kind == "none"
    assert await office.gate.release(bought, 1, "buyer-0", 1) == "released"
    assert (await office.reconcile()).kind == "none"
    await office.leak(1)
    assert (await office.reconcile()).kind == "leaked"


async def test_sums_that_a_repair_overtook_are_discarded(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.create(stock=10)
    await office.leak(1)
    reading = measure_module._read_ledger  # noqa: SLF001  between the two readings

    async def meanwhile(*arguments: Any) -> Any:
        assert await office.gate.give_back(NAME, await office.snapshot(), 1)
        return await reading(*arguments)

    monkeypatch.setattr(measure_module, "_read_ledger", meanwhile)
    assert not (await office.add_up()).exact
    monkeypatch.undo()
    assert (await office.add_up()).missing == 0


async def test_a_backlog_beyond_the_bound_is_left_for_later(office: BoxOffice) -> None:
    sale = await office.create(stock=2000)
    await office.sell(1200)
    observation = await office.observe()
    assert evidence(observation) is None
    assert await add_up(sale, observation, office.gate, office.engine, max_waiting=1000) is None
    assert (await office.add_up()).exact


async def test_a_round_that_is_over_is_not_measured(office: BoxOffice) -> None:
    sale = await office.create(stock=10)
    await office.sales.next_round(NAME)
    assert await observe(sale, office.gate, office.engine) is None
    assert (await office.reconciler().reconcile_sale(sale)).kind is None


async def test_orders_accepted_after_the_snapshot_are_no_evidence(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control is in the same test: compared with the snapshot before these orders, they would be evidence."""
    await office.create(stock=10)
    reading = observation_module.read_round

    async def meanwhile(*arguments: Any) -> Any:
        await office.sell(2, "meanwhile")
        await office.drain()
        return await reading(*arguments)

    monkeypatch.setattr(observation_module, "read_round", meanwhile)
    observation = await office.observe()
    assert evidence(observation) is None
    before, after = observation.before, observation.after
    assert before is not None
    assert after is not None
    assert observation.ledger.highest > (before.epoch, before.accepted)
    assert observation.ledger.highest <= (after.epoch, after.accepted)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("state", "fenced", Evidence.FENCED),
        ("server", "another", Evidence.OTHER_SERVER),
        ("epoch", 9, Evidence.LEDGER_BEHIND),
        ("epoch", 0, Evidence.GATE_BEHIND),
        ("accepted", 1, Evidence.NUMBERS),
        ("stock", 11, Evidence.STOCK),
        ("written_orders", 2, Evidence.COUNTS),
        ("generation", 1, Evidence.OLDER_TERMS),
    ],
)
async def test_each_sign_of_a_server_that_went_back_is_found_and_mended(
    office: BoxOffice, field: str, value: object, why: Evidence
) -> None:
    await office.create(stock=10)
    await office.sell(3)
    await office.drain(2)
    assert evidence(await office.observe()) is None
    await office.redis.hset(office.keys.sale, field, str(value))
    assert evidence(await office.observe()) is why
    result = await office.reconcile()
    assert (result.kind, result.action, result.reason, result.done) == ("unvouched", "recount", why.value, True)
    seen, sale = await office.snapshot(), await office.sale()
    assert (seen.epoch, seen.state, seen.remaining, seen.backlog) == (sale.epoch, "open", 7, 1)
    assert (await office.reconcile()).kind == "none"


async def test_a_ledger_that_is_away_raises_ledger_unavailable(office: BoxOffice) -> None:
    sale = await office.create(stock=10)
    nobody_listens = make_engine("postgresql+asyncpg://postgres@127.0.0.1:1/ledger", "test", LedgerSettings())
    with pytest.raises(LedgerUnavailable):
        await observe(sale, office.gate, nobody_listens)
    await nobody_listens.dispose()
