"""The recorder makes no purchase wait, logs or counts what it drops, and recovers with the ledger."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from app.lab.stack.servers.ports import free_port
from app.lab.stack.servers.postgres import PostgresServer
from app.ledger import attempts as attempts_module
from app.ledger.attempts import AttemptRepository
from app.ledger.engine import make_engine
from app.ledger.migrate import migrate
from app.races import recorder as module
from app.races.meters import ATTEMPTS
from app.races.recorder import AttemptRecorder
from app.settings import LedgerSettings
from tests.support.attempts import an_attempt
from tests.support.until import until


def counted(fate: str) -> float:
    return float(ATTEMPTS.labels(fate)._value.get())  # noqa: SLF001  the library has no public way to read a counter


def kept(attempts: AttemptRepository, count: int) -> Any:
    async def all_there() -> bool:
        return len(await attempts.attempts("drop", 1, limit=100)) == count

    return all_there


async def test_what_is_recorded_is_soon_in_the_ledger(engine: AsyncEngine, attempts: AttemptRepository) -> None:
    recorder = AttemptRecorder(engine)
    for _ in range(3):
        recorder.record(an_attempt())
    await until(kept(attempts, 3))
    recorder.record(an_attempt())
    await until(kept(attempts, 4))
    await recorder.close()
    assert {attempt.trace_id for attempt in await attempts.attempts("drop", 1, limit=10)} == {None}


async def test_its_end_sends_what_waits(
    engine: AsyncEngine, attempts: AttemptRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCHING_SECONDS", 3600)
    monkeypatch.setattr(module, "BATCH", 2)
    recorder = AttemptRecorder(engine)
    for _ in range(5):
        recorder.record(an_attempt())
    await recorder.close()
    assert await kept(attempts, 5)()


async def test_a_pod_is_named_by_its_environment(
    engine: AsyncEngine, attempts: AttemptRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_NAME", "api-7")
    recorder = AttemptRecorder(engine)
    recorder.record(an_attempt())
    await recorder.close()
    assert [attempt.pod for attempt in await attempts.attempts("drop", 1, limit=10)] == ["api-7"]


async def test_while_the_ledger_is_away_nobody_waits_and_what_fits_is_kept(
    make_postgres: Callable[..., PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_SECONDS", 0.05)
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    server = make_postgres()
    await migrate(server.url)
    engine = make_engine(server.url, "test", LedgerSettings(), pool_size=2)
    server.kill()
    recorder, overflow = AttemptRecorder(engine), counted("overflow")
    with capture_logs() as logs:
        for _ in range(5):
            recorder.record(an_attempt())
        await until(lambda: any(line["event"] == "attempts wait for the ledger" for line in logs))
        server.start()
        await until(kept(AttemptRepository(engine), 3))
        await recorder.close()
    await engine.dispose()
    assert counted("overflow") == overflow + 2
    assert [line["event"] for line in logs] == [
        "attempts wait for the ledger",
        "attempts came faster than the ledger took them",
    ]


async def test_a_ledger_that_stays_away_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCHING_SECONDS", 3600)
    engine = make_engine(f"postgresql+asyncpg://postgres@127.0.0.1:{free_port()}/none", "test", LedgerSettings())
    recorder, failed = AttemptRecorder(engine), counted("failed")
    recorder.record(an_attempt())
    with capture_logs() as logs:
        await recorder.close()
    await engine.dispose()
    assert [(line["event"], line["attempts"]) for line in logs] == [("attempts end with their process", 1)]
    assert counted("failed") == failed + 1


async def test_what_the_ledger_refuses_does_not_stop_the_rest(engine: AsyncEngine, attempts: AttemptRepository) -> None:
    recorder, failed = AttemptRecorder(engine), counted("failed")
    with capture_logs() as logs:
        recorder.record(an_attempt(value_read=2**40))
        await recorder.close()
        recorder.record(an_attempt())
        await recorder.close()
    assert [line["event"] for line in logs] == ["attempts could not be kept"]
    assert counted("failed") == failed + 1
    assert await kept(attempts, 1)()


async def test_a_full_round_takes_no_more_and_that_is_logged_once(
    engine: AsyncEngine, attempts: AttemptRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_module, "MAX_PER_ROUND", 2)
    recorder, full = AttemptRecorder(engine), counted("round-full")
    with capture_logs() as logs:
        for _ in range(3):
            for _ in range(3):
                recorder.record(an_attempt())
            await recorder.close()
        recorder.record(an_attempt(round=2))
        await recorder.close()
    assert [line["event"] for line in logs] == ["a round has as many attempts as are kept"]
    assert counted("round-full") == full + 7
    assert await kept(attempts, 2)()
    assert len(await attempts.attempts("drop", 2, limit=10)) == 1


async def test_a_batch_whose_answer_was_lost_is_sent_again_and_kept_once(
    engine: AsyncEngine, attempts: AttemptRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder is closed between the commit and its answer."""
    committed, keep = asyncio.Event(), AttemptRepository.keep

    async def stuck(self: AttemptRepository, batch: Any) -> Any:
        answer = await keep(self, batch)
        if not committed.is_set():
            committed.set()
            await asyncio.Event().wait()
        return answer

    monkeypatch.setattr(AttemptRepository, "keep", stuck)
    recorder = AttemptRecorder(engine)
    recorder.record(an_attempt())
    await committed.wait()
    await recorder.close()
    assert await kept(attempts, 1)()


async def test_nothing_is_asked_of_the_ledger_while_nobody_races(engine: AsyncEngine) -> None:
    recorder = AttemptRecorder(engine)
    await recorder.close()
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM attempts"))).scalar_one() == 0
    assert len(asyncio.all_tasks()) == 1
