"""The stores of the operator."""

import pytest


@pytest.fixture
def environment(redis_url: str, broker_url: str, database_url: str, key_prefix: str) -> dict[str, str]:
    """The stores of this test, with more patience than production's: the machine is shared."""
    return {
        "REDIS_URL": redis_url,
        "BROKER_URL": broker_url,
        "DATABASE_URL": database_url,
        "GATE_KEY_PREFIX": key_prefix,
        "GATE_CONNECT_TIMEOUT_SECONDS": "5",
        "GATE_COMMAND_TIMEOUT_SECONDS": "5",
    }
