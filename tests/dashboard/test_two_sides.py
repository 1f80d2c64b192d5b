"""The same crowd before two strategies, side by side. The page, the API and the ledger must agree."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.conftest import OpenPage, take_picture
from tests.dashboard.figures import figure
from tests.support.platform import Platform

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMEOUT_MS = 60_000
SIDES = {"left": "left-naive", "right": "right-atomic"}
BOOKED = """
    SELECT coalesce(sum(quantity), 0) FROM bookings b JOIN sales s ON s.name = b.sale AND s.round = b.round
    WHERE b.sale = :sale AND b.status = 'booked'
"""


async def start_both_sales(page: Page) -> None:
    """Start a run with the form's values, and return when both sides have finished with a verdict."""
    await page.get_by_role("button", name="Start both sales").click()
    await expect(page.locator(".side.left .verdict.bad")).to_be_visible(timeout=TIMEOUT_MS)
    await expect(page.locator(".side.right .verdict.good")).to_be_visible(timeout=TIMEOUT_MS)
    await expect(page.get_by_role("button", name="Start both sales")).to_be_enabled(timeout=TIMEOUT_MS)
    for side in SIDES:
        await expect(page.locator(f".side.{side} .progress")).to_contain_text("finished", timeout=TIMEOUT_MS)


async def test_what_the_page_says_is_what_the_ledger_has(platform: Platform, open_page: OpenPage) -> None:
    page, neighbour = await open_page(), await open_page(theme="light")
    await start_both_sales(page)
    for side, sale in SIDES.items():
        view = await platform.settled(sale) if side == "right" else await platform.view(sale)
        (booked,) = (await platform.rows(BOOKED, sale=sale))[0]
        panel, other = page.locator(f".side.{side}"), neighbour.locator(f".side.{side}")
        await expect(panel.locator('[data-figure="booked"]')).to_have_text(f"{booked:,}")
        assert view["booked"] == booked
        assert await figure(panel, "oversold") == view["oversold"] == max(0, booked - 10)
        assert await figure(panel, "accepted") == booked
        assert await figure(panel, "accepted") + await figure(panel, "sold_out") == 100
        for name in ("booked", "oversold", "accepted", "sold_out"):
            same = await panel.locator(f'[data-figure="{name}"]').inner_text()
            await expect(other.locator(f'[data-figure="{name}"]')).to_have_text(same, use_inner_text=True)
    left, right = page.locator(".side.left"), page.locator(".side.right")
    assert await figure(left, "oversold") > 0
    assert await figure(right, "booked") == 10
    assert await left.locator(".seats .seat.contested").count() > 0
    assert await right.locator(".seats .seat.taken").count() == 10
    await take_picture(page, "two-sides-dark")
    await take_picture(neighbour, "two-sides-light")

    shown = await left.locator("dl").first.inner_text()
    await page.reload()
    await expect(left.locator('[data-figure="booked"]')).to_be_visible()
    await expect(left.locator("dl").first).to_have_text(shown, use_inner_text=True)


async def test_a_run_can_be_cancelled(open_page: OpenPage) -> None:
    page = await open_page()
    await page.get_by_label("Think time").fill("400")
    await page.get_by_label("Buyers").fill("2000")
    await page.get_by_label("Stock").fill("3000")
    await page.get_by_role("button", name="Start both sales").click()
    await expect(page.locator(".side.left .progress")).to_contain_text("running", timeout=TIMEOUT_MS)
    accepted = page.locator('.side.left [data-figure="accepted"]')
    await expect(accepted).to_have_text(re.compile("[1-9]"), timeout=TIMEOUT_MS)
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator(".side.left .progress")).to_contain_text("cancelled", timeout=TIMEOUT_MS)
    await expect(page.get_by_role("button", name="Start both sales")).to_be_enabled()
    assert 0 < await figure(page.locator(".side.left"), "accepted") < 2000


async def test_by_keyboard_alone(open_page: OpenPage) -> None:
    page = await open_page()
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to main content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Buyers")).to_be_focused()
    await page.keyboard.type("20")
    await expect(page.locator("h1")).to_contain_text("20 people")
    await page.keyboard.press("Enter")
    await expect(page.locator(".side.right .progress")).to_contain_text("20 of 20 requests", timeout=TIMEOUT_MS)
    await expect(page.locator(".side.left .progress")).to_contain_text("20 of 20 requests", timeout=TIMEOUT_MS)


async def test_before_anything_is_sold_a_side_shows_what_will_happen(open_page: OpenPage) -> None:
    page = await open_page()
    for strategy, sentence in (
        ("naive-relative", "all of those will get a ticket"),
        ("redis-lock", "does not promise to sell exactly 10 tickets"),
        ("row-lock", "10 tickets will be"),
    ):
        await page.get_by_label("Left: strategy").select_option(strategy)
        left = page.locator(".side.left")
        await expect(left.locator(".hint.first")).to_contain_text(sentence)
        await expect(left.locator(".seats .seat.free")).to_have_count(10)
