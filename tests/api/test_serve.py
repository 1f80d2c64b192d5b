"""One API process: its port, how it handles signals, and how it ends."""

import asyncio
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient, ConnectError, Response

from app.failpoints import FailpointController
from app.lab.stack.servers.ports import free_port
from tests.api.conftest import Served
from tests.support.until import until

Serve = Callable[..., Served]
KEY = {"X-Idempotency-Key": "k"}
ORDER = {"sale": "spring-tour", "customer": "ada"}


async def test_a_port_in_use_is_one_line(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        served = serve(port)
        assert await served.ended() == 1
        assert served.log.read_text() == f"atomictickets: 127.0.0.1:{port} is in use by another program.\n"


async def test_several_processes_share_a_port(serve: Serve, sale_terms: dict[str, Any]) -> None:
    port = free_port()
    first, second = serve(port), serve(port)
    for served in (first, second):
        await until(lambda log=served.log: '"event": "ready"' in log.read_text())  # type: ignore[misc]  # a default binds it
    async with AsyncClient(base_url=first.url) as client:
        await client.post("/sales", json=sale_terms)
    first.signal(signal.SIGTERM)
    assert await first.ended() == 0
    async with AsyncClient(base_url=second.url) as client:
        assert (await client.post("/buy-ticket", json=ORDER, headers=KEY)).status_code == 200


async def test_any_process_exposes_the_metrics_of_all(serve: Serve, sale_terms: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    first, second = (serve(PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics")) for _ in range(2))
    for served, key in ((first, "k-1"), (second, "k-2")):
        await served.ready()
        async with AsyncClient(base_url=served.url) as client:
            await client.post("/sales", json=sale_terms)
            await client.post("/buy-ticket", json=ORDER, headers={"X-Idempotency-Key": key})
    for served in (first, second):
        async with AsyncClient(base_url=served.url) as client:
            lines = (await client.get("/metrics")).text.splitlines()
        assert 'atomictickets_purchases_total{outcome="reserved"} 2.0' in lines
        assert "atomictickets_purchase_seconds_count 2.0" in lines
        assert 'atomictickets_sale_remaining{sale="spring-tour"} 8.0' in lines


async def test_a_request_in_flight_is_answered_before_the_end(
    serve: Serve, sale_terms: dict[str, Any], failpoints: FailpointController
) -> None:
    served = serve(API_GRACEFUL_SECONDS="60")
    await served.ready()
    async with AsyncClient(base_url=served.url, timeout=60) as client:
        buying = await stopped_purchase(client, sale_terms, failpoints)
        served.signal(signal.SIGTERM)
        await until(lambda: "Shutting down" in served.log.read_text())
        failpoints.release("after_stock_read")
        won = await buying
    assert won.status_code == 200
    assert won.headers["connection"] == "close"
    assert await served.ended() == 0
    async with AsyncClient(base_url=served.url) as client:
        with pytest.raises(ConnectError):
            await client.get("/healthz")


async def test_a_purchase_that_outlasts_the_grace_is_asked_to_retry(
    serve: Serve, sale_terms: dict[str, Any], failpoints: FailpointController
) -> None:
    served = serve(API_GRACEFUL_SECONDS="1")
    await served.ready()
    async with AsyncClient(base_url=served.url, timeout=60) as client:
        buying = await stopped_purchase(client, sale_terms, failpoints)
        served.signal(signal.SIGTERM)
        cut_short = await buying
    assert (cut_short.status_code, cut_short.json()["type"]) == (503, "/problems/temporarily-unavailable")
    assert cut_short.json()["trace_id"] == cut_short.headers["x-trace-id"]
    assert await served.ended() == 0


async def test_a_leaving_process_is_not_ready_before_it_stops(serve: Serve, sale_terms: dict[str, Any]) -> None:
    served = serve(API_SHUTDOWN_DELAY_SECONDS="60")
    await served.ready()
    async with AsyncClient(base_url=served.url) as client:
        await client.post("/sales", json=sale_terms)
        assert "connection" not in (await client.get("/readyz")).headers
        served.signal(signal.SIGTERM)

        async def leaving() -> bool:
            return (await client.get("/readyz")).status_code == 503

        await until(leaving)
        late = await client.post("/buy-ticket", json=ORDER, headers=KEY)
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        assert (await client.get("/healthz")).status_code == 200
    assert served.process.running
    served.signal(signal.SIGTERM)  # a second signal ends the wait
    assert await served.ended() == 0


async def test_a_process_without_stores_ends_as_well(serve: Serve) -> None:
    served = serve(REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL="postgresql+asyncpg://nobody@127.0.0.1:1/none")
    async with AsyncClient(base_url=served.url) as client:

        async def alive() -> bool:
            try:
                return (await client.get("/healthz")).status_code == 200
            except ConnectError:
                return False

        await until(alive)
        assert (await client.get("/readyz")).status_code == 503
    served.signal(signal.SIGINT)
    assert await served.ended() == 0


async def test_a_chunked_body_without_end_is_cut_short(serve: Serve) -> None:
    """Over a real socket, the answer arrives while the client is still sending, and the connection is closed."""
    served = serve()
    await served.ready()
    port = int(served.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
    writer.write(
        b"POST /buy-ticket HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nX-Idempotency-Key: k\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(chunk * 40)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head.lower()
    writer.close()


async def stopped_purchase(
    client: AsyncClient, sale_terms: dict[str, Any], failpoints: FailpointController
) -> asyncio.Task[Response]:
    """Start a purchase, and return its task once the purchase is stopped after its read."""
    await client.post("/sales", json=sale_terms | {"strategy": "naive"})
    failpoints.stop_at("after_stock_read")
    buying = asyncio.create_task(client.post("/buy-ticket", json=ORDER, headers=KEY))
    await until(lambda: failpoints.happened("after_stock_read", "stop"))
    return buying
