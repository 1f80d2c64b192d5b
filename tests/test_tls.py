"""The stores over TLS with a private CA: clients connect only to a server whose certificate they can verify."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis

from app.drain.broker import broker_settings
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.gate.replies import GateUnavailable
from app.lab.stack.servers.postgres import PostgresServer
from app.lab.stack.servers.valkey import ValkeyServer
from app.ledger.availability import LedgerUnavailable
from app.ledger.engine import make_engine
from app.ledger.schema import installation_id
from app.settings import GateSettings, LedgerSettings, StoreSettings
from tests.fixtures.tls import MakeFront

PASSWORD = "p@ss:w/or?d#1%&é [x]"  # noqa: S105  an invented one


async def gate_answers(url: str) -> bool:
    """Return whether the gate can load its scripts at this URL."""
    redis = make_redis(url, "test", GateSettings(connect_timeout_seconds=10, command_timeout_seconds=10))
    try:
        await Gate(redis, "test").load_scripts()
    except GateUnavailable:
        return False
    finally:
        await redis.aclose()
    return True


async def test_the_stock_server_must_have_a_trusted_certificate(
    valkey_server: ValkeyServer, private_ca: Path, tls_front: MakeFront
) -> None:
    port = await tls_front(valkey_server.port)
    known = f"?ssl_ca_certs={private_ca / 'ca.crt'}"
    assert await gate_answers(f"rediss://localhost:{port}{known}")
    assert not await gate_answers(f"rediss://localhost:{port}")  # an unknown CA
    assert not await gate_answers(f"rediss://127.0.0.1:{port}{known}")  # not a name in the certificate
    assert not await gate_answers(f"redis://localhost:{port}")


async def test_the_ca_may_be_that_of_the_whole_process(
    valkey_server: ValkeyServer, private_ca: Path, tls_front: MakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = await tls_front(valkey_server.port)
    monkeypatch.setenv("SSL_CERT_FILE", str(private_ca / "ca.crt"))
    assert await gate_answers(f"rediss://localhost:{port}")


async def test_the_broker_must_have_a_trusted_certificate(
    broker_server: ValkeyServer, private_ca: Path, tls_front: MakeFront, key_prefix: str
) -> None:
    port = await tls_front(broker_server.port)

    def hint(url: str) -> None:
        with Celery(set_as_current=False) as sender:
            sender.conf.update(broker_settings(url, socket_connect_timeout=10, socket_timeout=10, max_retries=0))
            sender.send_task("drain_orders", ("drop",), queue=key_prefix, retry=False, ignore_result=True)

    await asyncio.to_thread(hint, f"rediss://localhost:{port}?ssl_ca_certs={private_ca / 'ca.crt'}")
    another_port = await tls_front(broker_server.port)  # Celery reuses a connection by its address, whatever the CA
    for untrusted in (
        f"rediss://localhost:{another_port}",
        f"rediss://127.0.0.1:{port}?ssl_ca_certs={private_ca / 'ca.crt'}",
    ):
        with pytest.raises(OperationalError):
            await asyncio.to_thread(hint, untrusted)
    with Redis.from_url(broker_server.url) as broker:
        assert broker.llen(key_prefix) == 1
        broker.delete(key_prefix)


async def test_the_ledger_must_have_a_trusted_certificate(
    postgres_server: PostgresServer,
    database_url: str,
    private_ca: Path,
    tls_front: MakeFront,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = await tls_front(postgres_server.port, postgres=True)
    over_tls = database_url.replace(f"127.0.0.1:{postgres_server.port}", f"localhost:{port}")
    monkeypatch.setenv("PGSSLMODE", "verify-full")

    async def answers(url: str, ca: Path) -> bool:
        monkeypatch.setenv("PGSSLROOTCERT", str(ca))
        engine = make_engine(url, "test", LedgerSettings(connect_timeout_seconds=10), pool_size=1)
        try:
            return bool(await installation_id(engine))
        except LedgerUnavailable:
            return False
        finally:
            await engine.dispose()

    assert await answers(over_tls, private_ca / "ca.crt")
    assert not await answers(over_tls.replace("localhost", "127.0.0.1"), private_ca / "ca.crt")
    assert not await answers(over_tls, private_ca / "other.crt")
    assert not await answers(database_url, private_ca / "ca.crt")  # a server without TLS


async def test_any_password_reaches_the_server(make_valkey: Callable[..., ValkeyServer]) -> None:
    server = make_valkey()
    with Redis.from_url(server.url) as admin:
        admin.acl_setuser("app", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=["+@all"])
    address = f"127.0.0.1:{server.port}/0"
    assert await gate_answers(f"redis://app:{quote(PASSWORD, safe='')}@{address}")
    given_apart = StoreSettings(redis_url=f"redis://app@{address}", redis_password=PASSWORD)
    assert await gate_answers(given_apart.redis_url)
    assert not await gate_answers(f"redis://app:wrong@{address}")
