"""A broker that accepts connections and never answers, like a frozen host."""

import asyncio


class SilentBroker:
    """A server that counts its connections, reads what it is sent, and never answers."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def was_met(self) -> bool:
        return self.connections > 0

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
        self._server.close()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        await reader.read()
