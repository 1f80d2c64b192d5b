"""Measure the dashboard on this machine, with its own lab and Chromium: `python tools/measure_dashboard.py`.

It prints the time to the first contentful paint, the size of the resources that are loaded, the frame rate of the race
lens while 5,000 requests run, and the cost of watchers for buyers: the p99 of purchases without and with ten watchers,
measured alternately. It does not judge the figures, which are worse on a busy machine.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page
from running_lab import Lab, browser_path, chromium, running_lab

WATCHERS = 10
ROUNDS = 5
CROWD = {"requests": 5_000, "concurrency": 100}
FRAMES = """
    () => new Promise((done) => {
      const times = [];
      function frame(now) {
        times.push(now);
        if (now - times[0] < 8000) requestAnimationFrame(frame);
        else done({ frames: times.length - 1, seconds: (now - times[0]) / 1000,
                    longest: Math.max(...times.slice(1).map((time, at) => time - times[at])) });
      }
      requestAnimationFrame(frame);
    })
"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
WEIGHT = "performance.getEntriesByType('resource').reduce((sum, each) => sum + each.decodedBodySize, 0)"


async def first_paint(browser: Browser, url: str) -> None:
    """Measure the time to the first contentful paint, and the size of the loaded resources."""
    paints = []
    for _ in range(ROUNDS):
        page = await browser.new_page()
        await page.goto(f"{url}/static/index.html")
        await page.locator(".sides").wait_for()
        paints.append(float(await page.evaluate(PAINT)))
        weight = await page.evaluate(WEIGHT)
        await page.close()
    print(f"first contentful paint, median of {ROUNDS}: {statistics.median(paints):.0f} ms")
    print(f"loaded: {weight / 1000:.0f} kB")


async def frames(page: Page, client: Lab) -> None:
    """Measure the frame rate of the race lens while a blast runs."""
    await client.create({"name": "lens", "strategy": "naive", "stock": 10_000, "think_ms": 20})
    await page.goto(f"{client.url}/static/index.html#/race-lens")
    running = asyncio.create_task(client.blast("lens", **CROWD))
    await page.locator("canvas").wait_for()
    measured = await page.evaluate(FRAMES)
    drawn = await page.locator('[data-figure="Windows"]').inner_text()
    await running
    rate = measured["frames"] / measured["seconds"]
    print(f"race lens while {CROWD['requests']} requests run, {drawn} drawn by then: {rate:.0f} frames/s")
    print(f"the longest frame: {measured['longest']:.0f} ms")


async def watchers_cost(client: Lab) -> None:
    """Measure the p99 of purchases without and with watchers, alternately."""
    unwatched: list[float] = []
    watched: list[float] = []
    await client.create({"name": "watched", "strategy": "atomic", "stock": 100_000})
    await client.blast("watched", **CROWD)  # warm-up
    for _ in range(ROUNDS):
        for watchers, p99 in ((0, unwatched), (WATCHERS, watched)):
            async with watching(client.url, watchers):
                p99.append((await client.blast("watched", **CROWD))["latency_ms"]["p99"])
    without, with_watchers = statistics.median(unwatched), statistics.median(watched)
    print(
        f"p99 of purchases, median of {ROUNDS}: {without:.1f} ms, with {WATCHERS} watchers {with_watchers:.1f} ms "
        f"({with_watchers / without:.2f} times)"
    )


@asynccontextmanager
async def watching(url: str, count: int) -> AsyncIterator[None]:
    """Keep this many watchers connected while the block runs. They read events and discard them."""
    host, _, port = url.removeprefix("http://").partition(":")

    async def watch() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while await reader.read(65_536):
            pass

    watchers = [asyncio.create_task(watch()) for _ in range(count)]
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)


async def main() -> None:
    browser_path()  # ends the script now, and not after minutes, if there is none
    async with running_lab() as client:
        await watchers_cost(client)
        async with chromium() as browser:
            await first_paint(browser, client.url)
            await frames(await browser.new_page(), client)


if __name__ == "__main__":
    asyncio.run(main())
