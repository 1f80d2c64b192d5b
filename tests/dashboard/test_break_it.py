"""The faults that a lab offers, on a real lab whose admin token the user has to enter, and the races it has kept."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient
from playwright.async_api import Locator, Page, expect

from app.api.race_reports import RaceReports
from tests.dashboard.conftest import OpenPage, take_picture
from tests.dashboard.race_report import race_report
from tests.support.patience import PATIENCE
from tests.support.platform import QUICK
from tests.support.running_lab import RunningLab
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "sesame"  # noqa: S105  for a lab that lives for one test
# The page itself remembers what it has shown, because it shows it for some seconds only.
SHOWN = """words => new Promise((shown) => {
    const processes = document.querySelector(".processes");
    const look = () => [...processes.children].some((each) => new RegExp(words).test(each.textContent)) && shown();
    new MutationObserver(look).observe(processes, { childList: true, characterData: true, subtree: true });
    look();
})"""


@pytest.fixture
def lab(browser_path: str, tmp_path: Path) -> Iterator[RunningLab]:
    del browser_path  # without a browser no lab is started
    command = [str(Path(sys.executable).with_name("atomictickets")), "lab"]
    lab = RunningLab(command, tmp_path / "home", tmp_path / "output", API_ADMIN_TOKEN=TOKEN, **QUICK, **PATIENCE)
    try:
        lab.wait_ready()
        yield lab
    finally:
        lab.end(signal.SIGINT)


async def buy(lab: RunningLab, customers: range) -> None:
    async with AsyncClient(base_url=lab.url, timeout=20) as client:
        for number in customers:
            order = {"sale": "broken", "customer": f"buyer-{number}"}
            answer = await client.post("/buy-ticket", json=order, headers={"X-Idempotency-Key": "k"})
            assert answer.status_code == 200, answer.text


async def view(lab: RunningLab) -> dict[str, Any]:
    async with AsyncClient(base_url=lab.url, timeout=20) as client:
        sale: dict[str, Any] = (await client.get("/sales/broken")).json()
        return sale


async def until_recounted(lab: RunningLab, epoch: int) -> None:
    """Wait until the sale is open under an epoch above this one. A purchase before the fence would be lost."""

    async def recounted() -> bool:
        sale = await view(lab)
        return bool(sale.get("epoch", 0) > epoch and sale.get("phase") == "Open")

    await until(recounted)


def figure(page: Page, name: str) -> Locator:
    return page.locator(f'[data-figure="{name}"]')


def processes(page: Page, words: str) -> Locator:
    return page.get_by_label("Processes of the lab").get_by_role("listitem").filter(has_text=re.compile(words))


# This takes 20 s: each fault breaks something in a whole lab, which then recovers.
async def test_each_fault_is_shown_and_repaired(lab: RunningLab, open_page: OpenPage) -> None:
    page = await open_page("sales", url=lab.url, expected=("401",))
    await page.get_by_label("Name").fill("broken")
    await page.get_by_label("Stock").fill("20")
    await page.get_by_role("button", name="Create the sale").click()
    await expect(page.locator(".notice.problem")).to_contain_text("Enter it under “Admin token” above.")
    field = page.get_by_label("Admin token")
    await field.press_sequentially(TOKEN[:3])
    async with AsyncClient(base_url=lab.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        await client.post("/sales", json={"name": "meanwhile", "strategy": "naive", "stock": 1})
    await expect(page.get_by_role("heading", name="meanwhile")).to_be_visible()  # a render between two letters
    await expect(field).to_have_value(TOKEN[:3])
    await field.press_sequentially(TOKEN[3:])
    await page.get_by_role("button", name="Create the sale").click()
    await expect(page.get_by_role("heading", name="broken")).to_be_visible()
    for _ in range(2):  # the refusal and the success; they would cover buttons
        await page.get_by_role("button", name="Close this notice").first.click()
    await page.evaluate("location.hash = '#/way'")

    await page.get_by_role("button", name="Pause the drain").click()
    await expect(processes(page, r"worker.*\(paused\)")).not_to_have_count(0)
    await buy(lab, range(3))
    await expect(figure(page, "stream")).to_have_text("3 tickets")
    await expect(figure(page, "ledger")).to_have_text("0 tickets")
    await take_picture(page, "way-paused")
    await page.get_by_role("button", name="Resume the drain").click()
    await expect(figure(page, "ledger")).to_have_text("3 tickets")

    down = asyncio.ensure_future(page.evaluate(SHOWN, r"worker.*\(down\)"))
    await asyncio.sleep(0)  # lets the page begin to look before the click
    await page.get_by_role("button", name="Kill a worker").click()
    await asyncio.wait_for(down, 30)
    await expect(processes(page, r"\((down|paused)\)")).to_have_count(0)

    epoch = (await view(lab))["epoch"]
    await page.get_by_role("button", name="Erase the stock server").click()
    await until_recounted(lab, epoch)
    await expect(figure(page, "gate")).to_have_text("17 tickets")
    await buy(lab, range(3, 5))
    await expect(figure(page, "ledger")).to_have_text("5 tickets")
    await expect(page.locator('[data-identity="good"]')).to_have_text(re.compile(r"20 = 15 \+ 0 \+ 0 \+ 5"))

    await page.get_by_role("button", name="Stop the broker").click()
    await expect(processes(page, r"broker.*\(down\)")).to_have_count(1)
    await buy(lab, range(5, 6))  # sales go on without the broker
    await expect(processes(page, r"\(down\)")).to_have_count(0)
    await expect(figure(page, "ledger")).to_have_text("6 tickets")
    await expect(page.locator('[data-identity="good"]')).to_have_text(re.compile(r"20 = 14 \+ 0 \+ 0 \+ 6"))
    sale = await view(lab)
    assert (sale["booked"], sale["oversold"], sale["lost"]) == (6, 0, 0)


async def test_a_lab_offers_the_races_that_it_has_kept(lab: RunningLab, open_page: OpenPage) -> None:
    """The one of an older release cannot be shown, and says so. A race that ends meanwhile is offered."""
    reports = RaceReports(lab.home)
    reports.directory.mkdir()

    def keep(second: int, report: dict[str, Any]) -> str:
        path = reports.path(f"2026-01-01T00:00:0{second}")
        path.write_text(json.dumps(report))
        return path.stem

    assert '-H "Authorization: Bearer $API_ADMIN_TOKEN"' in lab.printed
    assert TOKEN not in lab.printed
    one = {"atomic": {"sold": 1}}
    keep(1, {"race": "of an older release"})
    second = keep(2, race_report(one) | {"interrupted": True})
    page = await open_page("compare", url=lab.url)
    race = page.get_by_role("combobox", name="Race")
    await expect(race).to_have_value(second)
    await expect(page.locator(".lead")).to_contain_text("interrupted, at most 5 runs")
    await race.select_option("2026-01-01T00-00-01")
    await expect(page.locator(".notice.problem")).to_contain_text("another release has written it")
    await expect(race).to_have_value(second)
    third = keep(3, race_report(one | {"row-lock": {"sold": 1}}))
    await page.evaluate("location.hash = '#/sales'")
    await page.evaluate("location.hash = '#/compare'")
    await expect(race).to_have_value(third)
    await expect(page.locator("tbody tr")).to_have_count(2)
    await race.select_option(second)
    await expect(page.locator("tbody tr")).to_have_count(1)
