"""The reconciler's loop over all sales, and the process that runs it."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.connection import make_redis
from app.gate.keys import instance_key
from app.gate.replies import GateUnavailable
from app.gate.server import ForeignStores
from app.lab.stack.servers.valkey import ValkeyServer
from app.sales.model import SaleTerms
from app.settings import GateSettings
from tests.support.box_office import NAME, BoxOffice
from tests.support.until import until

OLD_RECEIPT = """
    INSERT INTO receipts (reservation_id, sale, round, epoch, number, customer, idempotency_key, quantity, kept_at)
    VALUES ('drop.1.1-1.00000000000000aa', 'drop', 1, 1, 1, 'ada', 'k', 1, now() - interval '31 days')
"""


async def test_a_sale_that_nobody_seeded_is_opened(office: BoxOffice) -> None:
    for name in ("one", "two"):
        await office.sales.create(SaleTerms(name=name, strategy="atomic", stock=5), guarded=True)
    reconciler = office.reconciler()
    await reconciler.reconcile_all()
    assert {name: result.action for name, result in reconciler.results.items()} == {"one": "recount", "two": "recount"}
    for name in ("one", "two"):
        snapshot = await office.gate.snapshot(name)
        assert snapshot is not None
        assert (snapshot.state, snapshot.remaining) == ("open", 5)


async def test_a_sale_that_another_one_removed_is_forgotten(office: BoxOffice) -> None:
    sale = await office.create(stock=10)
    first, second = office.reconciler(), office.reconciler()
    for reconciler in (first, second):
        await reconciler.reconcile_all()
        assert NAME in reconciler.results
    await office.sales.end(sale.name)
    for _ in range(2):  # the first turn closes the sale, the second removes it
        await first.reconcile_all()
    await second.reconcile_all()
    assert (first.results, second.results) == ({}, {})


async def test_a_sale_that_fails_is_logged_once_and_stops_no_other(office: BoxOffice) -> None:
    await office.create(stock=10)
    broken = await office.sales.create(SaleTerms(name="broken", strategy="atomic", stock=5), guarded=True)
    await office.redis.set(office.gate.keys(broken.sale.name).sale, "not a hash")
    await office.leak(2)
    reconciler = office.reconciler()
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await reconciler.reconcile_all()
    assert (await office.snapshot()).remaining == 10
    assert [line["sale"] for line in logs if line["event"].startswith("sale not reconciled")] == ["broken"]


async def test_a_sale_of_which_a_field_is_gone_is_recounted(office: BoxOffice) -> None:
    await office.create(stock=10)
    await office.sell(2)
    await office.redis.hdel(office.keys.sale, "remaining")
    assert (await office.reconcile()).done
    assert (await office.snapshot()).remaining == 8


async def test_an_outage_is_logged_once_and_so_is_its_end(
    make_valkey: Callable[..., ValkeyServer], engine: AsyncEngine
) -> None:
    server = make_valkey(appendfsync="always")
    redis = make_redis(server.url, "test", GateSettings())
    office = BoxOffice(redis, "own", engine)
    await office.create(stock=10)
    ready = asyncio.Event()
    with structlog.testing.capture_logs() as logs:

        def logged(event: str) -> int:
            return sum(line["event"] == event for line in logs)

        running = asyncio.create_task(office.reconciler(interval_seconds=0.05).run_forever(ready))
        await ready.wait()
        server.kill()
        await until(lambda: logged("a store is away; sales are not reconciled") == 1)
        server.start()
        await until(lambda: logged("stores are back") == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert logged("a store is away; sales are not reconciled") == 1
    snapshot = await office.snapshot()
    assert (snapshot.state, snapshot.epoch, snapshot.server) == ("open", 2, await office.gate.run_id("drop"))
    await redis.aclose()


async def test_the_loop_deletes_old_receipts(office: BoxOffice) -> None:
    async with office.engine.begin() as connection:
        await connection.execute(text(OLD_RECEIPT))
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(office.reconciler(interval_seconds=0.01).run_forever())
        await until(lambda: any(line["event"] == "old rows deleted" for line in logs))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    async with office.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM receipts")) == 0


async def test_after_flushall_the_stores_are_marked_again(office: BoxOffice, key_prefix: str) -> None:
    await office.create(stock=10)
    reconciler = office.reconciler()
    await reconciler.reconcile_all()
    await office.redis.delete(instance_key(key_prefix))
    await reconciler.reconcile_all()
    with pytest.raises(ForeignStores):
        await office.gate.claim("another")


async def test_stores_that_become_another_installations_are_left_alone(office: BoxOffice, key_prefix: str) -> None:
    await office.create(stock=10)
    reconciler = office.reconciler(interval_seconds=0.01)
    await reconciler.reconcile_all()
    await office.redis.set(instance_key(key_prefix), "another")
    await office.redis.hset(office.keys.sale, "state", "fenced")
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(reconciler.run_forever())
        await until(lambda: any("belong to installation 'another'" in line.get("error", "") for line in logs))
        assert (await office.snapshot()).state == "fenced"
        await office.redis.delete(instance_key(key_prefix))
        await until(lambda: reconciler.results[NAME].epoch == 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [line["event"] for line in logs].count("these stores are not reconciled") == 1
    assert (await office.snapshot()).state == "open"


async def test_a_turn_without_a_gate_raises_gate_unavailable(office: BoxOffice) -> None:
    nobody_listens = make_redis("redis://127.0.0.1:1/0", "test", GateSettings())
    away = BoxOffice(nobody_listens, "own", office.engine)
    with pytest.raises(GateUnavailable):
        await away.reconciler().reconcile_all()
    await nobody_listens.aclose()


async def test_the_process_makes_its_ready_file_and_ends_on_sigterm(
    office: BoxOffice, redis_url: str, key_prefix: str, database_url: str, tmp_path: Path
) -> None:
    await office.sales.create(SaleTerms(name=NAME, strategy="atomic", stock=5), guarded=True)
    ready = tmp_path / "ready"
    environment = os.environ | {
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
        "GATE_KEY_PREFIX": key_prefix,
        "RECONCILE_READY_FILE": str(ready),
        "RECONCILE_INTERVAL_SECONDS": "0.1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.reconciler", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        await until(ready.exists)
        assert (await office.snapshot()).remaining == 5
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert "Traceback" not in errors.decode()
