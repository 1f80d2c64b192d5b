"""Answers the platform's probes from the loop that does a process's work: where it is stuck, nothing answers."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

REQUEST_SECONDS = 2.0
HEAD_BYTES = 4096
ANSWERS = {True: b"200 OK", False: b"503 Service Unavailable"}


async def serve_probes(port: int, ready: Callable[[], bool]) -> None:
    """GET /readyz: what `ready` says. Else: the loop turns. Runs until it is cancelled."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                good = not head.startswith(b"GET /readyz ") or ready()
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % ANSWERS[good])
                await writer.drain()
        writer.close()

    # A child that died hands its port to the next one, whatever connections still linger.
    server = await asyncio.start_server(answer, port=port, limit=HEAD_BYTES, reuse_address=True)
    try:
        await asyncio.Event().wait()
    finally:
        server.close()  # and no waiting for connections: a prober that lingers must not hold up the end of a worker
