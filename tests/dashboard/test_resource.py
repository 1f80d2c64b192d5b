"""A sale that a FlashSale resource manages. The page shows the operator's report, without access to Kubernetes."""

import pytest
from playwright.async_api import expect
from redis.asyncio import Redis
from sqlalchemy import text

from app.live.resources import ResourceReports
from app.settings import GateSettings
from tests.dashboard.conftest import OpenPage, take_picture
from tests.support.platform import Platform

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATUS = {
    "workers": {"desired": 2, "pool": 3, "ready": 1},
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "AsDeclared", "message": "The spec is in force."},
        {"type": "LedgerConsistent", "status": "False", "reason": "Oversold", "message": "More are booked than are."},
        {"type": "Accepting", "status": "False", "reason": "SoldOut", "message": "No ticket is left."},
    ],
}


async def test_its_conditions_and_workers_are_shown(platform: Platform, open_page: OpenPage) -> None:
    await platform.create_sale("managed", stock=10)
    async with platform.engine.begin() as connection:
        owned = text("UPDATE sales SET managed_by = 'flashsale', owner_uid = 'u' WHERE name = 'managed'")
        await connection.execute(owned)
    page = await open_page("sales")
    card = page.get_by_role("article").filter(has=page.get_by_role("heading", name="managed"))
    await expect(card).to_contain_text("The operator has not reported on this sale lately.")
    async with Redis.from_url(platform.broker.url, decode_responses=True) as broker:
        await ResourceReports(broker, GateSettings().key_prefix).store("managed", STATUS, ttl_seconds=60)
    await expect(card.get_by_text("Ready: True, AsDeclared")).to_have_class("identity good")
    await expect(card.get_by_text("LedgerConsistent: False, Oversold")).to_have_class("identity bad")
    await expect(card.get_by_text("Accepting: False, SoldOut")).to_be_visible()
    await expect(card.get_by_role("definition").filter(has_text="2").first).to_be_visible()
    await expect(card).to_contain_text('kubectl patch flashsale managed --type merge -p \'{"spec":{"round":2}}\'')
    await expect(card).to_contain_text('kubectl patch flashsale managed --type merge -p \'{"spec":{"paused":true}}\'')
    await expect(card.get_by_role("button")).to_have_count(0)
    await take_picture(page, "sales-of-a-resource")
    async with platform.engine.begin() as connection:
        await connection.execute(text("UPDATE sales SET ended_at = now() WHERE name = 'managed'"))
    await expect(card).to_contain_text("Its FlashSale resource was deleted.")
    await expect(card).not_to_contain_text("kubectl")
