"""Fixtures for the API: the application in the test's process or in one of its own, on real stores, and its clients."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, TransportError
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from app.lab.stack.process import ChildProcess
from app.lab.stack.servers.ports import free_port
from app.main import Settings, create_app
from app.settings import ApiSettings, StoreSettings
from tests.support.patience import PATIENCE, PATIENT_GATE, PATIENT_LEDGER
from tests.support.until import until

Api = Callable[..., AbstractAsyncContextManager[AsyncClient]]


@pytest.fixture
def settings(redis_url: str, broker_url: str, database_url: str, key_prefix: str) -> Settings:
    return Settings(
        stores=StoreSettings(redis_url=redis_url, broker_url=broker_url, database_url=database_url),
        gate=PATIENT_GATE.model_copy(update={"key_prefix": key_prefix}),
        ledger=PATIENT_LEDGER.model_copy(update={"pool_size": 5}),
        api=ApiSettings(),
    )


@asynccontextmanager
async def running(
    settings: Settings, *, ready: bool = True, raise_app_exceptions: bool = False
) -> AsyncIterator[AsyncClient]:
    """Run the application with its lifespan, as a server would, and yield a client that calls it without a socket.

    `ready`: wait until the application is ready. `raise_app_exceptions`: let the client raise the exceptions that the
    application passes on to its server.
    """
    application = create_app(settings)
    async with application.router.lifespan_context(application) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await application({**scope, "state": dict(state or {})}, receive, send)

        transport = ASGITransport(with_state, raise_app_exceptions=raise_app_exceptions)
        async with AsyncClient(transport=transport, base_url="http://api", timeout=10) as client:
            if ready:
                await until_ready(client)
            yield client


async def until_ready(client: AsyncClient) -> None:
    async def ready() -> bool:
        return (await client.get("/readyz")).status_code == 200

    await until(ready)


@pytest.fixture
def api() -> Api:
    """Return `running`, which starts an application: `async with api(settings) as client`."""
    return running


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[AsyncClient]:
    async with running(settings) as client:
        yield client


@pytest.fixture
def protected(settings: Settings) -> Settings:
    """Return the same settings with the admin token `sesame`."""
    return Settings(
        stores=settings.stores,
        gate=settings.gate,
        ledger=settings.ledger,
        api=ApiSettings(admin_token=SecretStr("sesame")),
    )


@pytest.fixture
def sale_terms() -> dict[str, Any]:
    """Return the terms of a sale of ten tickets, without a pause for the naive strategy: no test here needs a race."""
    return {"name": "spring-tour", "strategy": "atomic", "stock": 10, "think_ms": 0}


@dataclass
class Served:
    """One process of `python -m app.serve`."""

    url: str
    process: ChildProcess

    @property
    def log(self) -> Path:
        return self.process.log

    async def ready(self) -> None:
        async with AsyncClient(base_url=self.url) as client:

            async def ready() -> bool:
                assert self.process.running, self.log.read_text()
                try:
                    return (await client.get("/readyz")).status_code == 200
                except TransportError:
                    return False

            await until(ready)

    def signal(self, sig: signal.Signals) -> None:
        os.kill(self.process.pid, sig)

    async def ended(self) -> int | None:
        """Wait until the process has ended by itself, and return its exit code."""
        await until(lambda: not self.process.running)
        return self.process.exit_code


@pytest.fixture
def serve(store_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Yield a function that starts an API process on the test's stores. Keywords add to its environment."""
    started: list[Served] = []

    def start(port: int | None = None, **environment: str) -> Served:
        port = port or free_port()
        process = ChildProcess(
            f"api {len(started)}",
            [sys.executable, "-m", "app.serve"],
            log=tmp_path / f"api-{len(started)}.log",
            environment=os.environ | store_environment | PATIENCE | {"API_PORT": str(port)} | environment,
        )
        process.start()
        started.append(Served(f"http://127.0.0.1:{port}", process))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()


@pytest.fixture
async def sale(client: AsyncClient, sale_terms: dict[str, Any]) -> str:
    """Create an open sale and return its name."""
    created = await client.post("/sales", json=sale_terms)
    assert created.status_code == 201, created.text
    return str(sale_terms["name"])
