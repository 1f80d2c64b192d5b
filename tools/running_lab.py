"""Start a lab and a Chromium for one run of a script in this folder."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from app.client import ApiRefused, ApiUnreachable, Document, SaleClient
from app.lab.stack.servers.ports import free_port

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
READY_SECONDS = 120


class Lab(SaleClient):
    """A client of the lab's HTTP API that can also run blasts."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    async def blast(self, sale: str, **load: Any) -> Document:
        """Send a blast, wait until it has ended, and return its result."""
        blast = await self._send("POST", f"/sales/{sale}/blasts", load)
        while (current := await self._send("GET", f"/blasts/{blast['id']}"))["result"] is None:  # noqa: ASYNC110  the end happens in another process
            await asyncio.sleep(0.1)
        result: Document = current["result"]
        return result

    async def is_ready(self) -> bool:
        """Return whether the lab answers requests about sales."""
        try:
            return await self.sale("no-such-sale") is None
        except (ApiUnreachable, ApiRefused):  # it does not listen yet, or is not ready yet
            return False


@asynccontextmanager
async def running_lab() -> AsyncIterator[Lab]:
    """Run a lab while the block runs, and yield its client when it is ready."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="atomictickets-") as home:
        command = ["-m", "app.lab.cli.main", "lab", "--port", str(port), "--home", str(Path(home) / "lab")]
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.DEVNULL)
        try:
            lab = Lab(f"http://127.0.0.1:{port}")
            async with asyncio.timeout(READY_SECONDS):
                while not await lab.is_ready():  # noqa: ASYNC110  another process becomes ready
                    await asyncio.sleep(0.2)
            yield lab
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


def browser_path() -> str:
    """Return the path of the Chromium on the PATH. If there is none, end the script with a message."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        sys.exit("There is no Chromium on the PATH (apt-get install chromium).")
    return path


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run the Chromium that is on the PATH."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        await browser.close()
