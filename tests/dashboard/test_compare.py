"""A race report on the page: sorted by any column, and exported as a file."""

import asyncio
import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import FilePayload, Page, expect

from tests.dashboard.conftest import CHARTS, OpenPage, take_picture
from tests.dashboard.race_report import race_report

pytestmark = pytest.mark.asyncio(loop_scope="session")

# One figure of `optimistic` is missing, as if it could not be read.
FIGURES: dict[str, dict[str, float]] = {
    "atomic": {"sold": 100, "oversold": 0, "answered_per_second": 900, "p99_ms": 7.5},
    "naive": {"sold": 1000, "oversold": 900, "answered_per_second": 90, "p99_ms": 80},
    "optimistic": {"sold": 100, "oversold": 0, "p99_ms": 400},
}


@pytest.fixture
def report() -> dict[str, Any]:
    return race_report(FIGURES)


async def open_report(page: Page, name: str, content: str) -> None:
    file: FilePayload = {"name": name, "mimeType": "application/json", "buffer": content.encode()}
    await page.set_input_files("input[type=file]", [file])


async def export(page: Page, button: str) -> bytes:
    """Press the button and return the content of the file that the browser downloads."""
    async with page.expect_download() as started:
        await page.get_by_role("button", name=button, exact=True).click()
    return await asyncio.to_thread(Path(await (await started.value).path()).read_bytes)


async def test_a_heading_sorts_and_sorts_the_other_way_round(open_page: OpenPage, report: dict[str, Any]) -> None:
    page = await open_page("compare")
    await open_report(page, "race.json", json.dumps(report))
    strategies = page.locator("tbody th")
    answered, p99 = (page.get_by_role("columnheader").filter(has_text=words) for words in ("Answered", "p99 (ms)"))
    await expect(strategies).to_have_text(["atomic", "naive", "optimistic"])  # a missing figure sorts last
    await expect(answered).to_have_attribute("aria-sort", "descending")
    await answered.get_by_role("button").press("Enter")
    await expect(strategies).to_have_text(["naive", "atomic", "optimistic"])
    await expect(answered).to_have_attribute("aria-sort", "ascending")
    await p99.get_by_role("button").click()
    await expect(strategies).to_have_text(["optimistic", "naive", "atomic"])
    await expect(page.locator("[aria-sort]")).to_have_count(1)
    await take_picture(page, "compare-sorted")


async def test_the_exports_have_the_figures_of_the_report(open_page: OpenPage, report: dict[str, Any]) -> None:
    page = await open_page("compare")
    await open_report(page, "race.json", json.dumps(report))
    assert json.loads(await export(page, "JSON")) == report
    rows = {row["strategy"]: row for row in csv.DictReader(StringIO((await export(page, "CSV")).decode()))}
    for strategy, figures in FIGURES.items():
        assert {name: float(rows[strategy][f"{name} median"]) for name in figures} == figures
    assert rows["optimistic"]["answered_per_second median"] == ""
    assert {strategy: row["exact"] for strategy, row in rows.items()} == {
        "atomic": "true", "naive": "false", "optimistic": "true",
    }  # fmt: skip
    if CHARTS.is_file():
        assert (await export(page, "PNG")).startswith(b"\x89PNG")


@pytest.mark.parametrize("content", ["{", "[]", '{"race": [{}], "workload": {}}'])
async def test_a_file_that_is_no_report_is_refused(open_page: OpenPage, content: str) -> None:
    page = await open_page("compare")
    await open_report(page, "holiday.json", content)
    await expect(page.locator(".notice.problem")).to_contain_text("holiday.json is not a report of a race")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Compare the strategies")


async def test_what_nobody_checked_is_not_called_exact(open_page: OpenPage) -> None:
    page = await open_page("compare")
    await open_report(page, "race.json", json.dumps(race_report({"atomic": {"sold": 100}, "function": {"sold": 100}})))
    rows = page.locator("tbody tr")
    await expect(rows.filter(has_text="atomic")).to_contain_text("exact in every run")
    await expect(rows.filter(has_text="function")).to_contain_text("which nobody checked")
