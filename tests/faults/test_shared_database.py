"""Two installations, each in its own schema of one database, run sales of the same name."""

import asyncio

from tests.faults.consistency import assert_consistent
from tests.fixtures.platform import MakePlatform
from tests.support.releases import THIS

STOCK = 300


async def test_two_installations_sell_from_one_database(empty_database_url: str, make_platform: MakePlatform) -> None:
    schemas = ("shops-north", "shops-south")
    for schema in schemas:
        assert THIS.migrate(empty_database_url, LEDGER_SCHEMA_NAME=schema).returncode == 0
    platforms = [
        await make_platform(empty_database_url, environment={"LEDGER_SCHEMA_NAME": schema}) for schema in schemas
    ]
    for platform in platforms:
        await platform.create_sale(stock=STOCK)
    crowds = await asyncio.gather(*(platform.blast("drop", 2 * STOCK) for platform in platforms))
    for platform, crowd in zip(platforms, crowds, strict=True):
        assert crowd.outcomes == {"accepted": STOCK, "sold-out": STOCK}
        assert (await assert_consistent(platform, "drop", crowd.records))["booked"] == STOCK
