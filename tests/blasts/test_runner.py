"""The blast runner on a real ledger: it runs queued blasts, stops on request, and notices a dead runner's blast."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from app.blasts import runner as runner_module
from app.blasts.collisions import BlastEvidence
from app.blasts.progress import BlastReports
from app.blasts.runner import BlastRunner
from app.gate.connection import make_redis
from app.lab.stack.servers.postgres import PostgresServer
from app.ledger.blasts import Blast, BlastRepository
from app.ledger.engine import make_engine
from app.live.stream import LiveStream
from app.settings import GateSettings
from tests.support.patience import PATIENT_LEDGER
from tests.support.stand_in_service import Answer, Handler, Request, StandInService, stand_in_service, stock_of
from tests.support.until import until

INVENTORY = """
    INSERT INTO inventory (sale, round, epoch, stock, remaining, guarded) VALUES ('drop', 1, 1, 10, 10, true)
"""


@pytest.fixture
async def blasts(engine: AsyncEngine) -> BlastRepository:
    """Return the blasts of a ledger that has the sale `drop`."""
    return await blasts_of_drop(engine)


async def blasts_of_drop(engine: AsyncEngine) -> BlastRepository:
    """Insert the sale `drop`, and return the ledger's blasts."""
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO sales (name, strategy) VALUES ('drop', 'atomic')"))
        await connection.execute(text(INVENTORY))
    return BlastRepository(engine)


async def queue(blasts: BlastRepository, **options: Any) -> str:
    options = {"requests": 30, "concurrency": 5, "customers": None, "quantity": 2, "retries": 0, **options}
    return (await blasts.create("drop", **options)).id


async def until_it_is(blasts: BlastRepository, blast_id: str, state: str) -> Blast:
    async def is_so() -> bool:
        return (await blasts.get(blast_id)).state == state

    await until(is_so)
    return await blasts.get(blast_id)


def unreachable_reports() -> BlastReports:
    """Return reports to a broker that is unreachable: a blast must not need a broker."""
    return BlastReports(LiveStream(make_redis("redis://127.0.0.1:1", "test", GateSettings()), "unreachable"))


@asynccontextmanager
async def working(blasts: BlastRepository, api_url: str) -> AsyncIterator[BlastRunner]:
    evidence = BlastEvidence(blasts._engine)  # noqa: SLF001  the engine that the test chose
    blast_runner = BlastRunner(blasts, unreachable_reports(), evidence, api_url, "a test")
    running = asyncio.create_task(blast_runner.run())
    try:
        yield blast_runner
    finally:
        blast_runner.stop()
        async with asyncio.timeout(60):
            await running


async def runner_process(database_url: str, api_url: str) -> asyncio.subprocess.Process:
    """Start a blast runner as a process of its own."""
    environment = os.environ | {"DATABASE_URL": database_url, "API_URL": api_url}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "app.blasts.runner", env=environment)


def stuck_after_five() -> Handler:
    sell = stock_of(100)
    answered = 0

    async def handler(request: Request) -> Answer:
        nonlocal answered
        answered += 1
        if answered > 5:
            await asyncio.Event().wait()
        return await sell(request)

    return handler


def ten_asked(service: StandInService) -> bool:
    return len(service.requests) == 10


async def test_carries_out_what_was_queued_side_by_side(blasts: BlastRepository) -> None:
    ids = [await queue(blasts), await queue(blasts, customers=3)]
    async with stand_in_service(stock_of(10)) as service, working(blasts, service.url):
        first, second = [await until_it_is(blasts, blast_id, "finished") for blast_id in ids]
    assert first.result is not None
    assert second.result is not None
    results = (first.result, second.result)
    assert [sum(result[name] for result in results) for name in ("accepted", "sold_out", "errors")] == [10, 50, 0]
    assert (first.runner, second.runner) == ("a test", "a test")
    assert first.result["witnesses"] == {"total": 0, "written": 0, "pairs": []}
    assert {request.quantity for request in service.requests} == {2}
    assert {request.key.rpartition("-")[0] for request in service.requests} == set(ids)
    assert len({request.customer for request in service.requests}) == 30 + 3


