"""A proxy in front of a server that can fall silent: connections stay open and TCP answers, but no byte passes."""

import asyncio
from contextlib import suppress

CHUNK = 65_536  # bytes


class SilentProxy:
    """A TCP proxy. Once it is silent, each side sees a peer that is there and says nothing, like a frozen client."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def fall_silent(self) -> None:
        self._passing.clear()

    async def close(self) -> None:
        self._server.close()
        self._passing.set()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, to_writer]
        await asyncio.gather(self._pass_on(reader, to_writer), self._pass_on(to_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):  # the test ends the connections
            while chunk := await reader.read(CHUNK):
                await self._passing.wait()
                writer.write(chunk)
                await writer.drain()
        await self._passing.wait()  # not even an end passes
        writer.close()
