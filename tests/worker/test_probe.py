"""The worker's probes, requested as by the kubelet, on a new connection each."""

from collections.abc import Callable

import psutil
from redis.asyncio import Redis

from app.lab.stack.servers.ports import free_port
from app.lab.stack.servers.valkey import ValkeyServer
from tests.support.probe import status
from tests.support.until import until
from tests.worker.conftest import MakeWorker

DEAD_REDIS = "redis://127.0.0.1:1/0"  # port 1 refuses connections


async def waits_for_hints(broker: ValkeyServer) -> bool:
    """Return whether a worker's loop is asking the broker for its next message."""
    async with Redis.from_url(broker.url, decode_responses=True) as redis:
        return any(client["cmd"] == "brpop" for client in await redis.client_list())


async def test_a_worker_that_drains_is_ready_and_alive(make_worker: MakeWorker) -> None:
    port = free_port()
    worker = make_worker(WORKER_PROBE_PORT=str(port))
    await until(lambda: (status(port, "/readyz"), status(port, "/healthz")) == (200, 200))
    assert worker.stop(seconds=30)
    assert status(port, "/healthz") == 0


async def test_a_worker_without_a_store_is_alive_and_not_ready(make_worker: MakeWorker) -> None:
    port = free_port()
    make_worker(wait=False, WORKER_PROBE_PORT=str(port), REDIS_URL=DEAD_REDIS)
    await until(lambda: status(port, "/healthz") == 200)
    assert status(port, "/readyz") == 503


async def test_a_child_that_follows_another_answers_on_the_same_port(
    make_worker: MakeWorker, make_valkey: Callable[..., ValkeyServer]
) -> None:
    port, broker = free_port(), make_valkey(appendfsync="off")
    worker = make_worker(WORKER_PROBE_PORT=str(port), BROKER_URL=broker.url)
    # Before its loop has begun, Celery treats a child's death as a failed start, and ends.
    await until(lambda: waits_for_hints(broker))
    (child,) = psutil.Process(worker.pid).children()
    child.kill()
    child.wait(60)
    await until(lambda: status(port, "/readyz") == 200)
