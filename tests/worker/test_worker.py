"""Real `celery worker` processes: hints, a dead broker, a graceful end, and their death at each step of the drain."""

import asyncio
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from celery import Celery
from redis.asyncio import Redis

from app.failpoints import Failpoint, FailpointController
from app.gate.keys import instance_key
from app.lab.stack.process import ChildProcess
from app.lab.stack.servers.valkey import ValkeyServer
from app.ledger.revisions import own_revision
from tests.fixtures.releases import MakeRelease
from tests.support.releases import NEXT
from tests.support.sale_stream import SaleStream
from tests.support.silent_broker import SilentBroker
from tests.support.until import until
from tests.worker.conftest import START_SECONDS, MakeWorker, logged

DEAD_BROKER = "redis://127.0.0.1:1/0"  # port 1 refuses connections
MEMORY_BYTES = 150_000_000


def hint(broker_url: str, sale: Any) -> None:
    """Send a hint as the API does, by the task's name."""
    with Celery(broker=broker_url) as sender:
        sender.send_task("drain_orders", (sale,), queue="orders", expires=10, retry=False, ignore_result=True)


async def all_booked(sale_stream: SaleStream, tickets: int) -> bool:
    return await sale_stream.booked() == tickets and await sale_stream.length() == 0


async def assert_settled(sale_stream: SaleStream) -> None:
    assert (await sale_stream.backlog(), await sale_stream.pending()) == (0, 0)
    assert await sale_stream.rows("SELECT * FROM set_aside WHERE sale = :sale") == []


async def test_a_hint_is_worked_on_long_before_the_next_sweep(
    sale_stream: SaleStream, make_worker: MakeWorker, broker_url: str
) -> None:
    worker = make_worker(DRAIN_SWEEP_SECONDS="3600")
    await sale_stream.orders(30)
    hint(broker_url, "no such sale / nonsense")
    hint(broker_url, "unknown-sale")

    async def booked_by_a_hint() -> bool:
        hint(broker_url, sale_stream.name)  # again, because a hint that no consumer takes within 10 s expires
        return await all_booked(sale_stream, 30)

    await until(booked_by_a_hint)
    await assert_settled(sale_stream)
    assert worker.stop(seconds=30)
    assert worker.exit_code == 0


async def test_a_worker_with_another_installations_ledger_drains_nothing(
    sale_stream: SaleStream, make_worker: MakeWorker, broker_url: str, key_prefix: str
) -> None:
    """Orders that a worker books in a foreign ledger and deletes here would be lost to their buyers."""
    await sale_stream.redis.set(instance_key(key_prefix), "another")
    await sale_stream.orders(30)
    worker = make_worker(wait=False, LOG_LEVEL="DEBUG")
    await until(lambda: logged(worker, "belong to installation 'another'"), seconds=START_SECONDS)

    def hinted_in_vain() -> bool:
        hint(broker_url, sale_stream.name)  # again, because a hint that no consumer takes within 10 s expires
        return logged(worker, "It isn't known yet whose stores these are")

    await until(hinted_in_vain, seconds=START_SECONDS)
    assert (await sale_stream.booked(), await sale_stream.length()) == (0, 30)
    assert not logged(worker, "worker is ready")

    await sale_stream.redis.delete(instance_key(key_prefix))
    await until(lambda: all_booked(sale_stream, 30))
    assert logged(worker, "worker is ready")
    assert worker.stop(seconds=30)


async def test_a_worker_whose_stores_never_belong_together_ends_on_sigterm(
    sale_stream: SaleStream, make_worker: MakeWorker, empty_database_url: str
) -> None:
    await sale_stream.orders(3)
    worker = make_worker(wait=False, DATABASE_URL=empty_database_url)
    await until(lambda: logged(worker, "The ledger has no schema yet"), seconds=START_SECONDS)
    assert worker.stop(seconds=30)
    assert worker.exit_code == 0
    assert await sale_stream.length() == 3


async def test_a_worker_of_a_release_too_old_for_the_schema_books_nothing(
    sale_stream: SaleStream, make_worker: MakeWorker, database_url: str, next_release: MakeRelease
) -> None:
    assert next_release(own_revision(), NEXT).migrate(database_url).returncode == 0
    await sale_stream.orders(3)
    worker = make_worker(wait=False)
    await until(lambda: logged(worker, f"needs a release of revision {NEXT} or newer"), seconds=START_SECONDS)
    assert worker.stop(seconds=30)
    assert (await sale_stream.booked(), await sale_stream.length()) == (0, 3)


async def test_with_a_dead_broker_from_the_start_orders_are_booked_by_the_sweep(
    sale_stream: SaleStream, make_worker: MakeWorker
) -> None:
    worker = make_worker(BROKER_URL=DEAD_BROKER)
    await sale_stream.orders(30)
    await until(lambda: all_booked(sale_stream, 30))
    await assert_settled(sale_stream)
    assert worker.stop(seconds=30)


async def test_with_a_broker_that_hangs_orders_are_booked_by_the_sweep(
    sale_stream: SaleStream, make_worker: MakeWorker, silent_broker: SilentBroker
) -> None:
    worker = make_worker(BROKER_URL=silent_broker.url, wait=False)
    await sale_stream.orders(30)
    await until(lambda: all_booked(sale_stream, 30), seconds=START_SECONDS)
    await until(silent_broker.was_met)
    stopped = await asyncio.to_thread(worker.stop, seconds=20)
    assert stopped
    await assert_settled(sale_stream)


