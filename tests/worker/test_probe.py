"""The worker's probes, asked as the kubelet asks: a connection each."""

from http.client import HTTPConnection

import psutil

from app.lab.servers.ports import free_port
from tests.drain.until import until
from tests.worker.conftest import MakeWorker

DEAD_REDIS = "redis://127.0.0.1:1/0"  # port 1 refuses


async def status(port: int, path: str) -> int:
    """0 where nobody listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


async def test_a_worker_that_drains_is_ready_and_alive(make_worker: MakeWorker) -> None:
    port = free_port()
    worker = make_worker(WORKER_PROBE_PORT=str(port))
    assert (await status(port, "/readyz"), await status(port, "/healthz")) == (200, 200)
    assert worker.stop(seconds=30)
    assert await status(port, "/healthz") == 0


async def test_a_worker_without_a_store_is_alive_and_not_ready(make_worker: MakeWorker) -> None:
    port = free_port()
    make_worker(wait=False, WORKER_PROBE_PORT=str(port), REDIS_URL=DEAD_REDIS)

    async def alive() -> bool:
        return await status(port, "/healthz") == 200

    await until(alive)
    assert await status(port, "/readyz") == 503


async def test_a_child_that_follows_another_answers_on_the_same_port(make_worker: MakeWorker) -> None:
    port = free_port()
    worker = make_worker(WORKER_PROBE_PORT=str(port))
    (child,) = psutil.Process(worker.pid).children()
    child.kill()
    child.wait(10)

    async def ready() -> bool:
        return await status(port, "/readyz") == 200

    await until(ready)
