"""The load generator as a process of its own, and the command that starts it."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from app.blasts.load.failures import LoadFailed
from app.blasts.load.plan import LoadPlan
from app.blasts.load.process import run_in_process
from app.blasts.load.result import LoadResult
from app.lab.cli.main import main
from tests.blasts.plans import losing_the_first_attempt, plan, silence
from tests.support.stand_in_service import stand_in_service, stock_of

SOLD_OUT = {
    "strategy": "atomic",
    "phase": "SoldOut",
    "stock": 7,
    "booked": 7,
    "rejected": 0,
    "duplicates": 0,
    "oversold": 0,
    "backlog": 0,
}


async def test_its_own_process_has_the_same_result() -> None:
    async with stand_in_service(stock_of(3)) as service:
        result = await run_in_process(plan(service, requests=40, concurrency=40))
    assert (result.accepted, result.sold_out) == (3, 37)
    assert len(result.records) == len(service.requests) == 40
    assert service.requests[0].open_connections == 40
    assert LoadResult.from_json(json.loads(json.dumps(result.as_json()))) == result


async def test_its_own_process_imports_nothing_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.py").write_text("raise SystemExit('the app of another project')")
    monkeypatch.chdir(tmp_path)
    async with stand_in_service(stock_of(1)) as service:
        assert (await run_in_process(plan(service, requests=1, concurrency=1))).accepted == 1


INTERRUPTED_WRITE = """
import os, signal
from app.blasts.load.__main__ import write_out
signal.signal(signal.SIGALRM, lambda *_: os.write(2, b"!"))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
{write}("x" * 5_000_000)
"""


@pytest.mark.parametrize(("write", "complete"), [("write_out", True), ("print", False)])
async def test_a_result_outlasts_an_interrupted_write(write: str, complete: bool) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        INTERRUPTED_WRITE.format(write=write),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},  # as in the containers
        limit=1024,  # with little read ahead, the child fills the pipe and blocks
    )
    assert child.stdout is not None
    assert child.stderr is not None
    with suppress(asyncio.IncompleteReadError):  # it has ended: print took the interrupted write for a whole one
        await child.stderr.readexactly(5)  # by now the child is in its write: the pipe is full and nothing reads it
    written, _ = await asyncio.gather(child.stdout.read(), child.stderr.read())
    await child.wait()
    assert (len(written) == 5_000_001) is complete


async def test_the_error_of_its_own_process_is_reported() -> None:
    with pytest.raises(LoadFailed, match="TargetUnreachable"):
        await run_in_process(LoadPlan(url="http://127.0.0.1:1", sale="drop"))


async def test_cancelling_ends_its_own_process() -> None:
    async with stand_in_service(silence) as service:
        running = asyncio.create_task(run_in_process(plan(service, requests=5, concurrency=5)))
        await service.until(lambda service: len(service.requests) == 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await service.until(lambda service: not service.connections)


async def test_the_generator_does_not_outlive_the_process_that_started_it() -> None:
    async with stand_in_service(silence) as service:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.blasts.load",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert child.stdin is not None
        child.stdin.write(json.dumps(plan(service, requests=2, concurrency=2).as_json()).encode() + b"\n")
        await service.until(lambda service: len(service.requests) == 2)
        child.stdin.close()
        async with asyncio.timeout(10):
            assert await child.wait() == 130


async def test_the_blast_command_prints_the_table_and_writes_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "blast.json"
    async with stand_in_service(stock_of(7), SOLD_OUT) as service:
        arguments = ["blast", "drop", "--url", service.url, "--requests", "20", "--json", str(file)]
        assert await asyncio.to_thread(main, arguments) == 0
    printed = capsys.readouterr().out.split()
    assert printed[printed.index("accepted") + 1] == "7"
    assert printed[printed.index("sold-out") + 1] == "13"
    written = json.loads(file.read_text())
    assert (written["accepted"], len(written["records"]), written["sale"]) == (7, 20, SOLD_OUT)


async def test_the_blast_command_fails_when_buyers_got_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    async with stand_in_service(losing_the_first_attempt(), SOLD_OUT) as service:
        assert await asyncio.to_thread(main, ["blast", "drop", "--url", service.url, "--requests", "3"]) == 1
    assert "connection-lost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("booked", "sentence"),
    [
        (50, "oversold 43: tickets booked in the ledger: 50, stock: 7."),
        (7, "Tickets booked in the ledger: 7, stock: 7."),  # the control
    ],
)
async def test_the_blast_command_says_what_was_oversold(
    booked: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sale = SOLD_OUT | {"booked": booked, "oversold": booked - 7}
    async with stand_in_service(stock_of(booked), sale) as service:
        assert await asyncio.to_thread(main, ["blast", "drop", "--url", service.url, "--requests", "50"]) == 0
    assert sentence in capsys.readouterr().out.splitlines()


async def test_a_result_outlives_a_service_that_goes_away_after_the_blast(capsys: pytest.CaptureFixture[str]) -> None:
    async with stand_in_service(stock_of(7), SOLD_OUT | {"strategy": "naive"}) as service:
        arguments = ["blast", "drop", "--url", service.url, "--requests", "7", "--concurrency", "7"]
        blast = asyncio.create_task(asyncio.to_thread(main, arguments))
        await service.until(lambda service: len(service.requests) == 7)
        service.is_away = True
        assert await blast == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "It is not known what the ledger has sold: GET " in printed.out
    assert printed.out.split()[printed.out.split().index("accepted") + 1] == "7"


async def test_another_service_is_not_taken_for_a_sale(capsys: pytest.CaptureFixture[str]) -> None:
    async with stand_in_service(stock_of(7), {}) as service:
        assert await asyncio.to_thread(main, ["blast", "drop", "--url", service.url]) == 1
    assert capsys.readouterr().err == f"error: GET {service.url}/sales/drop: the answer is not a sale.\n"


async def test_a_blast_of_an_unknown_sale_sends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async with stand_in_service(stock_of(7)) as service:
        assert await asyncio.to_thread(main, ["blast", "drop", "--url", service.url]) == 1
    assert service.requests == []
    assert capsys.readouterr() == ("", f"error: There is no sale 'drop' at {service.url}.\n")
