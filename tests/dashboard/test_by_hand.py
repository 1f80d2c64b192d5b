"""One purchase whose button is pressed twice, and one that is made in several tabs at once."""

import pytest
from playwright.async_api import expect

from tests.dashboard.conftest import OpenPage, show, take_picture
from tests.support.platform import Platform

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_pressed_twice_is_bought_once(platform: Platform, open_page: OpenPage) -> None:
    await platform.create_sale("pressed", stock=10)
    page = await open_page("by-hand")
    await page.get_by_role("combobox", name="Sale").select_option("pressed")
    await page.get_by_role("button", name="Buy", exact=True).dblclick()
    await expect(page.get_by_role("heading", level=2)).to_have_text("2 answers, 1 reservation")
    await expect(page.get_by_role("cell", name="↻ replayed")).to_have_count(1)
    await page.get_by_role("button", name="Make a new key").click()
    await page.get_by_role("button", name="Buy", exact=True).click()
    await expect(page.get_by_role("heading", level=2)).to_have_text("3 answers, 2 reservations")
    assert (await platform.settled("pressed"))["booked"] == 2
    await take_picture(page, "by-hand")


# This takes 11 s: eight pages load at the same time.
async def test_eight_tabs_at_once_buy_one(platform: Platform, open_page: OpenPage) -> None:
    await platform.create_sale("tabs", stock=10)
    first = await open_page("by-hand")
    await first.get_by_role("combobox", name="Sale").select_option("tabs")
    tabs = [first]
    for _ in range(7):
        tabs.append(await first.context.new_page())
        await show(tabs[-1], platform.url, "by-hand")
    await first.get_by_role("button", name="Buy in all 8 tabs at once").click()
    for tab in tabs:
        await expect(tab.get_by_role("heading", level=2)).to_have_text("1 answer, 1 reservation")
    assert (await platform.settled("tabs"))["booked"] == 1
