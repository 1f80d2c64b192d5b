"""The sessions of the ledger: on servers that take writes only, and without locks 30 s after their client's node died.

A session learns at its start whether its transactions are read-only (`default_transaction_read_only`), and a standby is
read-only until its promotion. A pool would keep such a session for good, long after other sessions may write again.
"""

from asyncio import CancelledError
from collections.abc import Sequence
from typing import Any

from asyncpg.exceptions import CannotConnectNowError, TargetServerAttributeNotMatched
from sqlalchemy import event
from sqlalchemy.engine import AdaptedConnection, Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.ledger.availability import READ_ONLY, ReadOnlyLedger
from app.ledger.silence import Silence

IDLE_IN_TRANSACTION_SECONDS = 20.0
"""How long a transaction waits for its client: at most 10 s for a naive strategy (MAX_THINK_MS). Together with the
statement that the client sent last (LEDGER_STATEMENT_TIMEOUT_SECONDS, 3 s) it stays below 30 s."""
IDLE_LOCK_SECONDS = 25.0
"""The same for a session that holds a lock outside its transactions. It ends even if a proxy answers for the client."""
KEEPALIVES = {
    "tcp_keepalives_idle": "10",  # s; the kernel waits for two hours
    "tcp_keepalives_interval": "5",  # s
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",  # ms; the kernel sends an answer again and again for a quarter of an hour
}
"""PostgreSQL ignores them over a Unix socket. If the server's system lacks one of them, as macOS lacks the last, the
server logs a line and opens the session all the same (`pq_settcpusertimeout` in pqcomm.c)."""


def limits() -> dict[str, str]:
    """Return the settings of a session with which the server ends it if its client's node is lost."""
    return {**KEEPALIVES, "idle_in_transaction_session_timeout": milliseconds(IDLE_IN_TRANSACTION_SECONDS)}


def milliseconds(seconds: float) -> str:
    """Return a time as PostgreSQL's settings take it."""
    return str(int(seconds * 1000))


def guard_sessions(engine: AsyncEngine) -> None:
    """Let the pool hand out only sessions that are open and that may write, and leave a silent server together."""
    Silence().watch(engine)
    event.listen(engine.sync_engine, "do_connect", WritableServer().connect)
    event.listen(engine.sync_engine, "checkout", discard_closed)
    event.listen(engine.sync_engine, "handle_error", discard_read_only)


class WritableServer:
    """Opens sessions on the server of the URL that takes writes, beginning with the one that did so last.

    asyncpg could try the servers itself, but has one timeout for all of them, and always begins with the first: if that
    is a lost node, which is silent, no other would ever be reached.
    """

    def __init__(self) -> None:
        self._next = 0

    def connect(
        self, dialect: Dialect, _record: ConnectionPoolEntry, arguments: Sequence[Any], parameters: dict[str, Any]
    ) -> DBAPIConnection:
        """Open a session. Raise the error of the server that was tried last; ReadOnlyLedger if it takes no writes."""
        candidates = servers(parameters)
        failures: list[Exception] = []
        for number in range(self._next, self._next + len(candidates)):
            server = candidates[number % len(candidates)]
            try:
                connection = dialect.connect(*arguments, **server, target_session_attrs="read-write")
            except TargetServerAttributeNotMatched:
                failures.append(ReadOnlyLedger())
            except (OSError, CannotConnectNowError) as error:
                failures.append(error)
            except CancelledError:  # the caller gave up: a silent server must not stay the first one
                self._next = (number + 1) % len(candidates)
                raise
            else:
                self._next = number % len(candidates)
                return connection
        raise failures[-1]


def servers(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of a connection to each server of the URL. SQLAlchemy makes lists of several servers."""
    hosts, ports = parameters.get("host"), parameters.get("port")
    if not (isinstance(hosts, list) and isinstance(ports, list)):
        return [parameters]
    return [parameters | {"host": host, "port": port} for host, port in zip(hosts, ports, strict=True)]


def discard_closed(connection: AdaptedConnection, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """Replace a connection that the server has closed when it is taken from the pool. The driver knows of the close.

    Otherwise the first purchase of each process after a restart of Postgres would fail, however long ago the restart
    was.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError  # SQLAlchemy opens a new connection


def discard_read_only(context: ExceptionContext) -> None:
    """Treat a refused write like a lost connection: SQLAlchemy then replaces all sessions of the pool."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True
