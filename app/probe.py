"""Answer health probes from the event loop that does the process's work. If the loop is stuck, nothing answers."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

REQUEST_SECONDS = 2.0
HEAD_BYTES = 4096
ANSWERS = {True: b"200 OK", False: b"503 Service Unavailable"}


async def serve_probes(port: int, ready: Callable[[], bool]) -> None:
    """Serve the probes until this task is cancelled.

    GET /readyz answers 200 if `ready` returns True, and 503 otherwise. Any other path answers 200, which shows that the
    loop runs.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                good = not head.startswith(b"GET /readyz ") or ready()
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % ANSWERS[good])
                await writer.drain()
        writer.close()

    # reuse_address: a successor can bind the port of a process that died, even if connections linger.
    server = await asyncio.start_server(answer, port=port, limit=HEAD_BYTES, reuse_address=True)
    try:
        await asyncio.Event().wait()
    finally:
        server.close()  # without waiting for connections: a prober that lingers must not delay the end of a worker
