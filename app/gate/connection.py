"""Connections to the stock server, with bounded waits, a bounded number of connections and no automatic retries.

redis-py's own defaults are 10 retries and 5 s: a buyer would wait a minute.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import redis.asyncio as redis
import structlog
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError

from app.gate.cluster import Address, ClusterRedis
from app.redis_address import RedisAddress
from app.settings import GateSettings

Locate = Callable[[], Awaitable[Address]]

ASK_SECONDS = 1.0  # between two questions to the Sentinels while connections stay open

log = structlog.get_logger()


class CancellableConnection(redis.Connection):
    """A connection that sends without asyncio.wait_for, which on Python 3.11 may lose a cancellation as the send ends.

    With wait_for 78 of 200 cancelled calls ran on (measured), and each send was a task of its own.
    `locate` is called before each connect and returns the server's address.
    """

    locate: Locate | None = None

    async def _connect(self) -> None:
        if self.locate is not None:
            self.host, self.port = await self.locate()
        await super()._connect()  # type: ignore[no-untyped-call]  # redis-py does not type it

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Return the response. If the server has become a replica, disconnect and raise a ConnectionError.

        The next connect then finds the new primary.
        """
        try:
            return await super().read_response(*arguments, **options)
        except ReadOnlyError as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError("The server is a replica now; nothing was changed.") from error

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:  # noqa: ARG002  the library's signature
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if isinstance(command, str):
            command = command.encode()
        writer = self._writer
        if writer is None:
            raise RedisConnectionError("The connection was closed before the command was sent.")
        try:
            async with asyncio.timeout(self.socket_timeout):
                writer.writelines([command] if isinstance(command, bytes) else command)
                await writer.drain()
        except BaseException as error:
            await self.disconnect(nowait=True)  # half a command may have been sent
            if isinstance(error, OSError):
                raise RedisConnectionError(f"The command was not sent: {error!r}") from error
            raise


class CancellableTlsConnection(CancellableConnection, redis.SSLConnection):
    """A CancellableConnection over TLS."""


class SentinelPool(redis.BlockingConnectionPool):
    """The connections to the primary that the Sentinels name. A connection to an earlier primary is not used again.

    The Sentinels are asked at each connect, and from the first one on every ASK_SECONDS in the background, until the
    pool is closed. An old primary that is cut off from its Sentinels closes no connection, so nothing else would make
    this process leave it. After the loss of a node each connection that is still open would cost a call the command's
    timeout. In a split brain the busiest connections would stay with the old primary, because the pool hands out first
    what was released last.

    redis-py's own pool closes all idle connections once a connect finds the move, and awaits each close. Over TLS a
    silent server makes that 0.5 s, in which other calls take these connections: 7 of 60 calls failed (measured). Here
    a connection is closed only by the call that holds it.
    """

    def __init__(self, sentinels: Sentinel, primary: str, **options: Any) -> None:
        super().__init__(**options)
        self._sentinels = sentinels
        self._primary = primary
        self._address: Address | None = None
        self._asked = 0
        self._answered = 0
        self._watch: asyncio.Task[None] | None = None

    def make_connection(self) -> Any:
        connection = super().make_connection()  # type: ignore[no-untyped-call]  # redis-py does not type it
        connection.locate = self._locate
        return connection

    async def ensure_connection(self, connection: Any) -> None:
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._follow_primary())
        if (connection.host, connection.port) != self._address:
            await connection.disconnect(nowait=True)
        await super().ensure_connection(connection)

    async def aclose(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        try:
            await super().aclose()
        finally:
            await self._sentinels.aclose()

    async def _follow_primary(self) -> None:
        """Ask the Sentinels again and again. While none answers, the connections stay where they are."""
        silent = False
        while True:
            await asyncio.sleep(ASK_SECONDS)
            try:
                await self._locate()
            except (RedisError, OSError) as error:
                if not silent:
                    log.warning("no Sentinel names the primary; open connections stay", error=str(error))
                silent = True
            else:
                silent = False

    async def _locate(self) -> Address:
        """Ask the Sentinels. A late answer does not replace that to a later question."""
        self._asked += 1
        question = self._asked
        address: Address = await self._sentinels.discover_master(self._primary)
        if question > self._answered:
            self._answered, self._address = question, address
        return address


async def _handshake(connection: AbstractConnection) -> None:
    """Set up the connection and read the server's run id, which the scripts compare with the one at the sale's seed.

    The first purchase over a new connection thus detects a restart or a failover before it is decided.
    """
    await connection.on_connect()
    await connection.send_command("INFO", "server")
    connection.run_id = _run_id(await connection.read_response())  # type: ignore[attr-defined]  # an attribute of ours


def _run_id(info: Any) -> str:
    """Return the run id in an answer to INFO, or '' if a managed service hides it."""
    text = info.decode() if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in ("run_id", "txt:run_id"):
            return value.strip()
    return ""


def make_redis(url: str, process: str, settings: GateSettings) -> redis.Redis:
    """Return a client whose every wait is bounded by `settings`. `process` is part of the client's name.

    Raise ValueError if the URL has none of the forms of app.redis_address.
    """
    address = RedisAddress.of(url)
    options = {
        "connection_class": CancellableConnection if address.tls is None else CancellableTlsConnection,
        "max_connections": settings.max_connections,
        "timeout": settings.command_timeout_seconds,
        "db": address.database,
        "username": address.username,
        "password": address.password,
        "encoding_errors": "backslashreplace",  # a stray byte in an entry must not block the next ones
        "client_name": f"atomictickets.{process}",
        "redis_connect_func": _handshake,
        **_common_options(address, settings),
    }

    def client(host: Address) -> redis.Redis:
        return redis.Redis.from_pool(redis.BlockingConnectionPool(host=host[0], port=host[1], **options))

    match address.kind:
        case "cluster":
            return ClusterRedis(address.hosts, client)
        case "sentinel":
            return redis.Redis.from_pool(SentinelPool(_sentinels(address, settings), address.primary, **options))
        case "server":
            return client(address.hosts[0])


def _sentinels(address: RedisAddress, settings: GateSettings) -> Sentinel:
    """Return a client that asks the Sentinels in turn, and moves the one that answers to the front of the list."""
    options = {
        "username": address.sentinel_username,
        "password": address.sentinel_password,
        "ssl": address.tls is not None,
        **_common_options(address, settings),
    }
    return Sentinel(address.hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call]  # redis-py does not type it


def _common_options(address: RedisAddress, settings: GateSettings) -> dict[str, Any]:
    """Return the options of every connection. Over TLS redis-py verifies certificate and host name by default."""
    return {
        "socket_connect_timeout": settings.connect_timeout_seconds,
        "socket_timeout": settings.command_timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
        "protocol": 2,
        **(address.tls or {}),
    }
