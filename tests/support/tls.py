"""TLS in front of the embedded servers, which are built without it.

The handshake is real, and a client sees what it would see of a server with TLS of its own. A private CA, which
`openssl` makes, signs the certificate.
"""

import asyncio
import shutil
import ssl
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.lab.stack.servers.ports import LOOPBACK

SSL_REQUEST = struct.pack("!II", 8, 80877103)  # PostgreSQL's SSLRequest, sent by a client before its handshake
CHUNK_BYTES = 65_536


def authority(home: Path, hosts: Sequence[str]) -> Path:
    """Make a CA and a server certificate for all of `hosts`, as ca.crt, server.crt and server.key in `home`.

    Return `home`. Skip the test if openssl is not installed.
    """
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    make_certificate(home, "ca", "-addext keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 requires it
    names = ",".join(f"DNS:{host}" for host in hosts)
    extensions = f"-addext subjectAltName={names} -addext basicConstraints=CA:FALSE"
    make_certificate(home, "server", f"{extensions} -CA ca.crt -CAkey ca.key")
    return home


def make_certificate(home: Path, name: str, options: str = "") -> None:
    command = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt {options}"
    subprocess.run(["openssl", *command.split()], cwd=home, check=True, capture_output=True)


class TlsFront:
    """A server that accepts connections with TLS and forwards them to the port `target`."""

    def __init__(self, target: int, ca: Path, *, postgres: bool) -> None:
        self._target = target
        self._postgres = postgres
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(ca / "server.crt", ca / "server.key")
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        context = None if self._postgres else self._context
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._writers.add(writer)
        try:
            if self._postgres:
                assert await reader.readexactly(8) == SSL_REQUEST, "a client without TLS"
                writer.write(b"S")
                await writer.start_tls(self._context)
            server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self._target)
            self._writers.add(server_writer)
            await asyncio.gather(_forward(reader, server_writer), _forward(server_reader, writer))
            self._writers.discard(server_writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()  # a client that does not trust the certificate leaves during the handshake
        finally:
            self._writers.discard(writer)
            self._connections.discard(task)


async def _forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()
