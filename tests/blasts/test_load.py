"""The load generator against a real HTTP server: what it counts, when it starts, and how it handles missing answers."""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.blasts.load import runner
from app.blasts.load.buyer import LONGEST_PAUSE_SECONDS, pause_before
from app.blasts.load.failures import InvalidPlan, LoadFailed, MalformedReply, TargetUnreachable
from app.blasts.load.plan import LoadPlan
from app.blasts.load.process import run_in_process
from app.blasts.load.result import Latency, LoadResult
from app.blasts.load.runner import Load, run_load
from app.blasts.load.wire import Reply, read_reply
from app.lab.cli import blast as blast_command
from tests.support.stand_in_service import Answer, Seen, StandInService, problem, reserved, stand_in_service, stock_of


def plan(service: StandInService, **options: Any) -> LoadPlan:
    return LoadPlan(**{"url": service.url, "sale": "drop", "records": True, **options})


async def silence(_: Seen) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def test_counts_what_every_buyer_was_told() -> None:
    async with stand_in_service(stock_of(10)) as service:
        result = await run_load(plan(service, requests=100, concurrency=20, quantity=2))
    assert (result.accepted, result.sold_out, result.errors, result.unsent) == (10, 90, 0, 0)
    assert result.outcomes == {"accepted": 10, "sold-out": 90}
    assert len({seen.key for seen in service.seen}) == len({seen.customer for seen in service.seen}) == 100
    assert {(seen.path, seen.quantity) for seen in service.seen} == {("/buy-ticket", 2)}
    assert [told.number for told in result.records] == list(range(100))
    sold = {told.reservation_id for told in result.records if told.outcome == "accepted"}
    assert sold == {f"drop.1.{told.key}" for told in result.records if told.status == 200}
    assert len(sold) == 10


async def test_customers_take_turns() -> None:
    async with stand_in_service(stock_of(100)) as service:
        await run_load(plan(service, requests=30, concurrency=5, customers=3))
    assert set(Counter(seen.customer for seen in service.seen).values()) == {10}
    assert len({seen.key for seen in service.seen}) == 30


async def test_every_connection_is_open_before_the_first_request_leaves() -> None:
    async with stand_in_service(stock_of(10)) as service:
        await run_load(plan(service, requests=100, concurrency=100))
    assert service.seen[0].open_connections == 100


async def test_without_the_barrier_the_first_request_leaves_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_barrier(_: object) -> None:
        return

    monkeypatch.setattr(runner, "open_all", no_barrier)
    async with stand_in_service(stock_of(10)) as service:
        await run_load(plan(service, requests=5, concurrency=5, rate=20))
    assert service.seen[0].open_connections == 1


def losing_the_first_attempt() -> Any:
    tries: Counter[str] = Counter()

    async def clerk(seen: Seen) -> Answer:
        tries[seen.key] += 1
        return None if tries[seen.key] == 1 else reserved(seen, Idempotent_Replayed="true")

    return clerk


async def test_a_lost_connection_is_retried_with_the_same_key() -> None:
    async with stand_in_service(losing_the_first_attempt()) as service:
        result = await run_load(plan(service, requests=20, concurrency=10, retries=2))
    assert (result.accepted, result.errors, result.retried, result.replayed) == (20, 0, 20, 20)
    assert set(Counter((seen.key, seen.customer) for seen in service.seen).values()) == {2}
    assert {told.attempts for told in result.records} == {2}


async def test_without_retries_a_lost_connection_is_an_error() -> None:
    async with stand_in_service(losing_the_first_attempt()) as service:
        result = await run_load(plan(service, requests=20, concurrency=10))
    assert (result.accepted, result.errors) == (0, 20)
    assert result.outcomes == {"connection-lost": 20}
    assert {told.status for told in result.records} == {0}


async def test_503_is_asked_again_a_bounded_number_of_times() -> None:
    async def closed(_: Seen) -> Answer:
        return problem(503, "temporarily-unavailable", Retry_After="0")

    async with stand_in_service(closed) as service:
        result = await run_load(plan(service, requests=4, concurrency=2, retries=3))
    assert result.outcomes == {"temporarily-unavailable": 4}
    assert result.errors == 4
    assert set(Counter(seen.key for seen in service.seen).values()) == {4}


