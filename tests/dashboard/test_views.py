"""Every view, in both themes and on narrow and wide screens.

An accessibility checker must find no violation, and a narrow screen must not scroll sideways. The pictures are for
people to look at.
"""

import json
import re

import pytest
from playwright.async_api import FilePayload, Page, expect
from sqlalchemy import text

from tests.dashboard.conftest import CHARTS, OpenPage, take_picture
from tests.dashboard.race_report import race_report
from tests.support.platform import Platform
from tests.support.project import PROJECT

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = ("two-sides", "race-lens", "way", "sales", "compare", "by-hand")
MAX_BYTES = 400_000


FIGURES = {
    "naive": {"sold": 100, "oversold": 90, "answered_per_second": 90, "p99_ms": 7.5},
    "atomic": {"sold": 100, "oversold": 0, "answered_per_second": 900, "p99_ms": 7.5},
}


async def violations(page: Page) -> list[str]:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make lint fetches it if npm is available")
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run(document)")
    return [f"{each['id']}: {node['html']}" for each in found["violations"] for node in each["nodes"]]


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_nothing_is_found_by_an_accessibility_checker(
    platform: Platform, open_page: OpenPage, theme: str
) -> None:
    await platform.ask("POST", "/sales", {"name": "shown", "strategy": "atomic", "stock": 30})
    page = await open_page(theme=theme)
    for view in VIEWS:
        await page.evaluate(f"location.hash = '#/{view}'")
        await expect(page.locator("nav a[aria-current]")).to_have_attribute("href", f"#/{view}")
        if view == "compare":
            file: FilePayload = {
                "name": "race.json",
                "mimeType": "application/json",
                "buffer": json.dumps(race_report(FIGURES)).encode(),
            }
            await page.set_input_files("input[type=file]", [file])
            await expect(page.locator("tbody tr")).to_have_count(2)
        assert await violations(page) == [], view
        await take_picture(page, f"{view}-{theme}")


async def test_a_narrow_screen_needs_no_scrolling_sideways(open_page: OpenPage) -> None:
    page = await open_page(width=360, height=740)
    for view in VIEWS:
        await page.evaluate(f"location.hash = '#/{view}'")
        await expect(page.locator("nav a[aria-current]")).to_have_attribute("href", f"#/{view}")
        assert await page.evaluate("document.documentElement.scrollWidth") == 360, view
        await take_picture(page, f"{view}-narrow")


async def test_a_wide_screen_is_used(open_page: OpenPage) -> None:
    page = await open_page(width=1920, height=1080)
    for view in VIEWS:
        await page.evaluate(f"location.hash = '#/{view}'")
        await expect(page.locator("nav a[aria-current]")).to_have_attribute("href", f"#/{view}")
        left, width = await page.evaluate(
            "(({left, width}) => [left, width])(document.querySelector('main').getBoundingClientRect())"
        )
        assert width > 1100, view
        assert abs(left - (1920 - left - width)) < 40, view  # centred
        await take_picture(page, f"{view}-wide")


async def test_all_that_the_page_loads_is_light(platform: Platform, open_page: OpenPage) -> None:
    page = await open_page()
    if CHARTS.is_file():
        await page.evaluate("import('./vendor/chart.js')")
    loaded = await page.evaluate("performance.getEntriesByType('resource').map((each) => new URL(each.name).pathname)")
    files = {path for path in loaded if path.startswith("/static/")} | {"/static/index.html"}
    assert "/static/views/race-lens.js" in files
    assert sum([len((await platform.ask("GET", path)).content) for path in files]) < MAX_BYTES


async def test_a_sale_is_created_reset_paused_and_ended(platform: Platform, open_page: OpenPage) -> None:
    page = await open_page("sales")
    await page.get_by_label("Name").fill("page-made")
    await page.get_by_role("button", name="Create the sale").click()
    card = page.locator("article", has=page.get_by_role("heading", name="page-made"))
    await expect(card).to_contain_text("round 1")
    await card.get_by_role("button", name="Start the next round").click()
    await expect(card).to_contain_text("round 2")
    await card.get_by_role("button", name="Pause page-made").click()
    await expect(card).to_contain_text("Paused")
    assert (await platform.buy("page-made", "ada", "k")).json()["reason"] == "paused"
    await card.get_by_role("button", name="Resume page-made").click()
    await expect(card).to_contain_text("Open")
    assert (await platform.buy("page-made", "ada", "k")).status_code == 200
    await card.get_by_role("button", name="End").click()
    await expect(card).to_contain_text("Closed")
    assert (await platform.view("page-made"))["round"] == 2


async def test_a_refusal_is_shown_with_its_reason(platform: Platform, open_page: OpenPage) -> None:
    await platform.create_sale("taken", stock=5)
    page = await open_page("sales", expected=("409",))
    await page.get_by_label("Name").fill("taken")
    await page.get_by_role("button", name="Create the sale").click()
    await expect(page.locator(".notice.problem")).to_contain_text("exists with other terms")


async def test_the_way_of_an_order_adds_up(platform: Platform, open_page: OpenPage) -> None:
    await platform.create_sale("way", stock=50)
    page = await open_page("way")
    await page.get_by_label("Sale").select_option("way")
    for number in range(7):
        assert (await platform.buy("way", f"buyer-{number}", "k")).status_code == 200
    await expect(page.locator('[data-figure="ledger"]')).to_have_text("7 tickets")
    await expect(page.locator('[data-figure="gate"]')).to_have_text("43 tickets")
    await expect(page.locator('[data-identity="good"]')).to_have_text(re.compile(r"50 = 43 \+ 0 \+ 0 \+ 7"))
    assert await page.get_by_text("Try a fault").count() == 0  # this installation is not a lab


async def test_tickets_that_were_booked_again_are_shown(platform: Platform, open_page: OpenPage) -> None:
    sale = await platform.create_sale("back-in-time", stock=20)
    for buyer in range(15):
        assert (await platform.buy(sale, f"buyer-{buyer}", "k")).status_code == 200
    page = await open_page("sales")
    card = page.get_by_role("article").filter(has=page.get_by_role("heading", name=sale))
    await expect(card.locator('[data-figure="Booked"]')).to_have_text("15")
    await expect(card.locator('[data-figure="Booked again"]')).to_have_count(0)
    async with platform.engine.begin() as ledger:
        await ledger.execute(text("DELETE FROM bookings WHERE sale = :sale"), {"sale": sale})
        await ledger.execute(text("UPDATE inventory SET booked = 0 WHERE sale = :sale"), {"sale": sale})
    await expect(card.locator('[data-figure="Booked again"]')).to_have_text("15")
    told = "15 tickets were booked again after the ledger went back."
    await expect(card.locator(".figure").last).to_have_attribute("title", re.compile(re.escape(told)))
    await take_picture(page, "sales-booked-again")
    await page.evaluate("location.hash = '#/way'")
    await page.get_by_role("combobox", name="Sale").select_option(sale)
    await expect(page.get_by_text(told)).to_be_visible()
    await expect(page.locator('[data-identity="good"]')).to_have_text(re.compile(r"20 = 5 \+ 0 \+ 0 \+ 15"))
    await take_picture(page, "way-booked-again")
