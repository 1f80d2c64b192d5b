"""The operator as it is started in a pod, in a process of its own that a test may kill."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

WORKERS, LEASE = "workers", "operator"


class OperatorProcess:
    """`environment`: what the chart would set, and the stores."""

    def __init__(self, namespace: str, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.metrics_port = free_port()
        self._namespace = namespace
        self._environment = environment
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when /healthz answers: the loop has begun."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "kopf", "run", "-m", "flashsale_operator.main", "--standalone",
                "--namespace", self._namespace, "--liveness", f"http://127.0.0.1:{self._port}/healthz",
                env=os.environ | {
                    "OPERATOR_NAMESPACE": self._namespace,
                    "OPERATOR_METRICS_PORT": str(self.metrics_port),
                    "OPERATOR_WORKERS": WORKERS,
                    "OPERATOR_LEASE": LEASE,
                    "OPERATOR_LIST_SECONDS": "3",
                } | dict(self._environment),
                stdout=log,
                stderr=log,
            )  # fmt: skip
        async with asyncio.timeout(30):
            while not (await self.health()).startswith("HTTP/1.1 200"):
                assert self._process.returncode is None, self.log.read_text()[-3000:]
                await asyncio.sleep(0.1)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def health(self) -> str:
        return await get(self._port, "/healthz")

    async def metrics(self) -> str:
        return await get(self.metrics_port, "/metrics")

    async def metric(self, name: str) -> float:
        """The value of one line of the exposition."""
        lines = [line for line in (await self.metrics()).splitlines() if line.startswith(f"{name} ")]
        return float(lines[0].rpartition(" ")[2])

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await asyncio.wait_for(self._process.wait(), 20)


async def get(port: int, path: str) -> str:
    """The whole answer, '' where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return ""
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return (await reader.read()).decode()
    finally:
        writer.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
