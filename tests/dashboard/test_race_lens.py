"""The race lens on a real race: the page draws the pairs that the API reports."""

from typing import Any

import pytest
from playwright.async_api import expect

from tests.dashboard.conftest import OpenPage, take_picture
from tests.dashboard.figures import figure
from tests.support.platform import Platform
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_pairs_of_a_race_are_shown(platform: Platform, open_page: OpenPage) -> None:
    await platform.create_sale("under-the-lens", strategy="naive", stock=100, think_ms=50)
    await platform.blast("under-the-lens", 60)
    evidence: dict[str, Any] = {}

    async def recorded() -> bool:
        evidence.update((await platform.ask("GET", "/sales/under-the-lens/witnesses")).json())
        return bool(evidence["written"] == (await platform.view("under-the-lens"))["booked"])

    await until(recorded)
    assert evidence["total"] > 0

    page = await open_page("race-lens")
    await page.get_by_role("combobox", name="Sale").select_option("under-the-lens")
    await expect(page.locator('[data-figure="collisions"]')).to_have_text(f"{evidence['total']} pairs")
    assert await figure(page.locator("main"), "Windows") == 60
    canvas = page.get_by_role("application")
    await canvas.focus()
    pair = evidence["witnesses"][0]
    for _ in range(pair["second"]["number"]):
        await page.keyboard.press("ArrowRight")
    heading = page.get_by_role("heading", name="both read version")
    await expect(heading).to_contain_text(pair["first"]["version_read"])
    reservations = page.locator("tbody tr", has_text="Reservation").locator("td")
    assert await reservations.all_inner_texts() == [pair[each]["reservation_id"] for each in ("first", "second")]
    await take_picture(page, "race-lens-pair")