async def test_a_broker_that_dies_and_comes_back_costs_neither_orders_nor_the_worker(
    sale_stream: SaleStream, make_worker: MakeWorker, make_valkey: Callable[..., ValkeyServer]
) -> None:
    broker = make_valkey(appendfsync="off")
    worker = make_worker(BROKER_URL=broker.url)
    (child,) = psutil.Process(worker.pid).children()
    await until(lambda: tail_contains(worker, "ready."))
    broker.kill()
    await sale_stream.orders(30)
    await until(lambda: all_booked(sale_stream, 30))
    await until(lambda: tail_contains(worker, "Trying again"))
    broker.start()
    await until(lambda: connected_again(worker))
    assert child.is_running()
    assert worker.stop(seconds=30)
    await assert_settled(sale_stream)


@pytest.mark.usefixtures("no_forks")  # the worker's memory is measured
async def test_a_worker_ends_gracefully_with_its_child_and_is_small(
    sale_stream: SaleStream, make_worker: MakeWorker
) -> None:
    worker = make_worker()
    await sale_stream.orders(100)
    await until(lambda: all_booked(sale_stream, 100))
    family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    assert len(family) == 2
    assert all(process.memory_info().rss < MEMORY_BYTES for process in family)
    assert worker.stop(seconds=30)
    assert worker.exit_code == 0
    assert not any(process.is_running() for process in family)


async def test_a_worker_that_is_stopped_does_not_wait_for_a_forgotten_hint(
    sale_stream: SaleStream, make_worker: MakeWorker, make_valkey: Callable[..., ValkeyServer]
) -> None:
    """The child has not begun the hint at SIGTERM: the parent forgets it, and never reads that it was done."""
    broker = make_valkey(appendfsync="off")
    worker = make_worker(BROKER_URL=broker.url)
    parent = psutil.Process(worker.pid)
    (child,) = parent.children()
    child.suspend()
    hint(broker.url, sale_stream.name)
    async with Redis.from_url(broker.url) as redis:
        await until(lambda: redis.hlen("unacked"))
    threads = parent.num_threads()
    stopped = asyncio.create_task(asyncio.to_thread(worker.stop, seconds=20))
    await until(lambda: parent.num_threads() > threads)  # Celery starts one while it waits for the child
    child.resume()
    assert await stopped


async def test_a_worker_that_is_stopped_finishes_the_batch_in_hand(
    sale_stream: SaleStream, make_worker: MakeWorker
) -> None:
    """Orders go on coming, so that the worker always has a batch in hand."""
    worker = make_worker(DRAIN_BATCH_ORDERS="2")
    written = 10
    await sale_stream.orders(written)
    await until(lambda: all_booked(sale_stream, 10))
    stopped = asyncio.create_task(asyncio.to_thread(worker.stop, seconds=30))
    while not stopped.done():
        await sale_stream.orders(5)
        written += 5
    assert await stopped
    decided = sum((await sale_stream.statuses()).values())
    assert 0 < decided < written
    assert await sale_stream.length() == written - decided
    assert await sale_stream.pending() == 0


async def test_a_child_doesnt_outlive_its_parent(make_worker: MakeWorker) -> None:
    worker = make_worker()
    (child,) = psutil.Process(worker.pid).children()
    psutil.Process(worker.pid).kill()
    child.wait(20)


@pytest.mark.parametrize("point", ["after_batch_read", "before_batch_commit", "after_batch_commit"])
async def test_a_worker_killed_at_any_step_leaves_its_orders_to_the_next(
    sale_stream: SaleStream, make_worker: MakeWorker, failpoints: FailpointController, point: Failpoint
) -> None:
    await sale_stream.orders(30)
    failpoints.kill_at(point)
    # Celery starts another child in place of the killed one. It must not claim the orders before they are checked.
    make_worker(DRAIN_CLAIM_IDLE_SECONDS="3600", wait=False)
    await until(lambda: failpoints.happened(point, "kill"))
    assert await sale_stream.pending() == 30
    assert await sale_stream.booked() == (30 if point == "after_batch_commit" else 0)
    assert await sale_stream.backlog() == 30

    make_worker()
    await until(lambda: all_booked(sale_stream, 30))
    assert await sale_stream.statuses() == {"booked": 30}
    await assert_settled(sale_stream)


async def tail_contains(worker: ChildProcess, words: str) -> bool:
    """Return whether these words are in the latest lines of the worker's log."""
    return words in worker.log_tail()


async def connected_again(worker: ChildProcess) -> bool:
    tail = worker.log_tail()
    return tail.rfind("Connected to") > tail.rfind("Trying again") > 0


async def test_two_workers_book_a_crowd_exactly(
    sale_stream: SaleStream, make_worker: MakeWorker, broker_url: str
) -> None:
    workers = [make_worker(wait=False), make_worker()]
    for _ in range(6):
        await sale_stream.orders(25)
        hint(broker_url, sale_stream.name)
    await until(lambda: all_booked(sale_stream, 100))
    assert await sale_stream.statuses() == {"booked": 100, "rejected": 50}
    await assert_settled(sale_stream)
    assert all(worker.running for worker in workers)
