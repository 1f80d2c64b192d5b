"""Fixtures for the dashboard in a real browser, on a real installation that all of these tests share.

All of them run in one event loop.
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import cache
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright, expect

from app.lab.stack.home import LabHome
from tests.support.databases import MigratedDatabases
from tests.support.patience import PATIENCE
from tests.support.platform import Platform
from tests.support.project import PROJECT

PICTURES = PROJECT / "build" / "dashboard"
CHARTS = PROJECT / "app" / "static" / "vendor" / "chart.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

expect.set_options(timeout=30_000)  # Playwright's default of 5 s is too short beside other tests

OpenPage = Callable[..., Awaitable[Page]]


@cache
def found_browser() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the test without a browser. Skipped here and not in a fixture, all tests share one line of the summary."""
    if "open_page" in getattr(item, "fixturenames", ()) and not found_browser():
        pytest.skip("no Chromium on the PATH: the dashboard's tests need one (apt-get install chromium)")


@pytest.fixture(scope="session")
def browser_path() -> str:
    path = found_browser()
    assert path is not None
    return path


@pytest.fixture(scope="package")
def dashboard_database_url(migrated_databases: MigratedDatabases) -> Iterator[str]:
    yield from migrated_databases.lent()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def platform(
    browser_path: str,  # noqa: ARG001  without a browser nothing is started
    tmp_path_factory: pytest.TempPathFactory,
    dashboard_database_url: str,
) -> AsyncIterator[Platform]:
    """Yield an installation with two API processes, a worker, a reconciler and a blast runner."""
    home = LabHome(tmp_path_factory.mktemp("dashboard") / "home")
    home.lock()
    platform = Platform(
        home,
        dashboard_database_url,
        api=2,
        blast_runner=True,
        environment=PATIENCE | {"LEDGER_POOL_SIZE": "20"},
    )  # the default pool size: fewer connections make a smaller race
    platform.stock.start()
    platform.broker.start()
    platform.start(*platform.names)
    yield platform
    await platform.close()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser(browser_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path, args=list(QUIET))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, platform: Platform) -> AsyncIterator[OpenPage]:
    """Yield a function that opens a view in a new browser context: `await open_page(view, ...)`.

    `url`: another installation than the shared one. `expected`: words of console messages that the test provokes. When
    the test ends, the fixture asserts that no page logged any other error or warning or loaded anything from elsewhere.
    """
    contexts = []
    problems: list[str] = []

    async def open_page(
        view: str = "two-sides",
        *,
        url: str = platform.url,
        theme: Literal["dark", "light"] = "dark",
        width: int = 1280,
        height: int = 900,
        expected: tuple[str, ...] = (),
    ) -> Page:
        context = await browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": height}, reduced_motion="reduce"
        )
        contexts.append(context)
        page = await context.new_page()

        def check_message(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and not any(words in message.text for words in expected):
                problems.append(message.text)

        def check_origin(request: Request) -> None:
            if not request.url.startswith((url, "blob:")):
                problems.append(f"a request to another origin: {request.url}")

        page.on("console", check_message)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", check_origin)
        await show(page, url, view)
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert problems == []


async def show(page: Page, url: str, view: str) -> None:
    """Open a view and wait until it is live."""
    await page.goto(f"{url}/static/index.html#/{view}")
    await page.locator(".liveness.live").wait_for()
    await page.locator("main [aria-busy]").wait_for(state="detached")


async def take_picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
