"""Leave a silent server together: the first statement that gets no answer speaks for all sessions of its pool.

A frozen or lost node closes no connection, so each session would find out for itself, by a timeout of its own (4 s):
the pool of an API process has 20. SQLAlchemy would also say goodbye to each of them for 2 s.
"""

import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import AdaptedConnection, Dialect, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

OPENED = "opened_at"


class Silence:
    """Notes when a server was silent. Sessions that were opened before are replaced, and closed without a goodbye.

    Those that are in use go on until their own statement ends, and are not used again.
    """

    def __init__(self) -> None:
        self._noticed = float("-inf")  # monotonic seconds

    def watch(self, engine: AsyncEngine) -> None:
        """Watch all sessions of the engine's pool."""
        event.listen(engine.sync_engine, "do_connect", self._note_opening)
        event.listen(engine.sync_engine, "handle_error", self._notice)
        event.listen(engine.sync_engine, "close", self._close)

    def _note_opening(self, _dialect: Dialect, record: ConnectionPoolEntry, *_: Any) -> None:
        record.info[OPENED] = time.monotonic()

    def _notice(self, context: ExceptionContext) -> None:
        """Let SQLAlchemy replace all sessions of the pool after the client's own timeout, not only this one.

        SQLAlchemy takes it for a caller who gave up. But one who does is seen as a CancelledError here. The server's
        timeout (`statement_timeout`, 57014) is an answer, and comes a second earlier.
        """
        if isinstance(context.original_exception, TimeoutError):
            self._noticed = time.monotonic()
            context.invalidate_pool_on_disconnect = True

    def _close(self, connection: AdaptedConnection, record: ConnectionPoolEntry) -> None:
        if record.info[OPENED] < self._noticed:
            connection.driver_connection.terminate()
