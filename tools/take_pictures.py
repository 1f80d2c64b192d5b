"""Take the pictures of docs/images from a real run: `make pictures`. It needs a Chromium on the PATH.

It starts a lab, sends a crowd to both sides, and takes each view in the dark and in the light theme.
"""

import asyncio
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, ViewportSize, expect
from running_lab import browser_path, chromium, running_lab

IMAGES = Path(__file__).parents[1] / "docs" / "images"
MAX_BYTES = 300_000  # of all pictures together, because they are part of every clone
SIZE: ViewportSize = {"width": 1220, "height": 720}
SEATS_END = 672  # px: the picture of both sides ends below the seats
TIMEOUT_MS = 60_000

Theme = Literal["dark", "light"]
THEMES: tuple[Theme, ...] = ("dark", "light")


async def open_view(browser: Browser, url: str, view: str, theme: Theme) -> Page:
    """Open a view of the dashboard in this theme, and wait until it shows live figures."""
    context = await browser.new_context(color_scheme=theme, viewport=SIZE, reduced_motion="reduce")
    page = await context.new_page()
    await page.goto(f"{url}/static/index.html#/{view}")
    await page.locator(".liveness.live").wait_for()
    await page.locator("main [aria-busy]").wait_for(state="detached")
    return page


async def sell_on_both_sides(page: Page) -> None:
    """Start both sales, and wait until both have finished."""
    await page.get_by_role("button", name="Start both sales").click()
    for side in ("left", "right"):
        await expect(page.locator(f".side.{side} .verdict")).to_be_visible(timeout=TIMEOUT_MS)
        await expect(page.locator(f".side.{side} .progress")).to_contain_text("finished", timeout=TIMEOUT_MS)


async def main() -> None:
    """Take all pictures, and print their sizes. Exit with an error if they are too large together."""
    browser_path()  # ends the script before a lab is started, if there is none
    IMAGES.mkdir(exist_ok=True)
    async with running_lab() as lab, chromium() as browser:
        await sell_on_both_sides(await open_view(browser, lab.url, "two-sides", "dark"))
        for theme in THEMES:
            page = await open_view(browser, lab.url, "two-sides", theme)
            await expect(page.locator(".side.left .verdict.bad")).to_be_visible(timeout=TIMEOUT_MS)
            await page.screenshot(
                path=IMAGES / f"two-sides-{theme}.png",
                clip={"x": 0, "y": 0, "width": SIZE["width"], "height": SEATS_END},
            )
            page = await open_view(browser, lab.url, "race-lens", theme)
            await page.locator("canvas").wait_for()
            await page.locator("canvas").focus()
            await page.keyboard.press("ArrowDown")
            await page.screenshot(path=IMAGES / f"race-lens-{theme}.png")
    sizes = {picture.name: picture.stat().st_size for picture in sorted(IMAGES.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{name}: {size / 1000:.0f} kB")
    if sum(sizes.values()) > MAX_BYTES:
        raise SystemExit(f"Together the pictures are larger than {MAX_BYTES / 1000:.0f} kB.")


if __name__ == "__main__":
    asyncio.run(main())
