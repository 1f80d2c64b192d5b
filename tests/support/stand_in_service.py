"""A small real HTTP server whose answer a test decides for each request. It keeps the requests in order."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as it arrived. `open_connections` counts the connections open at that moment."""

    path: str
    key: str
    customer: str
    quantity: int
    open_connections: int
    traceparent: str | None = None


Answer = bytes | None  # None to close the connection instead
Handler = Callable[[Request], Awaitable[Answer]]


@dataclass
class StandInService:
    """A running server. `handler` decides its answers, and `requests` holds the requests so far.

    `sale`: the answer to each GET, whatever its path; None for an unknown sale. Before the first purchase nothing of it
        is booked.
    `is_away`: whether each GET ends with a closed connection instead
    """

    handler: Handler
    sale: dict[str, Any] | None = None
    is_away: bool = False
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: set[asyncio.StreamWriter] = field(default_factory=set)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, holds: Callable[["StandInService"], bool]) -> None:
        """Wait for the condition, which is checked after each request and each closed connection, for up to 60 s."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: holds(self))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)
                }
                if head.startswith("GET "):
                    if self.is_away:
                        return
                    writer.write(self._read())
                    continue
                await self._accept_pending_connections()
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                request = Request(
                    path=head.split()[1],
                    key=headers["x-idempotency-key"],
                    customer=body["customer"],
                    quantity=body["quantity"],
                    open_connections=len(self.connections),
                    traceparent=headers.get("traceparent"),
                )
                self.requests.append(request)
                await self._notify()
                answer = await self._ask(request, reader)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.connections.discard(writer)
            writer.close()
            await self._notify()

    def _read(self) -> bytes:
        if self.sale is None:
            return problem(404, "unknown-sale")
        if self.requests or not self.sale:
            return http(200, self.sale)
        return http(200, self.sale | {"booked": 0, "oversold": 0, "latest": 0})

    async def _accept_pending_connections(self) -> None:
        """Let the loop accept the connections that the kernel had already made when this request was sent."""
        for _ in range(20):  # accepting takes 5 turns of the loop
            await asyncio.sleep(0)

    async def _ask(self, request: Request, reader: asyncio.StreamReader) -> Answer:
        """Return the handler's answer, or None as soon as the buyer closes the connection before it."""
        answering = asyncio.ensure_future(self.handler(request))
        hung_up = asyncio.ensure_future(reader.read(1))
        both: set[asyncio.Future[Any]] = {answering, hung_up}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return answering.result() if answering.done() else None
        finally:
            answering.cancel()
            hung_up.cancel()
            await asyncio.wait(both)
            if not hung_up.cancelled():
                hung_up.exception()  # the buyer may also have reset the connection

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()


@asynccontextmanager
async def stand_in_service(handler: Handler, sale: dict[str, Any] | None = None) -> AsyncIterator[StandInService]:
    """Run a server whose answers to purchases the handler decides."""
    service = StandInService(handler, sale)
    running: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(service.serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=512)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def http(status: int, document: dict[str, Any], **headers: str) -> bytes:
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def reserved(request: Request, **headers: str) -> bytes:
    return http(200, {"status": "Ticket Reserved", "reservation_id": f"drop.1.{request.key}"}, **headers)


def problem(status: int, slug: str, **headers: str) -> bytes:
    return http(status, {"type": f"/problems/{slug}", "status": status}, **headers)


def stock_of(tickets: int) -> Handler:
    """Return a handler that sells this many tickets, and then answers that the sale is sold out."""
    left = iter(range(tickets))

    async def sell(request: Request) -> Answer:
        return problem(400, "sold-out") if next(left, None) is None else reserved(request)

    return sell
