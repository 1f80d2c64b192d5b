"""A page that loses its connection says so, and catches up by itself."""

import pytest
from playwright.async_api import expect

from tests.dashboard.conftest import OpenPage
from tests.support.platform import Platform

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_page_that_lost_its_api_says_so_and_catches_up(platform: Platform, open_page: OpenPage) -> None:
    await platform.create_sale("lost-sight", stock=20)
    page = await open_page("sales", expected=("ERR_", "503"))
    card = page.locator("article", has=page.get_by_role("heading", name="lost-sight"))
    await expect(card).to_contain_text("Open")
    platform.kill("api-1", "api-2")
    await expect(page.locator(".liveness")).to_have_text("Disconnected")
    platform.start("api-1", "api-2")
    assert (await platform.buy("lost-sight", "ada", "k")).status_code == 200
    await expect(page.locator(".liveness")).to_have_text("Live")
    await expect(card.locator('[data-figure="Booked"]')).to_have_text("1")


async def test_without_the_broker_the_page_says_so_and_sales_go_on(platform: Platform, open_page: OpenPage) -> None:
    await platform.create_sale("no-broker", stock=20)
    page = await open_page("sales")
    card = page.locator("article", has=page.get_by_role("heading", name="no-broker"))
    await expect(card).to_contain_text("Open")
    platform.broker.kill()
    try:
        await expect(page.locator(".liveness")).to_have_text("No live figures")
        assert (await platform.buy("no-broker", "ada", "k")).status_code == 200
    finally:
        platform.broker.start()
    await expect(page.locator(".liveness")).to_have_text("Live")
    await expect(card.locator('[data-figure="Booked"]')).to_have_text("1")