async def test_who_insists_outlasts_contention_which_is_no_retry() -> None:
    tries: Counter[str] = Counter()

    async def clerk(seen: Seen) -> Answer:
        tries[seen.key] += 1
        return problem(503, "contention", Retry_After="0") if tries[seen.key] < 4 else reserved(seen)

    async with stand_in_service(clerk) as service:
        result = await run_load(plan(service, requests=4, concurrency=2, insist=True))
        tries.clear()
        other = await run_load(plan(service, requests=4, concurrency=2))
    assert result.outcomes == {"accepted": 4}
    assert {told.attempts for told in result.records} == {4}
    assert other.outcomes == {"contention": 4}


async def test_a_record_says_when_its_first_request_left() -> None:
    async with stand_in_service(stock_of(10)) as service:
        result = await run_load(plan(service, requests=4, concurrency=1))
    sent = [told.sent_at for told in result.records]
    assert sent == sorted(sent)
    assert result.started_at <= sent[0]
    assert sent[-1] + result.records[-1].latency <= result.started_at + result.seconds + 0.001


async def test_a_refusal_is_final() -> None:
    async with stand_in_service(stock_of(0)) as service:
        result = await run_load(plan(service, requests=4, concurrency=2, retries=3))
    assert (result.sold_out, result.retried, len(service.seen)) == (4, 0, 4)


async def test_a_silent_server_is_given_up_on() -> None:
    async with stand_in_service(silence) as service:
        result = await run_load(plan(service, requests=6, concurrency=3, reply_seconds=0.1))
    assert result.outcomes == {"reply-timed-out": 6}


async def test_a_server_that_closes_each_connection_loses_no_request() -> None:
    async def closing(seen: Seen) -> Answer:
        return reserved(seen, Connection="close")

    async with stand_in_service(closing) as service:
        result = await run_load(plan(service, requests=20, concurrency=4))
    assert result.outcomes == {"accepted": 20}


async def test_cancelling_closes_every_connection_and_keeps_what_was_told() -> None:
    sell = stock_of(100)

    async def stuck_after_five(seen: Seen) -> Answer:
        return await (sell(seen) if len(service.seen) <= 5 else silence(seen))

    async with stand_in_service(stuck_after_five) as service:
        load = Load(plan(service, requests=50, concurrency=5))
        running = asyncio.create_task(load.run())
        await service.until(lambda service: len(service.seen) == 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await service.until(lambda service: not service.connections)
    assert load.progress == {"accepted": 5}
    assert (load.result().accepted, load.result().unsent) == (5, 45)


def slow(seconds: float) -> Any:
    async def clerk(seen: Seen) -> Answer:
        await asyncio.sleep(seconds)  # a slow server, not a wait for a condition
        return reserved(seen)

    return clerk


async def test_the_open_loop_counts_from_the_intended_moment() -> None:
    async with stand_in_service(slow(0.02)) as service:
        result = await run_load(plan(service, requests=20, concurrency=1, rate=1000))
    last = result.records[-1]
    assert last.latency > 0.3  # 20 answers of 20 ms in sequence, less the 19 ms by which its intended start was later
    assert result.lag.max > 0.3


async def test_the_closed_loop_does_not_see_its_own_queue() -> None:
    async with stand_in_service(slow(0.02)) as service:
        result = await run_load(plan(service, requests=20, concurrency=1))
    assert result.lag.max == 0.0


async def test_nothing_is_sent_after_the_time_bound() -> None:
    async with stand_in_service(slow(0.02)) as service:
        result = await run_load(plan(service, requests=10_000, concurrency=2, seconds=0.2))
    assert result.sent == len(service.seen)
    assert result.unsent == 10_000 - result.sent > 0
    assert result.errors == 0


async def test_an_absent_server_is_said_before_anything_is_sent() -> None:
    with pytest.raises(TargetUnreachable):
        await run_load(LoadPlan(url="http://127.0.0.1:1", sale="drop"))


async def test_its_own_process_tells_the_same() -> None:
    async with stand_in_service(stock_of(3)) as service:
        result = await run_in_process(plan(service, requests=40, concurrency=40))
    assert (result.accepted, result.sold_out) == (3, 37)
    assert len(result.records) == len(service.seen) == 40
    assert service.seen[0].open_connections == 40
    assert LoadResult.from_json(json.loads(json.dumps(result.as_json()))) == result


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


async def test_its_own_process_says_why_it_failed() -> None:
    with pytest.raises(LoadFailed, match="TargetUnreachable"):
        await run_in_process(LoadPlan(url="http://127.0.0.1:1", sale="drop"))


async def test_cancelling_ends_its_own_process() -> None:
    async with stand_in_service(silence) as service:
        running = asyncio.create_task(run_in_process(plan(service, requests=5, concurrency=5)))
        await service.until(lambda service: len(service.seen) == 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await service.until(lambda service: not service.connections)


async def test_the_generator_does_not_outlive_whoever_started_it() -> None:
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
        await service.until(lambda service: len(service.seen) == 2)
        child.stdin.close()
        async with asyncio.timeout(10):
            assert await child.wait() == 130


async def test_the_blast_command_prints_the_table_and_writes_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    blast_command.add_parser(parser.add_subparsers())
    file = tmp_path / "blast.json"
    async with stand_in_service(stock_of(7)) as service:
        args = parser.parse_args(["blast", "drop", "--url", service.url, "--requests", "20", "--json", str(file)])
        assert await asyncio.to_thread(args.run, args) == 0
    printed = capsys.readouterr().out.split()
    assert printed[printed.index("accepted") + 1] == "7"
    assert printed[printed.index("sold-out") + 1] == "13"
    written = json.loads(file.read_text())
    assert (written["accepted"], len(written["records"])) == (7, 20)


async def test_the_blast_command_fails_when_buyers_got_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    blast_command.add_parser(parser.add_subparsers())
    async with stand_in_service(losing_the_first_attempt()) as service:
        args = parser.parse_args(["blast", "drop", "--url", service.url, "--requests", "3"])
        assert await asyncio.to_thread(args.run, args) == 1
    assert "connection-lost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (0, 0, 0, 0)),
        ([5], (5, 5, 5, 5)),
        ([2, 1], (1, 2, 2, 2)),
        (range(1, 101), (50, 95, 99, 100)),
        (range(1, 1001), (500, 950, 990, 1000)),
        ([1] * 98 + [7, 9], (1, 1, 7, 9)),
    ],
)
def test_percentiles_are_latencies_that_occurred(values: list[float], expected: tuple[float, ...]) -> None:
    latency = Latency.of(list(reversed(values)))
    assert (latency.p50, latency.p95, latency.p99, latency.max) == expected


