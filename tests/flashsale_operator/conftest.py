"""Fixtures for the stores of the operator."""

from collections.abc import AsyncIterator, Mapping

import pytest

from app.settings import ReconcileSettings
from flashsale_operator.stores import Stores
from tests.flashsale_operator.story import Story
from tests.support.box_office import BoxOffice


@pytest.fixture
def environment(store_environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of this test's stores, with longer timeouts than in production: the machine is shared."""
    return store_environment | {"GATE_CONNECT_TIMEOUT_SECONDS": "5", "GATE_COMMAND_TIMEOUT_SECONDS": "5"}


@pytest.fixture
async def stores(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stores]:
    """Yield the operator's stores. Each grace period is over by the next check."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("flashsale_operator.sale_sync.settings_of", lambda _: ReconcileSettings(grace_seconds=1e-9))
    stores = Stores.open(sales_at_once=2)
    yield stores
    await stores.close()


@pytest.fixture
def story(stores: Stores, office: BoxOffice) -> Story:
    return Story(stores, office)