async def test_two_that_are_queued_together_run_at_the_same_time(blasts: BlastRepository) -> None:
    """No buyer is answered before buyers of both blasts have asked, so two blasts in sequence would never end."""
    ids = [await queue(blasts, requests=5), await queue(blasts, requests=5)]
    both_have_come = asyncio.Event()

    async def handler(request: Request) -> Answer:
        if {seen.key.rpartition("-")[0] for seen in service.requests} == set(ids):
            both_have_come.set()
        await both_have_come.wait()
        return await sell(request)

    sell = stock_of(100)
    async with stand_in_service(handler) as service, working(blasts, service.url):
        for blast_id in ids:
            assert (await until_it_is(blasts, blast_id, "finished")).runner == "a test"


async def test_a_cancelled_blast_stops_and_keeps_what_it_measured(blasts: BlastRepository) -> None:
    blast_id = await queue(blasts)
    async with stand_in_service(stuck_after_five()) as service, working(blasts, service.url):
        await service.until(ten_asked)
        await blasts.request_cancel(blast_id)
        blast = await until_it_is(blasts, blast_id, "cancelled")
        await service.until(lambda service: not service.connections)
    assert blast.result is not None
    assert (blast.result["accepted"], blast.result["unsent"]) == (5, 25)
    assert len(service.requests) == 10


async def test_a_blast_of_a_stopped_runner_is_aborted(blasts: BlastRepository) -> None:
    blast_id = await queue(blasts)
    async with stand_in_service(stuck_after_five()) as service, working(blasts, service.url) as blast_runner:
        await service.until(ten_asked)
        blast_runner.stop()
        blast = await until_it_is(blasts, blast_id, "aborted")
    assert blast.result is not None
    assert blast.result["accepted"] == 5


async def test_an_api_that_is_away_aborts_the_blast_with_the_reason(blasts: BlastRepository) -> None:
    blast_id = await queue(blasts)
    async with working(blasts, "http://127.0.0.1:1"):
        blast = await until_it_is(blasts, blast_id, "aborted")
    assert blast.result is not None
    assert "Target Unreachable" in blast.result["failure"]


async def test_the_blast_of_a_killed_runner_is_taken_for_abandoned(
    blasts: BlastRepository, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "STALE_SECONDS", 0.5)
    blast_id = await queue(blasts)
    async with stand_in_service(stuck_after_five()) as service:
        process = await runner_process(database_url, service.url)
        try:
            await service.until(ten_asked)
        finally:
            process.kill()
            await process.wait()
        assert (await blasts.get(blast_id)).state == "running"  # only another blast runner notices that it died
        async with working(blasts, service.url):
            await until_it_is(blasts, blast_id, "aborted")


async def test_a_ledger_that_was_away_is_found_again(
    make_postgres: Callable[..., PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "AWAY_SECONDS", 0.05)
    server = make_postgres()
    environment = os.environ | {"DATABASE_URL": server.url}
    migration = await asyncio.create_subprocess_exec(sys.executable, "-m", "app.ledger.migrate", env=environment)
    assert await migration.wait() == 0
    engine = make_engine(server.url, "test", PATIENT_LEDGER, pool_size=2)
    blasts = await blasts_of_drop(engine)
    async with stand_in_service(stock_of(10)) as service, working(blasts, service.url):
        with capture_logs() as logs:
            server.kill()
            await until(lambda: any(line["event"] == "the ledger is away" for line in logs))
        server.start()
        await until_it_is(blasts, await queue(blasts), "finished")
    await engine.dispose()


async def test_sigterm_ends_the_process_in_order(blasts: BlastRepository, database_url: str) -> None:
    blast_id = await queue(blasts)
    async with stand_in_service(stuck_after_five()) as service:
        process = await runner_process(database_url, service.url)
        await service.until(ten_asked)
        process.terminate()
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    assert (await blasts.get(blast_id)).state == "aborted"