@pytest.mark.parametrize(
    "option",
    [
        {"url": "https://127.0.0.1"},
        {"url": "http://"},
        {"url": "http://a b"},
        {"sale": "Drop"},
        {"sale": "drop\r\nX: 1"},
        {"key_prefix": "a b"},
        {"key_prefix": "k" * 41},
        {"path": "/buy ticket"},
        {"requests": 0},
        {"requests": 10_000_001},
        {"concurrency": 0},
        {"customers": 0},
        {"quantity": 101},
        {"retries": -1},
        {"rate": 0},
        {"seconds": 0},
        {"reply_seconds": -1},
        {"colour": "red"},
    ],
)
def test_a_plan_out_of_bounds_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidPlan):
        LoadPlan.from_json({"url": "http://127.0.0.1:8000", "sale": "drop", **option})


REPLY = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 28\r\nRetry-After: 3\r\n\r\n" + b'{"type":"/problems/sold-out"}'[:28]
)


def test_a_reply_may_come_in_any_pieces() -> None:
    assert all(read_reply(REPLY[:cut], 0.0) is None for cut in range(len(REPLY)))
    reply = read_reply(REPLY, 0.0)
    assert reply is not None
    assert (reply.status, reply.problem, reply.retry_after, reply.replayed) == (400, "sold-out", 3.0, False)


@pytest.mark.parametrize(
    "received",
    [
        REPLY + b"H",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 abc\r\nContent-Length: 0\r\n\r\n",
        b"SMTP ready 200\r\nContent-Length: 0\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_what_is_no_reply_is_refused(received: bytes) -> None:
    with pytest.raises(MalformedReply):
        read_reply(received, 0.0)


@pytest.mark.parametrize(
    ("attempt", "asked", "longest"), [(1, None, 0.05), (3, None, 0.2), (20, None, 2.0), (1, b"1", 1.0)]
)
def test_pauses_double_and_are_capped(attempt: int, asked: bytes | None, longest: float) -> None:
    head = b"http/1.1 503 x" + (b"" if asked is None else b"\r\nretry-after: " + asked)
    pause = pause_before(attempt, Reply(503, head, b"", 0.0))
    assert longest / 2 <= pause <= longest


def test_a_long_retry_after_is_honoured_up_to_the_cap() -> None:
    assert pause_before(1, Reply(503, b"http/1.1 503 x\r\nretry-after: 3600", b"", 0.0)) <= LONGEST_PAUSE_SECONDS
