"""The worker's probes, asked as the kubelet asks: a connection each."""

import psutil

from app.lab.servers.ports import free_port
from tests.drain.until import until
from tests.test_probe import status
from tests.worker.conftest import MakeWorker

DEAD_REDIS = "redis://127.0.0.1:1/0"  # port 1 refuses


async def test_a_worker_that_drains_is_ready_and_alive(make_worker: MakeWorker) -> None:
    port = free_port()
    worker = make_worker(WORKER_PROBE_PORT=str(port))
    assert (status(port, "/readyz"), status(port, "/healthz")) == (200, 200)
    assert worker.stop(seconds=30)
    assert status(port, "/healthz") == 0


async def test_a_worker_without_a_store_is_alive_and_not_ready(make_worker: MakeWorker) -> None:
    port = free_port()
    make_worker(wait=False, WORKER_PROBE_PORT=str(port), REDIS_URL=DEAD_REDIS)

    async def alive() -> bool:
        return status(port, "/healthz") == 200

    await until(alive)
    assert status(port, "/readyz") == 503


async def test_a_child_that_follows_another_answers_on_the_same_port(make_worker: MakeWorker) -> None:
    port = free_port()
    worker = make_worker(WORKER_PROBE_PORT=str(port))
    (child,) = psutil.Process(worker.pid).children()
    child.kill()
    child.wait(10)

    async def ready() -> bool:
        return status(port, "/readyz") == 200

    await until(ready)
