"""A race refuses to judge a service without evidence: it is away, refuses the race, or keeps its books elsewhere."""

from dataclasses import replace

import pytest

from app.client import ApiRefused
from app.lab.race.preflight import UnusableStore, refuse_unusable
from app.lab.race.target import Target
from app.lab.stack.servers.ports import free_port
from app.ledger.engine import make_engine
from app.ledger.migrate import upgrade
from app.settings import LedgerSettings
from app.strategies.conditional_update import ConditionalUpdateStrategy
from tests.fixtures.platform import MakePlatform

OWN, OTHER = "shop-north", "shop-south"


async def test_the_ledger_must_know_the_sale_and_the_setting_says_in_which_schema(
    make_platform: MakePlatform, empty_database_url: str
) -> None:
    for schema in (OWN, OTHER):  # two installations in one database
        engine = make_engine(empty_database_url, "test", LedgerSettings(schema_name=schema), pool_size=1)
        async with engine.begin() as connection:
            await connection.run_sync(upgrade, schema)
        await engine.dispose()
    platform = await make_platform(
        empty_database_url, idle=("worker-1", "reconcile"), environment={"LEDGER_SCHEMA_NAME": OWN}
    )
    own = Target(platform.url, database_url=empty_database_url, ledger_schema=OWN, redis_url=platform.stock.url)
    await refuse_unusable(own, ConditionalUpdateStrategy)  # the control
    for schema in (OTHER, "no-such-schema"):
        with pytest.raises(UnusableStore, match=f"schema {schema}, does not know the sale .* LEDGER_SCHEMA_NAME"):
            await refuse_unusable(replace(own, ledger_schema=schema), ConditionalUpdateStrategy)
    for variable, away in (("DATABASE_URL", "postgresql://nobody@127.0.0.1"), ("REDIS_URL", "redis://127.0.0.1")):
        store = {variable.lower(): f"{away}:{free_port()}"}
        with pytest.raises(UnusableStore, match=f"{variable}: the .* cannot be read"):
            await refuse_unusable(replace(own, **store), ConditionalUpdateStrategy)


async def test_a_service_that_refuses_to_create_a_sale_is_named(make_platform: MakePlatform) -> None:
    platform = await make_platform(idle=("worker-1", "reconcile"), environment={"API_ADMIN_TOKEN": "secret"})
    with pytest.raises(ApiRefused, match=f"POST {platform.url}/sales: 401 .*API_ADMIN_TOKEN"):
        await refuse_unusable(Target(platform.url), ConditionalUpdateStrategy)
    await refuse_unusable(Target(platform.url, "secret"), ConditionalUpdateStrategy)  # the control


def test_the_schema_is_that_of_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_SCHEMA_NAME", OWN)
    assert Target("http://127.0.0.1:1").ledger_schema == OWN
